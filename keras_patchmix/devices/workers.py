"""The processes that train a model together, and the role of this one."""

import sys

import keras
import numpy as np

from keras_patchmix.base.optional import require


class Workers:
    """The processes that train a model together: this one, alone.

    All workers make the same calls in the same order.

    Attributes:
        count: Number of processes.
        index: Index of this one; 0 is the chief.
    """

    count, index = 1, 0

    def sum(self, numbers):
        """Returns the sum over the workers of an int64 array of one shape."""
        return np.asarray(numbers, np.int64)


class TensorFlowWorkers(Workers):
    """The workers of a `tf.distribute` strategy.

    Args:
        strategy: A `tf.distribute.Strategy`, or None.
    """

    def __init__(self, strategy):
        import tensorflow as tf

        self._strategy = strategy
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            tasks = tasks_of(resolver)
            self.count = len(tasks)
            self.index = tasks.index((resolver.task_type, resolver.task_id))

    def sum(self, numbers):
        """Returns the sum over the workers of an int64 array of one shape."""
        if self.count == 1:
            return super().sum(numbers)
        numbers = np.asarray(numbers, np.int64)
        local = self._strategy.num_replicas_in_sync // self.count

        def of_replica(context):
            # Of a worker's replicas only the first contributes.
            first = context.replica_id_in_sync_group % local == 0
            return keras.ops.convert_to_tensor(numbers if first else np.zeros_like(numbers))

        values = self._strategy.experimental_distribute_values_from_function(of_replica)
        return self._strategy.reduce("SUM", values, axis=None).numpy()


class JaxWorkers(Workers):
    """The processes of `jax.distributed`."""

    def __init__(self):
        import jax

        self.count, self.index = jax.process_count(), jax.process_index()

    def sum(self, numbers):
        """Returns the sum over the workers of an int64 array of one shape."""
        from jax.experimental import multihost_utils

        numbers = np.asarray(numbers, np.int64)
        # As bytes, since JAX makes 32 bits of 64.
        gathered = multihost_utils.process_allgather(np.frombuffer(numbers.tobytes(), np.uint8))
        each = np.frombuffer(gathered.tobytes(), np.int64)
        return each.reshape(self.count, *numbers.shape).sum(0)


def workers_of(model):
    """Returns the `Workers` that hold the weights of a model.

    Args:
        model: A Keras model, or a function.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        return TensorFlowWorkers(getattr(model, "distribute_strategy", None))
    if backend == "jax" and isinstance(model, keras.Layer):
        values = (variable.value for variable in model.variables)
        if not all(value.is_fully_addressable for value in values):
            return JaxWorkers()
    return Workers()


def is_chief(model):
    """Whether this process writes the files of a run; one that trains alone does.

    On TensorFlow that is the chief of the model's `tf.distribute` strategy or, in a cluster
    without one, worker 0; on JAX process 0; on PyTorch rank 0 of `torch.distributed`.

    Args:
        model: The `keras.Model` that is being trained.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        strategy = getattr(model, "distribute_strategy", None) or tf.distribute.get_strategy()
        return _is_chief_of(strategy.cluster_resolver)
    if backend == "jax":
        import jax

        return jax.process_index() == 0
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return True
    return distributed.get_rank() == 0


def _is_chief_of(resolver):
    """The same for a `tf.distribute.cluster_resolver.ClusterResolver`, or None."""
    if resolver is None or not resolver.task_type or resolver.task_type == "chief":
        return True
    if "chief" in resolver.cluster_spec().as_dict():
        return False
    return resolver.task_type == "worker" and resolver.task_id in (0, None)


def tasks_of(resolver):
    """Returns the (type, index) of all workers of a cluster, the chief first."""
    cluster = resolver.cluster_spec().as_dict()
    return [(kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, ())))]


def task_of_this_process():
    """Reads the environment variable TF_CONFIG.

    Returns:
        (number of workers, index of this one), the chief first; (1, 0) without a cluster.

    Raises:
        ValueError: It is no valid description of a cluster of workers.
    """
    tf = require("tensorflow", "Training on several workers")
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        cluster = resolver.cluster_spec().as_dict()
        task = resolver.task_type, resolver.task_id
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(_explain(f"{type(error).__name__}: {error}")) from error
    if not cluster:
        return 1, 0
    others = sorted(set(cluster) - {"chief", "worker"})
    if others:
        raise ValueError(_explain(f"a cluster with {', '.join(others)}"))
    tasks = tasks_of(resolver)
    if task not in tasks:
        raise ValueError(_explain(f"the task {task[0]!r} {task[1]!r} in the cluster {cluster}"))
    return len(tasks), tasks.index(task)


def _explain(received):
    return (
        "The environment variable TF_CONFIG must be JSON that names the workers and which of them "
        'this process is, such as {"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": '
        f'{{"type": "worker", "index": 0}}}}. Received: {received}'
    )
