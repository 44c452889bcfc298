"""The few array operations that mixing is written in, one module for each kind of array.

The kind of the values decides, not the Keras backend alone: `tf.data` graphs hold TensorFlow's
tensors under every backend, and pipelines in plain Python hold NumPy arrays.

A module has the functions that `numpy_ops` has. Sizes that are known only when a graph runs exist
in TensorFlow alone, and so do the functions that serve them, at the end of `tensorflow_ops`.
"""

import importlib
import sys

import keras
import numpy as np

from keras_patchmix.mixing.arrays import lineage

_MODULES = {"tensorflow": "tensorflow_ops", "jax": "jax_ops", "torch": "torch_ops"}
_CLASSES = {"tensorflow": ("Tensor", "Variable"), "jax": ("Array",), "torch": ("Tensor",)}


def of(*values):
    """Returns the module of operations that fits `values`.

    Args:
        *values: Tensors of TensorFlow, JAX or PyTorch, NumPy arrays, numbers. One tensor among
            NumPy arrays and numbers decides for its own kind.
    """
    for package in _MODULES:
        if any(_is_of(package, value) for value in values):
            return _module(package)
    return _module("numpy")


def of_backend():
    """Returns the module of operations for tensors of the Keras backend."""
    return _module(keras.backend.backend())


def of_seeds(ops):
    """Returns the module whose stream of seeds serves tensors of `ops`.

    PyTorch's plans are drawn from any two numbers. NumPy's serve where Keras has no state for it,
    and in a worker of a loader, whose process must not touch the accelerator.
    """
    torch = ops.__name__.endswith(_MODULES["torch"])
    if torch and (keras.backend.backend() != "torch" or lineage.in_loader()):
        return _module("numpy")
    return ops


def is_foreign(*values):
    """Whether `values` hold what Keras must not convert into tensors of its backend.

    That is what another framework holds. In a process that `multiprocessing` has started it is
    NumPy's arrays, too: after a fork a backend may wait there forever, and any process may find its
    accelerator taken.
    """
    if any(
        package != keras.backend.backend() and _is_of(package, value)
        for package in _MODULES
        for value in values
    ):
        return True
    if not lineage.is_worker():
        return False
    arrays = [value for value in values if hasattr(value, "shape")]
    loading = lineage.in_loader()
    return bool(arrays) and all(
        isinstance(value, np.ndarray) or (loading and _is_of("torch", value)) for value in arrays
    )


def _is_of(package, value):
    # If `value` is a tensor of a package, that package is already imported.
    module = sys.modules.get(package)
    return module is not None and isinstance(
        value, tuple(getattr(module, name) for name in _CLASSES[package] if hasattr(module, name))
    )


def _module(package):
    return importlib.import_module(f"{__name__}.{_MODULES.get(package, 'numpy_ops')}")
