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


def weighted_batches(dataset, local, function=None, count=None):
    """Returns one worker's rows of whole batches of a data set, filled up with rows of weight 0.

    Devices that share a batch need the same number of rows in every step, and accelerators one
    shape. With the weights, loss and `weighted_metrics` of `evaluate` are those of the examples:
    Keras divides a loss by the number of rows, so that examples weigh rows / examples.

    Args:
        dataset: An unbatched, finite `tf.data.Dataset` of (images, labels), or without TensorFlow a
            `grain.IterDataset`.
        local: The `LocalBatches` of this worker.
        function: Function that the batches are mapped by, such as to encode labels, or None.
        count: Number of examples. Defaults to `None`: they are counted, in one pass if need be.

    Returns:
        A data set of the same kind, of (images, labels, float32 weights), or of (images, labels) if
        the examples fill whole batches.

    Raises:
        ValueError: The data set is empty or endless.
    """
    in_tensorflow = hasattr(dataset, "cardinality")
    if count is None:
        count = _count(dataset) if in_tensorflow else sum(1 for _ in dataset)
    if count < 1:
        raise ValueError(f"`dataset` must hold examples. Received: none, dataset={dataset!r}")
    steps = -(-count // local.global_size)
    missing = steps * local.global_size - count
    weight = (count + missing) / count
    if not in_tensorflow:
        return _weighted_in_grain(dataset, local, function, weight)
    tf = require("tensorflow", "Evaluation on several devices")
    examples = dataset.map(lambda *parts: (parts, weight))
    if missing:
        filling = dataset.take(1).cache().repeat(missing)
        examples = examples.concatenate(filling.map(lambda *parts: (parts, 0.0)))

    def rows(parts, weights):
        parts, weights = local.rows((parts, weights))
        parts = parts if function is None else function(*parts)
        return (*parts, weights) if missing else parts

    batches = examples.batch(local.global_size, drop_remainder=True).map(rows)
    return batches.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def _weighted_in_grain(dataset, local, function, weight):
    def filled(batch):
        rows = len(batch[0])
        missing = local.global_size - rows
        weights = np.repeat(np.float32([weight, 0]), [rows, missing])
        batch = [np.concatenate([part, np.repeat(part[:1], missing, 0)]) for part in batch]
        return local.rows((tuple(batch), weights))

    def rows(batch):
        parts, weights = filled(batch)
        parts = parts if function is None else function(parts)
        return parts if weight == 1 else (*parts, weights)

    return dataset.batch(local.global_size).map(rows)


def _count(dataset):
    count = int(dataset.cardinality())
    if count == -1:
        raise ValueError(f"`dataset` must end. Received: an endless one, dataset={dataset!r}")
    if count < 0:
        count = int(dataset.reduce(0, lambda total, *_: total + 1))
    return count
