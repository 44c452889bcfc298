"""Input pipelines of a training run, from memory or streamed."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

from keras_patchmix import datasets
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import say
from keras_patchmix.datasets.images import decode, resize
from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.devices.batches import LocalBatches
from keras_patchmix.layers.labels import encode_labels
from keras_patchmix.training import caching
from keras_patchmix.training.augmentation import Augmentation, decode_crop, flip_and_crop_draws
from keras_patchmix.training.mixing_steps import MixingSteps
from keras_patchmix.training.step_seeds import shuffle_seed

BUFFER = 10_000  # examples in the shuffle buffer if the set is not in memory


@dataclass(frozen=True)
class Decoder:
    """How an encoded image becomes pixels, for `keras_patchmix.datasets.encoded`.

    Attributes:
        function: Function of the encoded image, a string scalar tensor, and the arguments that
            returns a uint8 tensor (height, width, 3).
        arguments: Tuple of tensors.
        shape: Static shape of the pixels.
    """

    function: Any
    arguments: tuple
    shape: tuple


@dataclass(frozen=True)
class Data:
    """The three parts of a data set.

    Attributes:
        train: Decoded training images and labels, unbatched.
        validation: Images and labels to validate on, unbatched.
        test: Images to score in the end, a `keras_patchmix.datasets.ScoringData`.
        info: A `keras_patchmix.datasets.DatasetInfo` of the training images.
        cache: "decoded", "encoded" or "none": how training images are cached in memory.
        encoded: The encoded training images, see `keras_patchmix.datasets.encoded`; None if they
            are cached decoded.
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
    """Loads the splits that a `TrainOptions` names; returns a `Data`."""
    splits = _splits(options)
    place = {"image_size": options.image_size, "data_dir": options.data_dir}
    train, info = datasets.load(options.dataset, splits["train"], with_info=True, **place)
    validation = datasets.load(options.dataset, splits["validation"], **place)
    # A broken file must not end a run after hours of training.
    test = datasets.load_for_scoring(
        options.dataset, splits["test"], batch_size=options.batch_size, **place
    )
    _check_size(info, options)
    return Data(train, validation, test, info, **_kept(options, info))


def _kept(options, info):
    """Chooses the cache of the training images, and says which."""

    @functools.cache
    def encoded():
        return parse_source(options.dataset, options.data_dir).encoded(info.split)

    cache = options.cache
    if cache == "auto":
        cache = caching.choose_cache(info, encoded)
    opened = None if cache == "decoded" else encoded()
    size = None if opened is None else opened.num_bytes
    buffer = min(options.shuffle_buffer or BUFFER, info.num_examples)
    say(caching.describe(cache, info, size, buffer))
    return {"cache": cache, "encoded": opened}


def training_batches(data, options, total_steps, first_step=0, local=None):
    """Returns the endless stream of training batches, a function of the seed and the step.

    The shuffle of tf.data also depends on TensorFlow's global seed: set it first, as `fit` does.
    Each pass over the images has whole batches only, in an order of its own, so that a resumed run
    reads again only what came before in the pass that it was in.

    Args:
        data: A `Data`.
        options: A `TrainOptions`.
        total_steps: Steps of the whole training; `options.mixing_start` is a share of it.
        first_step: The step that the stream begins at. Defaults to `0`.
        local: `keras_patchmix.devices.batches.LocalBatches`, the rows of a batch that this process
            trains on; all when None.

    Returns:
        A `tf.data.Dataset` of `(images uint8 or float32, labels float32 (batch, classes))`. With
        `options.order` "fast" batches come as they are ready, and a stream that begins later is
        not the rest of the one that began before.
    """
    tf = require("tensorflow", "Training")
    local = local or LocalBatches(options.batch_size, options.batch_size, 0, 1)
    plain_steps = round(options.mixing_start * total_steps)
    mix = MixingSteps(options, data.info, plain_steps, local.seed(options.seed))
    in_memory = data.cache == "decoded"
    if in_memory:
        augment = Augmentation(options, local)
        batches = _decoded_batches(data, options, first_step)
    else:
        cropped = options.augmentation == "flip-crop"  # while the images are decoded
        rest = dataclasses.replace(options, augmentation="none") if cropped else options
        augment = Augmentation(rest, local)
        batches = _streamed_batches(data, options, first_step, local)

    # AutoGraph has nothing to convert here, and warns of imports.
    @tf.autograph.experimental.do_not_convert
    def prepare(batch, step):
        images, labels = local.rows(batch) if in_memory else batch
        return mix(augment(images, step), labels, step)

    return (
        tf.data.Dataset.zip(batches, tf.data.Dataset.counter(first_step))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=options.order == "exact")
        .prefetch(2)
    )


def _decoded_batches(data, options, first_step):
    """Returns the global batches of a set that is cached decoded."""
    tf = require("tensorflow", "Training")
    source = data.train.cache()
    first_pass, done = divmod(first_step, data.num_train // options.batch_size)

    @tf.autograph.experimental.do_not_convert
    def one_pass(number):
        # With the whole set in the buffer every order is equally likely.
        shuffled = source.shuffle(
            options.shuffle_buffer or data.num_train,
            seed=shuffle_seed(options.seed, number),
            reshuffle_each_iteration=False,
        )
        return shuffled.batch(options.batch_size, drop_remainder=True)

    return tf.data.Dataset.counter(first_pass).flat_map(one_pass).skip(done)


def _streamed_batches(data, options, first_step, local):
    """Returns this worker's rows of the batches of a set that is not cached decoded.

    Examples stay encoded until they belong to a batch of this worker: resuming at a later step
    decodes nothing of the earlier ones. With `flip-crop`, the crop is cut out of the photograph as
    it is decoded, by the same random numbers as crops of images in memory; other augmentations
    come after.
    """
    tf = require("tensorflow", "Training")
    exact = options.order == "exact"
    crops = options.augmentation == "flip-crop"
    size = tuple(data.info.image_shape[:2])

    @tf.autograph.experimental.do_not_convert
    def own_rows(batch, step):
        batch = batch if batch[2].shape[0] == local.size else local.rows(batch)
        return (batch, flip_and_crop_draws(options.seed, step, local)) if crops else (batch,)

    @tf.autograph.experimental.do_not_convert
    def decoded(example, *draws):
        function = decode_crop if crops else _decode_whole
        decoder = Decoder(lambda *one: function(*one, size), draws, (*size, 3))
        return data.encoded.decoded(example, decoder), example[2]

    batches = _encoded_batches(data, options, first_step, local)
    return (
        tf.data.Dataset.zip(batches, tf.data.Dataset.counter(first_step))
        .map(own_rows, num_parallel_calls=tf.data.AUTOTUNE, deterministic=exact)
        .unbatch()
        .map(decoded, num_parallel_calls=tf.data.AUTOTUNE, deterministic=exact)
        .batch(local.size, drop_remainder=True)
    )


def _encoded_batches(data, options, first_step, local):
    """Returns batches of encoded examples: global ones, or in the order "fast" this worker's."""
    tf = require("tensorflow", "Training")
    exact = options.order == "exact"
    cached = data.encoded.in_order().cache() if data.cache == "encoded" else None
    own = not exact and cached is None and local.num_shards > 1
    shard = (local.shard, local.num_shards) if own else None
    first_pass, done = divmod(first_step, data.num_train // options.batch_size)

    @tf.autograph.experimental.do_not_convert
    def one_pass(number):
        if cached is not None:
            buffer = options.shuffle_buffer or data.num_train
            seed = shuffle_seed(options.seed, number)
            shuffled = cached.shuffle(buffer, seed=seed, reshuffle_each_iteration=False)
        else:
            seeds = [shuffle_seed(options.seed, number, draw) for draw in range(2)]
            buffer = min(options.shuffle_buffer or BUFFER, data.num_train)
            shuffled = data.encoded.shuffled(buffer, seeds, exact, shard)
        return shuffled if own else shuffled.batch(options.batch_size, drop_remainder=True)

    passes = tf.data.Dataset.counter(first_pass).flat_map(one_pass)
    if own:  # a worker's part of a pass may be smaller than a batch
        return passes.batch(local.size, drop_remainder=True)
    return passes.skip(done) if exact else passes


def _decode_whole(content, size):
    return resize(decode(content), size)


def one_hot(data):
    """Returns a function from a batch `(images, class ids)` to the same with one-hot labels."""
    tf = require("tensorflow", "Training")

    @tf.autograph.experimental.do_not_convert
    def encode(images, labels):
        return images, encode_labels(labels, data.info.num_classes, None)

    return encode


def _splits(options):
    """Returns the splits: as asked for, the set's own, or a tenth of the training images."""
    own = datasets.split_names(options.dataset, data_dir=options.data_dir)
    train, validation, test = "train", "validation", "test"
    if not {"validation", "test"} <= set(own):
        # The only other split is for the final score.
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
