"""Strategies of `tf.distribute`: several devices of a machine, several machines, a TPU."""

import os
import warnings

import keras

from keras_patchmix.base.optional import require
from keras_patchmix.devices.multiworker import make_multiworker_fit, treat_batch_as_one
from keras_patchmix.devices.strategy import Strategy
from keras_patchmix.devices.workers import TensorFlowWorkers, task_of_this_process
from keras_patchmix.models.nesting import layers_within


class DistributeStrategy(Strategy):
    """A strategy of `tf.distribute`.

    Args:
        name: "mirrored", "multiworker" or "tpu".
        distributed: The `tf.distribute.Strategy`.
    """

    def __init__(self, name, distributed):
        super().__init__(name, distributed.num_replicas_in_sync, TensorFlowWorkers(distributed))
        self._distributed = distributed

    def scope(self):
        """Returns the context in which models, their optimizers and metrics are made."""
        return self._distributed.scope()

    def prepare(self, model):
        """Prepares a model for `fit`, see `Strategy.prepare` and `multiworker`."""
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

    def distribute(self, batches):
        """Returns what `fit` trains on, see `Strategy.distribute`.

        Where a worker has several devices, Keras cannot know the number of steps of what ends, and
        warns once that the data ran out.
        """
        tf = require("tensorflow", "Distributed training")
        local = self.num_replicas // self.num_workers
        if local > 1:
            ends = int(batches.cardinality()) >= 0
            batches = _divided(batches, local)
            if ends and self.name != "tpu":
                batches = batches.map(_of_any_size)
        options = tf.data.Options()
        # The batches are this worker's already.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        batches = batches.with_options(options)
        return self._distributed.distribute_datasets_from_function(lambda context: batches)


def open_tensorflow(name):
    """Opens a strategy on the TensorFlow backend; see `open_strategy`."""
    return {
        "auto": _open_auto,
        "cpu": _open_cpu,
        "mirrored": _open_mirrored,
        "multiworker": _open_multiworker,
        "tpu": _open_tpu,
    }[name](require("tensorflow", "Distributed training"))


def _of_any_size(*parts):
    """Returns parts of a batch without their static size.

    Keras takes a step after the end, which fails, but adds rows of a static size to its counts.
    """
    tf = require("tensorflow", "Distributed training")
    return keras.tree.map_structure(
        lambda part: tf.compat.v1.placeholder_with_default(part, [None, *part.shape[1:]]), parts
    )


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
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    return DistributeStrategy("mirrored", strategy)


def _open_multiworker(tf):
    if not os.environ.get("TF_CONFIG"):
        raise ValueError(
            'The strategy "multiworker" needs the environment variable TF_CONFIG, such as '
            '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": {"type": "worker", '
            '"index": 0}}. Received: none'
        )
    task_of_this_process()
    try:
        distributed = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise RuntimeError(
            'The strategy "multiworker" must be opened before TensorFlow does anything else: at '
            f"the start of the program. TensorFlow says: {error}"
        ) from error
    return DistributeStrategy("multiworker", distributed)


def _open_tpu(tf):
    name = os.environ.get("TPU_NAME") or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu=name)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ValueError(
            'The strategy "tpu" needs a TPU, named by the environment variable TPU_NAME unless it '
            f"is this machine's own. Received: {name!r}, where TensorFlow finds none: {error}"
        ) from error
    return DistributeStrategy("tpu", tf.distribute.TPUStrategy(resolver))


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
