"""Input pipelines of a training run."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_patchmix import datasets, mixing
from keras_patchmix._optional import require
from keras_patchmix.layers.labels import encode_labels
from keras_patchmix.layers.patch_mixing import PatchMixing
from keras_patchmix.layers.seeded_map import map_seeded


@dataclass(frozen=True)
class Data:
    """The three parts of a data set, unbatched, and what training must know of them."""

    train: Any
    validation: Any
    test: Any
    info: Any

    @property
    def num_train(self):
        """The number of training images."""
        return self.info.num_examples


def load(options):
    """Loads the splits that `options` name.

    Args:
        options: A `TrainOptions`.

    Returns:
        A `Data`: `tf.data` sets of `(image, label)`.
    """
    names = _splits(options)
    loaded = {}
    for part, split in names.items():
        loaded[part], info = datasets.load(
            options.dataset,
            split,
            image_size=options.image_size,
            data_dir=options.data_dir,
            with_info=True,
        )
        if part == "train":
            train_info = info
    return Data(**loaded, info=train_info)


def training_batches(data, options, total_steps):
    """The endless stream of training batches, a function of the options' seed.

    Args:
        data: A `Data`.
        options: A `TrainOptions`.
        total_steps: Steps of the whole training; `options.mixing_start` is a share of it.

    Returns:
        A `tf.data.Dataset` of `(images uint8 or float32, labels float32 (batch, classes))`.
    """
    tf = require("tensorflow", "Training")
    stream = data.train.cache().shuffle(data.num_train, seed=options.seed).repeat()
    if options.augmentation != "none":
        stream = _augment(stream, options, tf)
    batches = stream.batch(options.batch_size, drop_remainder=True)
    plain_steps = round(options.mixing_start * total_steps)
    if options.mixing == "none":
        plain_steps = total_steps
    plain = batches.map(lambda x, y: (x, _smooth(y, data, options)))
    if plain_steps >= total_steps:
        return plain.prefetch(2)
    if options.mixing == "patchmix":
        mixed = map_seeded(batches.skip(plain_steps), patch_mixing(data, options), options.seed)
    else:
        mixed = _keras_mixing(batches.skip(plain_steps), data, options, tf)
        plain = plain.map(lambda x, y: (tf.cast(x, tf.float32), y))
    if plain_steps:
        mixed = plain.take(plain_steps).concatenate(mixed)
    return mixed.prefetch(2)


def validation_batches(dataset, info, batch_size):
    """Batches of untouched images with one-hot labels."""
    return dataset.batch(batch_size).map(lambda x, y: (x, encode_labels(y, info.num_classes, None)))


def patch_mixing(data, options):
    """The `PatchMixing` layer that the options describe."""
    height, width = data.info.image_shape[:2]
    grid = options.grid_size
    if grid is None:
        grid = next((g for g in (7, 8) if height % g == 0 and width % g == 0), 7)
    return PatchMixing(
        grid_size=grid,
        alpha=options.mixing_alpha,
        ratio=options.mixing_ratio,
        probability=options.mixing_probability,
        num_classes=data.info.num_classes,
        label_smoothing=options.label_smoothing,
        seed=options.seed,
    )


def _smooth(labels, data, options):
    rows = encode_labels(labels, data.info.num_classes, None)
    return mixing.smooth_labels(rows, options.label_smoothing)


def _keras_mixing(batches, data, options, tf):
    # One batch after the other: these layers are not reproducible in a parallel map.
    layer = {"cutmix": keras.layers.CutMix, "mixup": keras.layers.MixUp}[options.mixing]
    mix = layer(options.mixing_alpha, seed=options.seed, data_format="channels_last")

    def mix_some(batch, step):
        images, labels = batch
        clean = {
            "images": tf.cast(images, tf.float32),
            "labels": encode_labels(labels, data.info.num_classes, None),
        }
        coin = tf.random.stateless_uniform((), [tf.constant(options.seed, tf.int64), step])
        mixed = tf.cond(
            coin < options.mixing_probability, lambda: mix(clean, training=True), lambda: clean
        )
        return mixed["images"], mixing.smooth_labels(mixed["labels"], options.label_smoothing)

    return tf.data.Dataset.zip(batches, tf.data.Dataset.counter()).map(mix_some)


def _augment(stream, options, tf):
    """Flips images, and shifts them by up to an eighth, with a seed for each image."""

    def augment(image, label, seed):
        image = tf.image.stateless_random_flip_left_right(image, [seed, 0])
        if options.augmentation == "flip-shift":
            height, width, channels = image.shape
            margin = ((height // 8,) * 2, (width // 8,) * 2, (0, 0))
            image = tf.image.stateless_random_crop(
                tf.pad(image, margin, mode="REFLECT"), (height, width, channels), [seed, 1]
            )
        return image, label

    seeds = tf.data.Dataset.random(seed=options.seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip(stream, seeds).map(
        lambda element, seed: augment(*element, seed), num_parallel_calls=tf.data.AUTOTUNE
    )
