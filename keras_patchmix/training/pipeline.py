"""Input pipelines of a training run."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

from keras_patchmix import datasets
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import say
from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.devices.local_batches import LocalBatches
from keras_patchmix.layers.labels import encode_labels
from keras_patchmix.training import caching
from keras_patchmix.training.augmentation import Augmentation
from keras_patchmix.training.mixing_steps import MixingSteps
from keras_patchmix.training.step_seeds import shuffle_seed
from keras_patchmix.training.streaming import BUFFER, streamed_batches


@dataclass(frozen=True)
class Data:
    """The three parts of a data set, and what training must know of them.

    Attributes:
        train: Decoded training images and labels, unbatched.
        validation: Those to validate on, unbatched.
        test: Those to score in the end, a `keras_patchmix.datasets.ScoringData`.
        info: A `keras_patchmix.datasets.DatasetInfo` of the training images.
        cache: "decoded", "encoded" or "none": how training images are kept in memory.
        encoded: The training images encoded, see `keras_patchmix.datasets.encoded`; None where
            they are kept decoded.
    """

    train: Any
    validation: Any
    test: Any
    info: Any
    cache: str = "decoded"
    encoded: Any = None

    @property
    def num_train(self):
        """The number of training images."""
        return self.info.num_examples


def load(options):
    """Loads the splits that `options` name.

    Args:
        options: A `TrainOptions`.

    Returns:
        A `Data`.
    """
    splits = _splits(options)
    place = {"image_size": options.image_size, "data_dir": options.data_dir}
    train, info = datasets.load(options.dataset, splits["train"], with_info=True, **place)
    validation = datasets.load(options.dataset, splits["validation"], **place)
    # By then hours of training are done, which no broken file may take back.
    test = datasets.load_for_scoring(
        options.dataset, splits["test"], batch_size=options.batch_size, **place
    )
    _check_size(info, options)
    return Data(train, validation, test, info, **_kept(options, info))


def _kept(options, info):
    """Decides where training images are kept, and says so."""

    @functools.cache
    def encoded():
        return parse_source(options.dataset, options.data_dir).encoded(info.split)

    cache = options.cache
    if cache == "auto":
        cache = caching.choose_cache(info, encoded)
    opened = None if cache == "decoded" else encoded()
    size = None if opened is None else opened.num_bytes
    buffer = min(options.shuffle_buffer or BUFFER, info.num_examples)
    say(caching.in_words(cache, info, size, buffer))
    return {"cache": cache, "encoded": opened}


def training_batches(data, options, total_steps, first_step=0, local=None):
    """The endless stream of training batches, a function of the options' seed and of the step.

    The shuffle of tf.data also takes in TensorFlow's global seed: set it first, as `fit` does.

    A pass over the images has as many batches as fit, in an order of its own, so that a run that
    resumes reads again only what came before in the pass that it was in.

    Args:
        data: A `Data`.
        options: A `TrainOptions`.
        total_steps: Steps of the whole training; `options.mixing_start` is a share of it.
        first_step: The step that the stream begins at. Defaults to `0`.
        local: `keras_patchmix.devices.local_batches.LocalBatches`, which rows of a batch this
            process trains on; all when None.

    Returns:
        A `tf.data.Dataset` of `(images uint8 or float32, labels float32 (batch, classes))`. With
        `options.order` "fast" batches come as they are ready, and a stream that begins later is
        not the rest of the one that began before.
    """
    tf = require("tensorflow", "Training")
    local = local or LocalBatches(options.batch_size, options.batch_size, 0, 1)
    plain_steps = round(options.mixing_start * total_steps)
    exact = options.order == "exact"
    mix = MixingSteps(options, data.info, plain_steps, local.seed(options.seed))
    if data.cache == "decoded":
        augment = Augmentation(options, local)
        batches = _shuffled_batches(data, options, first_step, tf)

        # AutoGraph has nothing to convert here, and warns of imports.
        @tf.autograph.experimental.do_not_convert
        def prepare(batch, step):
            images, labels = local.rows(batch)
            return mix(augment(images, step), labels, step)

    else:
        cropped = options.augmentation == "flip-crop"
        rest = dataclasses.replace(options, augmentation="none") if cropped else options
        augment = Augmentation(rest, local)
        batches = streamed_batches(data, options, first_step, local)

        @tf.autograph.experimental.do_not_convert
        def prepare(batch, step):
            images, labels = batch
            return mix(augment(images, step), labels, step)

    return (
        tf.data.Dataset.zip(batches, tf.data.Dataset.counter(first_step))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=exact)
        .prefetch(2)
    )


def _shuffled_batches(data, options, first_step, tf):
    source = data.train.cache()
    first_pass, done = divmod(first_step, data.num_train // options.batch_size)

    @tf.autograph.experimental.do_not_convert
    def one_pass(number):
        # By default the whole set is in the buffer, so that every order is as likely.
        shuffled = source.shuffle(
            options.shuffle_buffer or data.num_train,
            seed=shuffle_seed(options.seed, number),
            reshuffle_each_iteration=False,
        )
        return shuffled.batch(options.batch_size, drop_remainder=True)

    return tf.data.Dataset.counter(first_pass).flat_map(one_pass).skip(done)


def one_hot(data):
    """Returns a function from a batch `(images, class ids)` to the same with one-hot labels."""
    tf = require("tensorflow", "Training")

    # AutoGraph has nothing to convert here, and warns of imports.
    @tf.autograph.experimental.do_not_convert
    def encode(images, labels):
        return images, encode_labels(labels, data.info.num_classes, None)

    return encode


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


def _check_size(info, options):
    few = info.num_examples
    if few < options.batch_size:
        raise ValueError(
            f"--batch-size must not exceed the number of training images, {few}. "
            f"Received: {options.batch_size}"
        )
