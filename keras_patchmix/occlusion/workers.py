"""One evaluation by several workers: each scores some of the batches, all get the whole report."""

import contextlib

import keras
import numpy as np

from keras_patchmix.occlusion.outcomes import Outcomes
from keras_patchmix.occlusion.passes import SingleWorker
from keras_patchmix.occlusion.tally import Tally


class WorkerShare:
    """The batches of one pass that a worker of a `tf.distribute` strategy scores.

    Every worker reads the whole data set, so indices, batches and corruptions are those of a single
    process, and scores batch i if it is worker i modulo the number of workers. The counts are then
    summed over the workers. All workers must make the same calls in the same order.

    Args:
        strategy: The `tf.distribute.Strategy` of several workers.
    """

    def __init__(self, strategy):
        self._strategy = strategy
        resolver = strategy.cluster_resolver
        tasks = _tasks(resolver)
        self._count, self._number = len(tasks), tasks.index((resolver.task_type, resolver.task_id))
        self._labels, self._index, self._own = [], [], []

    def takes(self, batch):
        """Records the next batch of the data set; returns whether this worker scores it."""
        own = len(self._labels) % self._count == self._number
        self._labels.append(np.array(batch.labels))
        self._index.append(np.array(batch.index))
        self._own.append(np.full(len(batch.labels), own))
        return own

    @contextlib.contextmanager
    def all_or_none(self):
        """Raises on every worker if the body raises on one, so that none waits forever.

        Raises:
            RuntimeError: Another worker has raised an error.
        """
        failure = None
        try:
            yield
        except Exception as error:
            failure = error
        failed = self._sum(np.int64([failure is not None]))[0]
        if failure is not None:
            raise failure
        if failed:
            raise RuntimeError(
                f"{failed} of the {self._count} workers could not score their share of the images; "
                "what is wrong is said there"
            )

    def whole(self, tally):
        """Returns a `Tally` of all examples of the data set, the same on every worker.

        Args:
            tally: The `Tally` of the batches that this worker has scored.
        """
        own = np.concatenate(self._own)
        outcomes = tally.outcomes()
        has_donors = outcomes.donors is not None
        donors = outcomes.donors if has_donors else np.zeros(len(outcomes), np.int64)
        columns = [*outcomes.top1.values(), *outcomes.pixels.values(), donors]
        table = np.zeros((len(columns), len(own)), np.int64)
        table[:, own] = columns
        scored = tally.count > 0
        totals = [*tally.top5.values(), tally.classes or 0, scored, has_donors]
        summed = self._sum(np.concatenate([table.reshape(-1), np.int64(totals)]))
        table = summed[: table.size].reshape(table.shape)
        *top5, classes, scored, has_donors = summed[table.size :]
        rows = len(tally.names)
        outcomes = Outcomes(
            np.concatenate(self._labels),
            np.concatenate(self._index),
            dict(zip(tally.names, table[:rows].astype(np.int8), strict=True)),
            dict(zip(tally.names, table[rows : 2 * rows], strict=True)),
            table[-1] if has_donors else None,
        )
        top5 = dict(zip(tally.names, map(int, top5), strict=True))
        return Tally(tally.names, outcomes, top5, int(classes // scored))

    def _sum(self, numbers):
        """Returns the sum of an int64 array over the workers."""
        nothing = np.zeros_like(numbers)
        local = self._strategy.num_replicas_in_sync // self._count

        def of_replica(context):
            # Of a worker's replicas only the first contributes.
            first = context.replica_id_in_sync_group % local == 0
            return keras.ops.convert_to_tensor(numbers if first else nothing)

        values = self._strategy.experimental_distribute_values_from_function(of_replica)
        return self._strategy.reduce("SUM", values, axis=None).numpy()


def worker_of(model, backup=None):
    """Returns a new `WorkerShare` if several workers train a model, else a `SingleWorker`.

    Args:
        model: A Keras model, or a function.
        backup: Path of the backup, or None.

    Raises:
        ValueError: There are several workers and a backup, which they do not support.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or keras.config.backend() != "tensorflow":
        return SingleWorker()
    import tensorflow as tf

    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if not several or len(_tasks(strategy.cluster_resolver)) < 2:
        return SingleWorker()
    if backup is not None:
        raise ValueError(
            "`backup` must be None where several workers share an evaluation. "
            f"Received: backup={str(backup)!r}"
        )
    return WorkerShare(strategy)


def _tasks(resolver):
    """Returns the (type, number) of all workers of a cluster, the chief first."""
    cluster = resolver.cluster_spec().as_dict()
    return [(kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, ())))]
