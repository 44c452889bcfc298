"""One evaluation by several workers: each scores some of the batches, all get the whole report."""

import contextlib

import numpy as np

from keras_patchmix.devices.workers import workers_of
from keras_patchmix.occlusion.outcomes import Outcomes
from keras_patchmix.occlusion.passes import SingleWorker
from keras_patchmix.occlusion.tally import Tally


class WorkerShare:
    """The batches of one pass that one of several workers scores.

    Every worker reads the whole data set, so indices, batches and corruptions are those of a single
    process, and scores batch i if it is worker i modulo the number of workers. The counts are then
    summed over the workers. All workers must make the same calls in the same order.

    Args:
        workers: The `keras_patchmix.devices.workers.Workers`.
    """

    def __init__(self, workers):
        self._workers = workers
        self._labels, self._index, self._own = [], [], []

    def takes(self, batch):
        """Records the next batch of the data set; returns whether this worker scores it."""
        own = len(self._labels) % self._workers.count == self._workers.index
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
        failed = self._workers.sum([failure is not None])[0]
        if failure is not None:
            raise failure
        if failed:
            raise RuntimeError(
                f"{failed} of the {self._workers.count} workers could not score their share of the "
                "images; what is wrong is said there"
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
        summed = self._workers.sum(np.concatenate([table.reshape(-1), np.int64(totals)]))
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


def worker_of(model, backup=None):
    """Returns a new `WorkerShare` if several workers train a model, else a `SingleWorker`.

    Args:
        model: A Keras model, or a function.
        backup: Path of the backup, or None.

    Raises:
        ValueError: There are several workers and a backup, which they do not support.
    """
    workers = workers_of(model)
    if workers.count == 1:
        return SingleWorker()
    if backup is not None:
        raise ValueError(
            "`backup` must be None where several workers share an evaluation. "
            f"Received: backup={str(backup)!r}"
        )
    return WorkerShare(workers)
