"""Data parallelism by `keras.distribution`: all devices of all hosts that JAX has."""

import contextlib
import os

import keras

from keras_patchmix.devices.strategy import Strategy
from keras_patchmix.devices.workers import JaxWorkers

# Where one of these is set, a cluster that does not come up is an error.
VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
    "JAX_COORDINATOR_ADDRESS",
)


def open_jax(name):
    """Opens a strategy on the JAX backend; see `open_strategy`."""
    import jax

    if name == "cpu":
        jax.config.update("jax_platforms", "cpu")
        if jax.default_backend() != "cpu":
            raise RuntimeError(
                'The strategy "cpu" must be opened before JAX uses a device: at the start of the '
                "program."
            )
        return Strategy("cpu")
    _join_cluster()
    if name == "auto" and jax.device_count() == 1:
        return Strategy(jax.default_backend())
    # Each process reads its own rows.
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)
    return Strategy("data_parallel", jax.device_count(), JaxWorkers())


def on_own_devices():
    """Returns the context in which models are made that lie on all devices of this process."""
    import jax

    devices = [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    if len(devices) == 1:
        return contextlib.nullcontext()
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()


def _join_cluster():
    """Connects this process with the others of its cluster, if there is one."""
    import jax

    if jax.distributed.is_initialized():
        return
    named = {variable: os.environ[variable] for variable in VARIABLES if variable in os.environ}
    try:
        keras.distribution.initialize()
    except jax.errors.JaxRuntimeError:
        raise  # the others did not come
    except (ValueError, RuntimeError) as error:
        # JAX finds no cluster, or has been used before, which is too late to join one.
        if named:
            raise RuntimeError(
                "Several hosts need the environment variables KERAS_DISTRIBUTION_JOB_ADDRESSES, "
                "KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID, or a cluster "
                "that JAX detects, before JAX does anything else. "
                f"Received: {named}, with which JAX says: {error}"
            ) from error
