"""Input pipelines of a training run in `tf.data`, from memory or streamed."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from keras_patchmix.base import optional
from keras_patchmix.base.optional import require
from keras_patchmix.datasets.images import decode, resize
from keras_patchmix.devices.batches import LocalBatches
from keras_patchmix.layers.labels import encode_labels
from keras_patchmix.training import grain_pipeline
from keras_patchmix.training.augmentation import Augmentation, decode_crop, flip_and_crop_draws
from keras_patchmix.training.mixing_steps import MixingSteps
from keras_patchmix.training.step_seeds import shuffle_seed
from keras_patchmix.training.training_data import BUFFER


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


def training_batches(data, options, total_steps, first_step=0, local=None):
    """Returns the endless stream of training batches, a function of the seed and the step.

    The shuffle of tf.data also depends on TensorFlow's global seed: set it first, as `fit` does.
    Each pass over the images has whole batches only, in an order of its own, so that a resumed run
    reads again only what came before in the pass that it was in.

    Args:
        data: A `keras_patchmix.training.training_data.Data`.
        options: A `TrainOptions`.
        total_steps: Steps of the whole training.
        first_step: The step that the stream begins at. Defaults to `0`.
        local: `keras_patchmix.devices.batches.LocalBatches`, the rows of a batch that this process
            trains on; all when None.

    Returns:
        A `tf.data.Dataset` of `(images uint8 or float32, labels float32 (batch, classes))`; without
        TensorFlow a `grain.IterDataset`, which ends with the training. With
        `options.order` "fast" batches come as they are ready, and a stream that begins later is
        not the rest of the one that began before.
    """
    if not optional.is_installed("tensorflow"):
        return grain_pipeline.training_batches(data, options, total_steps, first_step, local)
    tf = require("tensorflow", "Training")
    local = local or LocalBatches(options.batch_size, options.batch_size, 0, 1)
    mix = MixingSteps(options, data.info, total_steps, local.seed(options.seed))
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
    if not optional.is_installed("tensorflow"):
        return grain_pipeline.one_hot(data)
    tf = require("tensorflow", "Training")

    @tf.autograph.experimental.do_not_convert
    def encode(images, labels):
        return images, encode_labels(labels, data.info.num_classes, None)

    return encode
