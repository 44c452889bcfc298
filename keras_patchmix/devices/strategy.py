"""What all strategies of a training do: who holds which rows, and who writes files."""

import contextlib
import zlib

from keras_patchmix.base import atomic
from keras_patchmix.devices.batches import LocalBatches, weighted_batches
from keras_patchmix.devices.workers import Workers


class Strategy:
    """One device, as Keras uses it; the base of strategies of several devices.

    Args:
        name: "cpu", "gpu", "tpu" or the name of a strategy of several.
        num_replicas: Devices of all workers.
        workers: The `Workers`. Defaults to this process alone.
    """

    def __init__(self, name, num_replicas=1, workers=None):
        self.name = name
        self.num_replicas = num_replicas
        self._workers = workers or Workers()

    @property
    def num_workers(self):
        """Processes that train together."""
        return self._workers.count

    @property
    def worker_index(self):
        """Index of this process; 0 is the chief."""
        return self._workers.index

    @property
    def is_chief(self):
        """Whether this process is the one that writes files."""
        return self.worker_index == 0

    def __repr__(self):
        return (
            f"Strategy({self.name!r}, num_replicas={self.num_replicas}, worker "
            f"{self.worker_index} of {self.num_workers})"
        )

    def scope(self):
        """Returns the context in which models, their optimizers and metrics are made."""
        return contextlib.nullcontext()

    def prepare(self, model):
        """Prepares a model for `fit`; its class and what it saves stay the same.

        Args:
            model: A `keras.Model` that was made and compiled in the scope.

        Returns:
            `model`.

        Raises:
            ValueError: It was made outside of the scope, or is not compiled.

        Warns:
            UserWarning: It has batch normalisation that is not synchronized.
        """
        return model

    def local_batches(self, global_batch_size):
        """Returns which rows of a global batch this worker trains on, as `LocalBatches`.

        Raises:
            ValueError: The batch cannot be divided among the replicas.
        """
        if global_batch_size < 1 or global_batch_size % self.num_replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of the number of replicas, {self.num_replicas}. "
                f"Received: batch_size={global_batch_size}"
            )
        size = global_batch_size // self.num_workers
        return LocalBatches(global_batch_size, size, self.worker_index, self.num_workers)

    def distribute(self, batches):
        """Returns what `fit` trains on: each device gets its rows of each batch, in their order.

        Args:
            batches: Endless `tf.data.Dataset` of a worker's batches, of the size of `local_batches`
                and with a static shape.
        """
        return batches

    def evaluation_batches(self, dataset, batch_size, function=None, count=None):
        """Divides a data set among all devices, for `evaluate` or as `validation_data` of `fit`.

        Every worker reads the whole set and keeps its rows. On several devices the last batch is
        filled up with rows of weight 0, so that metrics must be `weighted_metrics` of `compile`.

        Args:
            dataset: An unbatched, finite `tf.data.Dataset` of (images, labels), or without
                TensorFlow a `grain.IterDataset`; the same on every worker.
            batch_size: Examples of a step, over all devices; rounded up to a multiple of them.
            function: Function that the batches are mapped by, such as to encode labels, or None.
            count: Number of examples. Defaults to `None`: they are counted, in one pass if need be.
        """
        if self.num_replicas == 1:
            batches = dataset.batch(batch_size)
            return batches if function is None else batches.map(function)
        local = self.local_batches(-(-batch_size // self.num_replicas) * self.num_replicas)
        return self.distribute(weighted_batches(dataset, local, function, count))

    def save(self, model, path):
        """Saves a model. All workers call this; the chief's file is kept, and all see it after.

        Keras makes variables while it saves, which on several hosts of JAX all have to do.

        Args:
            model: A `keras.Model`.
            path: Where to write, the same on all workers.
        """
        atomic.save_model(path, model, self.is_chief)
        self.barrier(f"saved {path}")

    def barrier(self, name):
        """Waits for all workers, after which they see files that the chief wrote before.

        Args:
            name: Text, the same on all workers.

        Raises:
            RuntimeError: Workers came with different names, so they do not run the same program.
        """
        if self.num_workers == 1:
            return
        own = zlib.crc32(name.encode())
        numbers = [own, own * own % 2**31]
        if self._workers.sum(numbers).tolist() != [self.num_workers * one for one in numbers]:
            raise RuntimeError(
                f"Worker {self.worker_index} waits for {name!r}, and another worker for something "
                "else: all must run the same program with the same arguments."
            )
