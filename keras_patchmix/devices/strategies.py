"""Strategies of a training: one device, several of a machine, several machines."""

import contextlib
import os
import warnings
import zlib

import keras

from keras_patchmix.base.optional import require
from keras_patchmix.devices.batches import LocalBatches, evaluation_batches
from keras_patchmix.devices.multiworker import make_multiworker_fit, treat_batch_as_one
from keras_patchmix.devices.workers import task_of_this_process
from keras_patchmix.models.nesting import layers_within

NAMES = ("auto", "cpu", "mirrored", "multiworker", "tpu")


def open_strategy(name: str = "auto") -> "Strategy":
    """Opens what `tf.distribute` calls a strategy. Call it before TensorFlow does anything else.

    Args:
        name: "cpu": this machine's processor, even where there are GPUs. "mirrored": all GPUs of
            this machine, or, where there are none, all of TensorFlow's logical CPUs. "multiworker":
            the workers that the environment variable TF_CONFIG names, of which this process is one,
            each with all its GPUs. "tpu": the TPU that the environment variable TPU_NAME names, by
            default this machine's own. "auto": several workers where TF_CONFIG names several, the
            TPU where there is one, several GPUs where there are several, else one device as Keras
            uses it without a strategy.

    Returns:
        A `Strategy`.

    Raises:
        ValueError: The name is none of these; TF_CONFIG is missing or wrong; there is no TPU; or
            the backend of Keras is not TensorFlow, and the name is not "auto" or "cpu".
        RuntimeError: TensorFlow has been used before, so that it is too late.
    """
    if name not in NAMES:
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}. Received: name={name!r}")
    if keras.config.backend() != "tensorflow":
        if name in ("auto", "cpu"):
            return Strategy(name)
        raise ValueError(
            f'`name` must be "auto" or "cpu" where the backend of Keras is not TensorFlow, as the '
            f"others are of tf.distribute. Received: name={name!r} on {keras.config.backend()}"
        )
    tf = require("tensorflow", "Distributed training")
    return {
        "auto": _open_auto,
        "cpu": _open_cpu,
        "mirrored": _open_mirrored,
        "multiworker": _open_multiworker,
        "tpu": _open_tpu,
    }[name](tf)


class Strategy:
    """A strategy of `tf.distribute`, or one device.

    Args:
        name: "cpu", "gpu", "mirrored", "multiworker" or "tpu"; "auto" on other backends.
        distributed: The `tf.distribute.Strategy`, or None for one device.
        num_workers: Processes that train together.
        worker_index: Index of this one; 0 is the chief.

    Attributes:
        num_replicas: Devices of all workers.
    """

    def __init__(self, name, distributed=None, num_workers=1, worker_index=0):
        self.name = name
        self.num_replicas = 1 if distributed is None else distributed.num_replicas_in_sync
        self.num_workers = num_workers
        self.worker_index = worker_index
        self._distributed = distributed

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
        return contextlib.nullcontext() if self._distributed is None else self._distributed.scope()

    def prepare(self, model):
        """Prepares a model for `fit`, see `multiworker`: its class and what it saves stay the same.

        Args:
            model: A `keras.Model` that was made and compiled in the scope.

        Returns:
            `model`.

        Raises:
            ValueError: It was made outside of the scope, or is not compiled.

        Warns:
            UserWarning: It has batch normalisation that is not synchronised.
        """
        if self._distributed is None:
            return model
        if not model.compiled or model.distribute_strategy is not self._distributed:
            raise ValueError(
                "`model` must be made and compiled in `with strategy.scope():`. "
                f"Received: {model!r} made elsewhere, or not compiled"
            )
        if self.num_replicas > 1:
            treat_batch_as_one(model.optimizer)
            _warn_of_batch_normalization(model)
        if self.num_workers > 1:
            make_multiworker_fit(model, self._distributed)
        return model

    def local_batches(self, global_batch_size):
        """Returns which rows of a global batch this worker trains on, as `LocalBatches`.

        Raises:
            ValueError: The batch cannot be divided among the replicas.
        """
        if global_batch_size < 1 or global_batch_size % self.num_replicas:
            raise ValueError(
                "The batch size must be a multiple of the number of replicas, "
                f"{self.num_replicas}. Received: {global_batch_size}"
            )
        size = global_batch_size // self.num_workers
        return LocalBatches(global_batch_size, size, self.worker_index, self.num_workers)

    def distribute(self, batches):
        """Returns what `fit` trains on: each device gets its rows of each batch, in their order.

        Args:
            batches: Endless `tf.data.Dataset` of a worker's batches, of the size of `local_batches`
                and with a static shape.
        """
        if self._distributed is None:
            return batches
        local = self.num_replicas // self.num_workers
        return self._per_device(batches if local == 1 else _divided(batches, local))

    def evaluation_batches(self, dataset, batch_size, function=None):
        """Divides a data set among all devices, for `evaluate` or as `validation_data` of `fit`.

        Every worker reads the whole set and keeps its examples, see `evaluation_batches`. On a TPU,
        which needs one shape, the remainder is dropped. If a worker has several devices, Keras,
        which cannot know the number of steps, warns once that the data ran out.

        Args:
            dataset: An unbatched, finite `tf.data.Dataset`, the same on every worker.
            batch_size: Examples of a step, over all devices.
            function: Function of the parts of each batch, such as to encode labels, or None.
        """
        if self._distributed is None:
            batches = dataset.batch(batch_size)
            return batches if function is None else batches.map(function)
        local = self.num_replicas // self.num_workers
        first = self.worker_index * local
        batches, steps = evaluation_batches(
            dataset,
            batch_size,
            self.num_replicas,
            range(first, first + local),
            whole=self.name == "tpu",
        )
        batches = batches if function is None else batches.map(function)
        if local == 1:
            batches = batches.apply(_assert_cardinality(steps))
        return self._per_device(batches)

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
        summed = self._sum([own, own * own % 2**31])
        if summed != [part * self.num_replicas for part in (own, own * own % 2**31)]:
            raise RuntimeError(
                f"Worker {self.worker_index} waits for {name!r}, and another worker for something "
                "else: all must run the same program with the same arguments."
            )

    def _sum(self, numbers):
        """Returns the sums, over all replicas, of a list of integers."""
        tf = require("tensorflow", "Distributed training")
        value = tf.constant(numbers, tf.int64)
        each = self._distributed.experimental_distribute_values_from_function(lambda _: value)
        return self._distributed.reduce("SUM", each, axis=None).numpy().tolist()

    def _per_device(self, batches):
        tf = require("tensorflow", "Distributed training")
        options = tf.data.Options()
        # The batches are this worker's already.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        batches = batches.with_options(options)
        return self._distributed.distribute_datasets_from_function(lambda context: batches)


def _assert_cardinality(count):
    tf = require("tensorflow", "Distributed training")
    return tf.data.experimental.assert_cardinality(count)


def _divided(batches, parts):
    """Divides each batch into batches of the same size, in their order."""
    rows = keras.tree.flatten(batches.element_spec)[0].shape[0]
    if rows is None or rows % parts:
        raise ValueError(
            f"Batches must have a static size that is a multiple of {parts}, the devices of a "
            f"worker: use `drop_remainder=True`. Received: {batches.element_spec}"
        )
    return batches.rebatch(rows // parts, drop_remainder=True).prefetch(parts)


def _open_auto(tf):
    if task_of_this_process()[0] > 1:
        return _open_multiworker(tf)
    if os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"):
        return _open_tpu(tf)
    gpus = len(tf.config.list_physical_devices("GPU"))
    return _open_mirrored(tf) if gpus > 1 else Strategy("gpu" if gpus else "cpu")


def _open_cpu(tf):
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise RuntimeError(
            'The strategy "cpu" must be opened before TensorFlow uses a GPU: at the start of the '
            "program."
        ) from error
    return Strategy("cpu")


def _open_mirrored(tf):
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return Strategy("mirrored", tf.distribute.MirroredStrategy([d.name for d in devices]))


def _open_multiworker(tf):
    if not os.environ.get("TF_CONFIG"):
        raise ValueError(
            'The strategy "multiworker" needs the environment variable TF_CONFIG, such as '
            '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": {"type": "worker", '
            '"index": 0}}. Received: none'
        )
    workers, index = task_of_this_process()
    try:
        distributed = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise RuntimeError(
            'The strategy "multiworker" must be opened before TensorFlow does anything else: at '
            f"the start of the program. TensorFlow says: {error}"
        ) from error
    return Strategy("multiworker", distributed, workers, index)


def _open_tpu(tf):
    name = os.environ.get("TPU_NAME") or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu=name)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ValueError(
            'The strategy "tpu" needs a TPU, named by the environment variable TPU_NAME unless it '
            f"is this machine's own. Received: {name!r}, where TensorFlow finds none: {error}"
        ) from error
    distributed = tf.distribute.TPUStrategy(resolver)
    return Strategy("tpu", distributed)


def _warn_of_batch_normalization(model):
    layers = [
        layer.name
        for layer in layers_within(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and not getattr(layer, "synchronized", False)
    ]
    if layers:
        warnings.warn(
            f"{len(layers)} BatchNormalization layers ({', '.join(layers[:3])}, ...) see the rows "
            "of their own replica only, and keep other moving averages on each worker, of which "
            "the chief's are saved: make them with `synchronized=True`.",
            UserWarning,
            stacklevel=3,
        )
