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
    loaded = {
        part: datasets.load(
            options.dataset,
            split,
            image_size=options.image_size,
            data_dir=options.data_dir,
            with_info=True,
        )
        for part, split in _splits(options).items()
    }
    _check_sizes(loaded, options)
    return Data(**{part: dataset for part, (dataset, _) in loaded.items()}, info=loaded["train"][1])


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
    batches = stream.batch(options.batch_size, drop_remainder=True)
    if options.augmentation != "none":
        batches = _augment(batches, options, tf)
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


def _splits(options):
    """The split of each part: as asked for, the set's own, or a tenth of the training images."""
    own = datasets.split_names(options.dataset, data_dir=options.data_dir)
    train, validation, test = "train", "validation", "test"
    if not {"validation", "test"} <= set(own):
        # What there is beside the training images is for the final score.
        test = next((split for split in ("test", "validation") if split in own), None)
        train, validation = "train[:90%]", "train[90%:]"
    splits = {
        "train": options.train_split or train,
        "validation": options.validation_split or validation,
        "test": options.test_split or test,
    }
    if splits["test"] is None:
        raise ValueError(
            f"The data set {options.dataset!r} has no test split: name one with --test-split, such "
            f"as 'train[80%:90%]'. Its splits: {sorted(own)}"
        )
    return splits


def _check_sizes(loaded, options):
    few = loaded["train"][1].num_examples
    if few < options.batch_size:
        raise ValueError(
            f"--batch-size must not exceed the number of training images, {few}. "
            f"Received: {options.batch_size}"
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


def _augment(batches, options, tf):
    """Flips images, and shifts them by up to an eighth, a whole batch at a time."""

    def augment(batch, step):
        images, labels = batch
        count, height, width, _ = images.shape
        seed = tf.stack([tf.constant(options.seed, tf.int64), step])
        draws = tf.random.stateless_uniform((3, count), seed)
        flipped = tf.reshape(draws[0] < 0.5, (-1, 1, 1, 1))
        images = tf.where(flipped, tf.reverse(images, axis=[2]), images)
        if options.augmentation == "flip-shift":
            for axis, side in ((1, height), (2, width)):
                margin = side // 8
                shift = tf.cast(draws[axis] * (2 * margin + 1), tf.int32) - margin
                # Positions outside mirror back in.
                index = tf.abs(tf.range(side) + shift[:, None])
                index = (side - 1) - tf.abs((side - 1) - index)
                images = tf.gather(images, index, axis=axis, batch_dims=1)
        return images, labels

    return tf.data.Dataset.zip(batches, tf.data.Dataset.counter()).map(
        augment, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
