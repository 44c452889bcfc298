"""Which of several processes that train one model together writes files."""

import sys

import keras


def is_chief(model):
    """Whether this process writes the files of a run: always, where it trains alone.

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
