"""Batches of one worker to train on, and of all replicas to evaluate on."""

from dataclasses import dataclass

import keras
import numpy as np

from keras_patchmix.base.optional import require


@dataclass(frozen=True)
class LocalBatches:
    """One worker's part of every global batch.

    Worker i has rows [i * size, (i + 1) * size). The step and the row of an example do not depend
    on the number of workers, and neither does training if random numbers are functions of both.

    Attributes:
        global_size: Rows of a batch over all workers.
        size: Rows of this worker.
        shard: Index of this worker, counted from 0.
        num_shards: Number of workers.
    """

    global_size: int
    size: int
    shard: int
    num_shards: int

    def rows(self, batch):
        """Returns this worker's rows of a global batch.

        Take them early in a pipeline, before costly work on images. Random numbers that were drawn
        for the rows of the global batch are cut alike.

        Args:
            batch: Tensor or array with `global_size` rows, or a structure of them. Fits
                `dataset.map(lambda *batch: local.rows(batch))`.
        """
        if self.num_shards == 1:
            return batch
        start = self.shard * self.size
        return keras.tree.map_structure(lambda part: part[start : start + self.size], batch)

    def seed(self, seed):
        """Returns this worker's own seed, for what is drawn for its own rows alone, such as mixing.

        Args:
            seed: Non-negative integer, the run's seed. One worker keeps it.
        """
        if self.num_shards == 1:
            return seed
        return int(np.random.SeedSequence([seed, self.shard]).generate_state(1)[0]) & 0x7FFFFFFF


def evaluation_batches(dataset, batch_size, num_replicas, replicas=None, whole=False):
    """Divides a data set among replicas so that each has at least one example in every step.

    Keras gives the last batches to some replicas only; an empty batch on the others makes the loss
    nan or fails. Here the remainder is spread evenly over one step; if it is smaller than the
    number of replicas, it joins the step before. Metrics and losses weigh batches by their size, so
    that they are those of the whole set.

    Args:
        dataset: An unbatched, finite `tf.data.Dataset`. It is counted, in one pass, if its
            cardinality is unknown.
        batch_size: Examples of a step, over all replicas; rounded up to a multiple of them.
        num_replicas: Number of replicas of all workers.
        replicas: Range of the replicas of this worker. All when None.
        whole: Whether to drop the remainder, for devices that need one shape.

    Returns:
        (batches, steps): a `tf.data.Dataset` of the replicas' batches in turn, step by step; and
        the number of steps.

    Raises:
        ValueError: There are fewer examples than replicas, or the data set is endless.
    """
    tf = require("tensorflow", "evaluation_batches")
    replicas = range(num_replicas) if replicas is None else replicas
    size = -(-batch_size // num_replicas)
    count = _count(dataset)
    if count < (num_replicas * size if whole else num_replicas):
        raise ValueError(
            "`dataset` must hold an example for each replica"
            + (f", and a whole step of {num_replicas * size}" if whole else "")
            + f". Received: {count} examples for {num_replicas} replicas"
        )
    steps, extra = divmod(count, num_replicas * size)
    if whole:
        dataset, extra = dataset.take(steps * num_replicas * size), 0
    elif 0 < extra < num_replicas and steps:
        steps, extra = steps - 1, extra + num_replicas * size
    start = steps * num_replicas * size  # of the uneven step: `longer` batches are one longer
    short, longer = divmod(extra, num_replicas)

    def batch_number(position):
        last = position - start
        uneven = tf.where(
            last < longer * (short + 1), last // (short + 1), (last - longer) // max(short, 1)
        )
        return tf.where(position < start, position // size, steps * num_replicas + uneven)

    def batch_length(number):
        last = number - steps * num_replicas
        length = tf.where(last < 0, size, tf.where(last < longer, short + 1, short))
        return tf.cast(length, tf.int64)

    def is_own(position, _):
        replica = batch_number(position) % num_replicas
        return (replica >= replicas.start) & (replica < replicas.stop)

    numbered = dataset.enumerate()
    if len(replicas) < num_replicas:
        numbered = numbered.filter(is_own)
    if extra == 0:  # all of one shape, known beforehand
        batches = numbered.map(lambda _, example: example).batch(size, drop_remainder=True)
        return batches.prefetch(2), steps
    batches = numbered.group_by_window(
        key_func=lambda position, _: batch_number(position),
        reduce_func=lambda _, window: window.map(lambda _, example: example).batch(
            max(size, short + 1)
        ),
        window_size_func=batch_length,
    )
    return batches.prefetch(2), steps + 1


def _count(dataset):
    count = int(dataset.cardinality())
    if count == -1:
        raise ValueError(f"`dataset` must end. Received: an endless one, dataset={dataset!r}")
    if count < 0:
        count = int(dataset.reduce(0, lambda total, *_: total + 1))
    return count
