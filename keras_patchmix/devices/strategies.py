"""Strategies of a training by name: one device, several of a machine, several machines."""

import contextlib
import importlib.util

import keras

from keras_patchmix.devices.keras_distribution import on_own_devices, open_jax
from keras_patchmix.devices.strategy import Strategy
from keras_patchmix.devices.tf_distribute import open_tensorflow

NAMES = ("auto", "cpu", "data_parallel", "mirrored", "multiworker", "tpu")
# What there is on a backend; on others only "auto" and "cpu", one device as Keras uses it.
_OPENERS = {
    "jax": (open_jax, ("auto", "cpu", "data_parallel")),
    "tensorflow": (open_tensorflow, ("auto", "cpu", "mirrored", "multiworker", "tpu")),
}


def open_strategy(name: str = "auto") -> "Strategy":
    """Opens a way to divide training among devices. Call it before the backend computes anything.

    On JAX several devices are those of `keras.distribution.DataParallel`, which is set for the
    whole program. Several hosts are found by `keras.distribution.initialize`: from the environment
    variables KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES and
    KERAS_DISTRIBUTION_PROCESS_ID, or as JAX detects them, on Slurm, Open MPI, Kubernetes and Cloud
    TPUs. On TensorFlow they are those of `tf.distribute`.

    Args:
        name: "auto": all devices of all hosts, or, where there is one device, that as Keras uses it
            without a strategy. "cpu": this machine's processor, even where there are GPUs.
            On JAX, "data_parallel": all devices of all hosts, also where there is one. On
            TensorFlow, "mirrored": all GPUs of this machine, or, where there are none, all of
            TensorFlow's logical CPUs; "multiworker": the workers that the environment variable
            TF_CONFIG names, of which this process is one, each with all its GPUs; "tpu": the TPU
            that the environment variable TPU_NAME names, by default this machine's own.

    Returns:
        A `Strategy`.

    Raises:
        ValueError: The name is none of these, or none of the backend of Keras; TF_CONFIG is missing
            or wrong; or there is no TPU.
        RuntimeError: The backend has been used before, so that it is too late; or the variables
            name no cluster that comes up.
    """
    if name not in NAMES:
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}. Received: name={name!r}")
    backend = keras.config.backend()
    opener, names = _OPENERS.get(backend, (Strategy, ("auto", "cpu")))
    if name not in names:
        raise ValueError(
            f"`name` must be one of {', '.join(names)} where the backend of Keras is {backend}. "
            f"Received: name={name!r}"
        )
    if backend != "tensorflow":
        _keep_tensorflow_off_gpus()
    return opener(name)


def scoring_scope() -> contextlib.AbstractContextManager:
    """Returns the context in which models are loaded that this process alone scores.

    On JAX they lie on all of its devices, which then share each batch.
    """
    backend = keras.config.backend()
    if backend != "tensorflow":
        _keep_tensorflow_off_gpus()
    return on_own_devices() if backend == "jax" else contextlib.nullcontext()


def _keep_tensorflow_off_gpus():
    """Keeps TensorFlow, which reads data, from taking the memory of GPUs that others train on."""
    if importlib.util.find_spec("tensorflow") is None:
        return
    import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:  # it has taken it already
        return
