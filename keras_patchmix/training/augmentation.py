"""Augmentation of images before they are mixed: a function of the seed and the step."""

import math

import keras

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.images import decode, jpeg_size
from keras_patchmix.training.keras_augmentation import KerasAugmentation
from keras_patchmix.training.step_seeds import seed_of

AUGMENTATIONS = ("none", "flip", "flip-shift", "flip-crop")
# Areas and aspect ratios of crops: Szegedy et al. 2014, arXiv 1409.4842.
AREAS, ASPECTS = (0.08, 1.0), (3 / 4, 4 / 3)


class Augmentation:
    """The augmentation of whole batches that options describe.

    Args:
        options: A `TrainOptions`.
        local: `keras_patchmix.devices.batches.LocalBatches`, the rows of this process. What is
            drawn for a row does not depend on the number of processes.
    """

    def __init__(self, options, local):
        self._options, self._local = options, local
        self._by_keras = KerasAugmentation(options, local.seed(options.seed))

    def __call__(self, images, step):
        """Augments images `(batch, height, width, channels)` of values 0..255.

        Returns:
            Images of the same shape; uint8 images become float32 if they are resampled.
        """
        tf = require("tensorflow", "Training")
        name = self._options.augmentation
        if name != "none":
            draws = tf.unstack(flip_and_crop_draws(self._options.seed, step, self._local), axis=1)
            images = _flip(tf, images, draws[0])
            if name == "flip-shift":
                images = _shift(tf, images, draws[1:3])
            elif name == "flip-crop":
                images = _crop(tf, images, draws[1:])
        if not self._by_keras:
            return images
        if keras.backend.backend() == "tensorflow":
            return self._by_keras(images, step)
        # In the graph Keras would draw from generators of TensorFlow, which repeat nothing.
        augmented = tf.numpy_function(self._by_keras, [images, step], tf.float32)
        return tf.ensure_shape(augmented, images.shape)


def flip_and_crop_draws(seed, step, local):
    """Returns float32 `(rows, 5)` in [0, 1): whether to flip; area, aspect, top, left of a crop."""
    tf = require("tensorflow", "Training")
    seed = seed_of(seed, "augment", step)
    return local.rows(tf.random.stateless_uniform((local.global_size, 5), seed))


def crop_window(height, width, draws):
    """Chooses a crop of 8 to 100 % of the area and an aspect of 3:4 to 4:3, in pixels.

    Crops of images in memory follow the same law, with aspects of the resized image; here they are
    those of the photograph. A crop that is too wide or too high is narrowed.

    Args:
        height: Integer scalar tensor.
        width: Integer scalar tensor.
        draws: float32 tensor `(4,)` of values in [0, 1): area, aspect, top, left.

    Returns:
        int32 tensor `(4,)`: top, left, height, width.
    """
    tf = require("tensorflow", "Training")
    sides = tf.cast(tf.stack([height, width]), tf.float32)
    share, stretch = area_and_stretch(tf, draws)
    area = share * sides[0] * sides[1]
    tall = tf.minimum(tf.sqrt(area) / stretch, sides[0])
    wide = tf.minimum(tf.sqrt(area) * stretch, sides[1])
    tall, wide = tf.minimum(tall, wide / ASPECTS[0]), tf.minimum(wide, tall * ASPECTS[1])
    size = tf.minimum(tf.maximum(tf.round(tf.stack([tall, wide])), 1.0), sides)
    corner = tf.minimum(tf.floor(draws[2:] * (sides - size + 1)), sides - size)
    return tf.cast(tf.concat([corner, size], axis=0), tf.int32)


def decode_crop(content, draws, size):
    """Decodes a random crop of an encoded image, resizes it, and flips it or not.

    It is resized by the area method if it shrinks on both sides, else bilinearly.

    Args:
        content: String scalar tensor. Of a JPEG only the blocks of the crop are decoded.
        draws: float32 tensor `(5,)` of `flip_and_crop_draws`.
        size: (height, width) to resize to.

    Returns:
        uint8 tensor `(height, width, 3)`.
    """
    tf = require("tensorflow", "Training")

    def of_jpeg():
        shape = jpeg_size(content)
        window = crop_window(shape[0], shape[1], draws[1:])
        return tf.image.decode_and_crop_jpeg(content, window, channels=3)

    def of_others():
        image = decode(content)
        shape = tf.shape(image)
        top, left, height, width = tf.unstack(crop_window(shape[0], shape[1], draws[1:]))
        return image[top : top + height, left : left + width]

    crop = tf.cond(tf.io.is_jpeg(content), of_jpeg, of_others)
    crop = tf.ensure_shape(crop, (None, None, 3))
    resized = tf.cond(
        tf.reduce_all(tf.shape(crop)[:2] >= size),
        lambda: tf.image.resize(crop, size, method="area"),
        lambda: tf.image.resize(crop, size, method="bilinear"),
    )
    pixels = tf.cast(resized + 0.5, tf.uint8)  # means of pixels: within 0..255
    pixels = tf.cond(draws[0] < 0.5, lambda: tf.reverse(pixels, axis=[1]), lambda: pixels)
    return tf.ensure_shape(pixels, (*size, 3))


def _flip(tf, images, draws):
    flipped = tf.reshape(draws < 0.5, (-1, 1, 1, 1))
    return tf.where(flipped, tf.reverse(images, axis=[2]), images)


def _shift(tf, images, draws):
    """Shifts by up to an eighth of a side; borders are mirrored."""
    for axis, draw in zip((1, 2), draws, strict=True):
        side = images.shape[axis]
        margin = side // 8
        shift = tf.cast(draw * (2 * margin + 1), tf.int32) - margin
        index = tf.abs(tf.range(side) + shift[:, None])
        index = (side - 1) - tf.abs((side - 1) - index)
        images = tf.gather(images, index, axis=axis, batch_dims=1)
    return images


def _crop(tf, images, draws):
    """Crops a part of random area and aspect, and resizes it to the whole."""
    area, stretch = area_and_stretch(tf, draws)
    height = tf.minimum(tf.sqrt(area) / stretch, 1.0)
    width = tf.minimum(tf.sqrt(area) * stretch, 1.0)
    top, left = draws[2] * (1 - height), draws[3] * (1 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    shape = images.shape[1:3]
    return tf.image.crop_and_resize(images, boxes, tf.range(images.shape[0]), shape)


def area_and_stretch(module, draws):
    """Returns the share of the area, and the square root of the aspect (width / height)."""
    area = AREAS[0] + draws[0] * (AREAS[1] - AREAS[0])
    low, high = map(math.log, ASPECTS)
    return area, module.exp(0.5 * (low + draws[1] * (high - low)))
