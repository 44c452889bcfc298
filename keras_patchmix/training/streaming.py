"""Training batches of data sets that do not fit into memory: decoded late, read in order."""

import dataclasses
from typing import Any

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.images import decode as decode_image
from keras_patchmix.datasets.images import resize
from keras_patchmix.training.crops import decode_crop
from keras_patchmix.training.step_seeds import seed_of, shuffle_seed

BUFFER = 10_000  # examples that are shuffled among each other where the set is not in memory


@dataclasses.dataclass(frozen=True)
class Decoder:
    """How an encoded image becomes pixels.

    Attributes:
        function: From the encoded image, a string scalar tensor, and the arguments to a uint8
            tensor (height, width, 3).
        arguments: Tuple of tensors.
        shape: Static shape of what it returns.
    """

    function: Any
    arguments: tuple
    shape: tuple


def streamed_batches(data, options, first_step, local):
    """The endless stream of this worker's decoded batches, before they are mixed.

    Examples stay encoded until they belong to a batch of this worker; so going on at a later step
    decodes nothing of what came before. With `flip-crop` the crop is cut out of the photograph as
    it is decoded, with the same random numbers as crops of images in memory have; other
    augmentations come after.

    Args:
        data: A `keras_patchmix.training.pipeline.Data` whose `cache` is "encoded" or "none".
        options: A `TrainOptions`.
        first_step: The step that the stream begins at.
        local: A `keras_patchmix.devices.local_batches.LocalBatches`.

    Returns:
        A `tf.data.Dataset` of `(images uint8, labels int64)`.
    """
    tf = require("tensorflow", "Training")
    exact = options.order == "exact"
    crops = options.augmentation == "flip-crop"
    size = tuple(data.info.image_shape[:2])

    @tf.autograph.experimental.do_not_convert
    def own_rows(batch, step):
        batch = batch if batch[2].shape[0] == local.size else local.rows(batch)
        if not crops:
            return (batch,)
        seed = seed_of(options.seed, "augment", step)
        return batch, local.rows(tf.random.stateless_uniform((local.global_size, 5), seed))

    @tf.autograph.experimental.do_not_convert
    def decode(example, *draws):
        function = decode_crop if crops else _decode_whole
        decoder = Decoder(lambda *one: function(*one, size), draws, (*size, 3))
        return data.encoded.decoded(example, decoder), example[2]

    batches = _encoded_batches(data, options, first_step, local)
    return (
        tf.data.Dataset.zip(batches, tf.data.Dataset.counter(first_step))
        .map(own_rows, num_parallel_calls=tf.data.AUTOTUNE, deterministic=exact)
        .unbatch()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=exact)
        .batch(local.size, drop_remainder=True)
    )


def _encoded_batches(data, options, first_step, local):
    """Batches of examples: global ones, or in the order "fast" this worker's own."""
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
    if own:  # their parts are not of one size, and may be smaller than a batch
        return passes.batch(local.size, drop_remainder=True)
    return passes.skip(done) if exact else passes


def _decode_whole(content, size):
    """Decodes and resizes as `keras_patchmix.datasets.load` does."""
    return resize(decode_image(content), size)
