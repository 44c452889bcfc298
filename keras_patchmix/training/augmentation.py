"""What happens to single images before they are mixed: a function of the seed and the step."""

import math

import keras

from keras_patchmix.base.optional import require
from keras_patchmix.training.step_seeds import seed_of, seeded

AUGMENTATIONS = ("none", "flip", "flip-shift", "flip-crop")
# Areas and aspect ratios of crops, as Szegedy et al. 2014 (arXiv 1409.4842) and all after them.
AREAS, ASPECTS = (0.08, 1.0), (3 / 4, 4 / 3)


class Augmentation:
    """The augmentation that options describe, of a whole batch at a time.

    Args:
        options: A `TrainOptions`.
        local: `keras_patchmix.devices.local_batches.LocalBatches`, which rows of the global batch
            this process has. What is drawn for the others does not change what these get.

    Raises:
        ValueError: A layer of Keras is asked for that this backend does not make repeatable.
    """

    def __init__(self, options, local):
        self._options, self._local = options, local
        self._layers = []
        seed = local.seed(options.seed)
        if options.rand_augment:
            layer = keras.layers.RandAugment(
                (0, 255),
                num_ops=options.rand_augment_ops,
                factor=options.rand_augment,
                data_format="channels_last",
                dtype="float32",
            )
            self._layers.append(seeded(layer, seed, "rand_augment"))
        if options.random_erasing:
            share = options.random_erasing
            layer = keras.layers.RandomErasing(
                (share, share), data_format="channels_last", dtype="float32"
            )
            self._layers.append(seeded(layer, seed, "erasing"))

    def __call__(self, images, step):
        """Augments images `(batch, height, width, channels)` of values 0..255.

        Returns:
            Images of the same shape; uint8 ones become float32 where they are resampled.
        """
        tf = require("tensorflow", "Training")
        name = self._options.augmentation
        if name != "none":
            seed = seed_of(self._options.seed, "augment", step)
            draws = tf.random.stateless_uniform((self._local.global_size, 5), seed)
            draws = tf.unstack(self._local.rows(draws), axis=1)
            images = _flip(tf, images, draws[0])
            if name == "flip-shift":
                images = _shift(tf, images, draws[1:3])
            elif name == "flip-crop":
                images = _crop(tf, images, draws[1:])
        for layer, generator in self._layers:
            generator.at(step)
            images = layer(images, training=True)
        return images


def _flip(tf, images, draws):
    flipped = tf.reshape(draws < 0.5, (-1, 1, 1, 1))
    return tf.where(flipped, tf.reverse(images, axis=[2]), images)


def _shift(tf, images, draws):
    """Shifts by up to an eighth of a side."""
    for axis, draw in zip((1, 2), draws, strict=True):
        side = images.shape[axis]
        margin = side // 8
        shift = tf.cast(draw * (2 * margin + 1), tf.int32) - margin
        # Positions outside mirror back in.
        index = tf.abs(tf.range(side) + shift[:, None])
        index = (side - 1) - tf.abs((side - 1) - index)
        images = tf.gather(images, index, axis=axis, batch_dims=1)
    return images


def _crop(tf, images, draws):
    """Crops a part of random area and aspect, and resizes it to the whole."""
    area = AREAS[0] + draws[0] * (AREAS[1] - AREAS[0])
    low, high = map(math.log, ASPECTS)
    stretch = tf.exp(0.5 * (low + draws[1] * (high - low)))
    height = tf.minimum(tf.sqrt(area) / stretch, 1.0)
    width = tf.minimum(tf.sqrt(area) * stretch, 1.0)
    top, left = draws[2] * (1 - height), draws[3] * (1 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    shape = images.shape[1:3]
    return tf.image.crop_and_resize(images, boxes, tf.range(images.shape[0]), shape)
