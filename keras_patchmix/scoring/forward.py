"""One compiled forward pass per model."""

import inspect
import weakref

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.devices.sharding import Divided, own_copies
from keras_patchmix.models.nesting import layers_within
from keras_patchmix.scoring.runtimes import is_torch_module, torch_function

_CACHE = weakref.WeakKeyDictionary()


def forward_function(model):
    """Returns a function from a batch of images to the model's output, in inference mode.

    A Keras model is compiled on TensorFlow and JAX, once per batch shape, and its function is kept
    as long as the model, whose current weights it reads. If it fails on integer images it gets them
    as float32. On TensorFlow XLA stays off: on CPU it makes depthwise convolutions several times
    slower. On JAX the devices of this process that hold the weights share each batch. On PyTorch
    the model runs as it is, in evaluation mode and without gradients. A plain function is called as
    it is.

    Args:
        model: A Keras model or layer, a `torch.nn.Module`, or a function of a batch.

    Raises:
        ValueError: Not callable, or a Keras model of several inputs or outputs.
    """
    if not callable(model):
        raise ValueError(
            "`model` must be a Keras model, a `torch.nn.Module`, or a function from images to "
            f"scores, such as `keras_patchmix.models.open_model` returns. Received: model={model!r}"
        )
    _check_single(model)
    if not isinstance(model, keras.Layer):
        return torch_function(model) if is_torch_module(model) else model
    # Quantising or adding LoRA to a model exchanges its variables: then the trace is stale.
    variables = tuple(map(id, model.weights)) if model.built else None
    cached = _CACHE.get(model)
    if cached is None or cached[0] is None or cached[0] != variables:
        cached = (variables, _FloatFallback(_compiled(model)))
        _CACHE[model] = cached
    return cached[1]


class _FloatFallback:
    """Calls a model with images as they are, or with float32 if it fails on integers.

    Functional models cast their inputs; a subclassed one that was trained on floats in 0..255 may
    begin with a convolution, which takes no integers.
    """

    def __init__(self, call):
        self._call = call
        self._floats = False

    def __call__(self, images):
        if not _is_integer(images):
            return self._call(images)
        if self._floats:
            return self._call(to_numpy(images).astype(np.float32))
        try:
            return self._call(images)
        except Exception as error:
            try:
                output = self._call(to_numpy(images).astype(np.float32))
            except Exception:
                raise error from None
            self._floats = True
            return output


def _is_integer(images):
    dtype = getattr(images, "dtype", None)
    return dtype is not None and "int" in keras.backend.standardize_dtype(dtype)


def _check_single(model):
    """Raises a ValueError if a Keras model is known to have several inputs or outputs."""
    if not isinstance(model, keras.Layer):
        return
    for kind in ("inputs", "outputs"):
        ends = getattr(model, kind, None) if getattr(model, "built", False) else None
        if isinstance(ends, list | tuple) and len(ends) > 1:
            names = ", ".join(repr(end.name) for end in ends)
            raise ValueError(
                f"`model` must have one input, the images, and one output, the scores: wrap it in "
                f"a function. Received: {model.name!r} with {len(ends)} {kind}: {names}"
            )
    needed = [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name not in ("training", "mask")
    ]
    if len(needed) > 1:
        raise ValueError(
            "`model` must have one input, the images: wrap it in a function. "
            f"Received: {model.name!r}, whose call takes {', '.join(needed)}"
        )


def check_inputs(model, inputs):
    """Raises a ValueError if a Keras model takes images of another size.

    Args:
        model: A Keras model or a function.
        inputs: What it is to be called with.

    Raises:
        ValueError: The sizes differ.
    """
    wanted = _shape(model, "input_shape")
    shape = tuple(getattr(inputs, "shape", ()))
    if not isinstance(wanted, tuple) or len(wanted) != 4 or len(shape) != 4:
        return
    if any(a is not None and a != b for a, b in zip(wanted[1:], shape[1:], strict=True)):
        raise ValueError(
            f"`model` takes images of shape {wanted[1:]}: resize the data set to that size, or in "
            f"`preprocess`. Received: images of shape {shape[1:]}"
        )


def num_outputs(model):
    """Returns the number of scores of a Keras model for an image; None if only a call tells.

    Args:
        model: A Keras model or a function.
    """
    shape = _shape(model, "output_shape")
    if not isinstance(shape, tuple) or len(shape) not in (1, 2):
        return None
    return shape[1] if len(shape) == 2 else 1


def _shape(model, name):
    try:
        return getattr(model, name, None) if isinstance(model, keras.Model) else None
    except ValueError:  # a model that is not built, or has no fixed graph
        return None


def _compiled(model):
    make = _FORWARD.get(keras.config.backend(), _forward_of_others)
    return make(weakref.ref(model))


def _forward_in_tensorflow(reference):
    import tensorflow as tf

    @tf.function(jit_compile=False)
    def forward(images):
        return reference()(images, training=False)

    def call(images):
        images = keras.tree.map_structure(tf.convert_to_tensor, images)
        if not reference().built:
            reference()(images, training=False)
        return forward(images)

    return call


def _forward_in_jax(reference):
    import jax

    # Not `stateless_call`, which hands `training` on to models that do not take it.
    @jax.jit
    def forward(values, images):
        model = reference()
        with keras.StatelessScope(state_mapping=zip(model.variables, values, strict=True)):
            return model(images, training=False)

    def call(images):
        model = reference()
        # While `fit` runs it keeps the weights to itself, and the variables are empty.
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
        if not model.built:
            model(images, training=False)
        values = own_copies([variable.value for variable in model.variables])
        divided = Divided(images, values)
        return divided.own_rows(forward(values, divided.images))

    return call


def _forward_in_torch(reference):
    import torch

    def call(images):
        model = reference()
        images = keras.tree.map_structure(keras.ops.convert_to_tensor, images)
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with torch.no_grad():
                return model(images, training=False)
        finally:
            for module, mode in modes:
                module.training = mode

    return call


def _forward_of_others(reference):
    if isinstance(reference(), keras.Model):
        return lambda images: reference().predict_on_batch(images)
    return lambda images: reference()(images, training=False)


_FORWARD = {
    "tensorflow": _forward_in_tensorflow,
    "jax": _forward_in_jax,
    "torch": _forward_in_torch,
}


def patch_size(model):
    """Returns the (height, width) of the patches a model itself works on, or None.

    Read off a `patch_size` attribute of the model or of one of its layers, else off the first
    convolution, if its kernel and its strides are the same and above 1: a patch embedding or stem.
    """
    if not isinstance(model, keras.Layer):
        return None
    layers = list(layers_within(model))
    for layer in layers:
        value = getattr(layer, "patch_size", None)
        if isinstance(value, int):
            return value, value
        if isinstance(value, tuple | list) and len(value) == 2:
            return int(value[0]), int(value[1])
    for layer in layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = tuple(layer.kernel_size)
            return kernel if kernel == tuple(layer.strides) and max(kernel) > 1 else None
    return None
