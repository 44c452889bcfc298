"""The few array operations that mixing is written in, one module for each kind of array.

The kind of the values decides, not the Keras backend alone: `tf.data` graphs hold TensorFlow's
tensors under every backend, and pipelines in plain Python hold NumPy arrays.

A module has the functions that `numpy_ops` has. Sizes that are known only when a graph runs exist
in TensorFlow alone, and so do the functions that serve them, at the end of `tensorflow_ops`.
"""

import importlib
import sys

import keras

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


def is_foreign(*values):
    """Whether `values` hold tensors of another framework than the Keras backend's."""
    return any(
        package != keras.backend.backend() and _is_of(package, value)
        for package in _MODULES
        for value in values
    )


def _is_of(package, value):
    # Who holds a tensor has imported its package, so that looking costs no import.
    module = sys.modules.get(package)
    return module is not None and isinstance(
        value, tuple(getattr(module, name) for name in _CLASSES[package] if hasattr(module, name))
    )


def _module(package):
    return importlib.import_module(f"{__name__}.{_MODULES.get(package, 'numpy_ops')}")
