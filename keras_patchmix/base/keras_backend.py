"""Imports Keras; the error says what to install if it has no backend."""

_BACKENDS = ("tensorflow", "jax", "torch")

try:
    import keras  # noqa: F401
except ModuleNotFoundError as error:
    if error.name not in _BACKENDS:
        raise
    raise ModuleNotFoundError(
        f"Keras runs on {error.name!r} here, which is not installed. Install a backend, for "
        "instance with: pip install 'keras-patchmix[tensorflow]' (or [jax], or [torch]). Keras "
        "takes TensorFlow unless the environment variable KERAS_BACKEND, or keras.json, names "
        "another one.",
        name=error.name,
    ) from error
