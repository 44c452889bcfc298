"""The role of this process in distributed training."""

import sys

import keras

from keras_patchmix.base.optional import require


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
        task_type, task_id = resolver.task_type, resolver.task_id
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(_explain(f"{type(error).__name__}: {error}")) from error
    if not cluster:
        return 1, 0
    tasks = [(kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, ())))]
    others = sorted(set(cluster) - {"chief", "worker"})
    if others:
        raise ValueError(_explain(f"a cluster with {', '.join(others)}"))
    if (task_type, task_id) not in tasks:
        raise ValueError(_explain(f"the task {task_type!r} {task_id!r} in the cluster {cluster}"))
    return len(tasks), tasks.index((task_type, task_id))


def _explain(received):
    return (
        "The environment variable TF_CONFIG must be JSON that names the workers and which of them "
        'this process is, such as {"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": '
        f'{{"type": "worker", "index": 0}}}}. Received: {received}'
    )
