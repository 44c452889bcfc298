"""One compiled forward pass per model, and its output as scores."""

import weakref

import keras
import numpy as np

from keras_patchmix._optional import require

_CACHE = weakref.WeakKeyDictionary()


def forward_function(model):
    """Returns a function from a batch of images to the model's output, in inference mode.

    For a Keras model on the TensorFlow backend it is compiled once per batch shape and kept as long
    as the model, whose current weights it reads. XLA stays off: on CPU it makes depthwise
    convolutions several times slower. Other backends go through the model's own compiled predict
    step. A plain function is called as it is.

    Args:
        model: A Keras model or layer, or a function of a batch.

    Raises:
        ValueError: Not callable.
    """
    if not callable(model):
        raise ValueError(
            "`model` must be a Keras model or a function from images to scores. "
            f"Received: model={model!r}"
        )
    if not isinstance(model, keras.Layer):
        return model
    # Quantising or adding LoRA to a model exchanges its variables: then the trace is stale.
    variables = tuple(map(id, model.weights)) if model.built else None
    cached = _CACHE.get(model)
    if cached is None or cached[0] is None or cached[0] != variables:
        cached = (variables, _compiled(model))
        _CACHE[model] = cached
    return cached[1]


def _compiled(model):
    reference = weakref.ref(model)
    if keras.config.backend() != "tensorflow":
        if isinstance(model, keras.Model):
            return lambda images: reference().predict_on_batch(images)
        return lambda images: reference()(images, training=False)
    tf = require("tensorflow", "scoring a model on the TensorFlow backend")

    @tf.function(jit_compile=False)
    def forward(images):
        return reference()(images, training=False)

    def call(images):
        images = keras.tree.map_structure(tf.convert_to_tensor, images)
        if not reference().built:
            reference()(images, training=False)
        return forward(images)

    return call


def to_scores(output, count):
    """Returns a model's output for a padded batch as float32 scores of its first examples.

    Args:
        output: Array or tensor of shape (B, K), logits or probabilities.
        count: Number of examples that are no padding.

    Returns:
        float32 array of shape (count, K).

    Raises:
        ValueError: The output is no single array of rank 2 with at least two columns.
    """
    if isinstance(output, dict | tuple | list):
        raise ValueError(
            "`model` must return one array of scores. Received: "
            f"{type(output).__name__} of {len(output)}"
        )
    if keras.ops.is_tensor(output):
        output = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
    scores = np.asarray(output)
    if scores.ndim != 2 or scores.shape[1] < 2 or len(scores) < count:
        raise ValueError(
            "`model` must return logits or probabilities of shape (batch, classes), with at least "
            f"two classes. Received: shape {scores.shape} for a batch of {count}"
        )
    return scores[:count].astype(np.float32)


def patch_size(model):
    """Returns the (height, width) of the patches a model itself works on, or None.

    Read off a `patch_size` attribute of the model or of one of its layers, else off the first
    convolution, if its kernel and its strides are the same and above 1: a patch embedding or stem.
    """
    if not isinstance(model, keras.Layer):
        return None
    layers = list(_walk(model))
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


def _walk(layer):
    yield layer
    for child in getattr(layer, "layers", None) or ():
        yield from _walk(child)
