"""Models of keras.applications, with their preprocessing inside and logits out."""

import inspect

import keras
from keras import layers

from keras_patchmix.models.blocks import ReverseChannels
from keras_patchmix.models.inputs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    seeded_layers,
    symmetric_normalization,
)
from keras_patchmix.models.weights import assign, head_name, layer_weights

# The `preprocess_input` of each module: "tf" scales to [-1, 1], "torch" normalizes by ImageNet's
# mean and deviation, "caffe" centers BGR, "inside" does nothing.
PREPROCESSING = {
    "convnext": "inside",
    "densenet": "torch",
    "efficientnet": "inside",
    "efficientnet_v2": "inside",
    "inception_resnet_v2": "tf",
    "inception_v3": "tf",
    "mobilenet": "tf",
    "mobilenet_v2": "tf",
    "mobilenet_v3": "inside",
    "nasnet": "tf",
    "resnet": "caffe",
    "resnet_v2": "tf",
    "vgg16": "caffe",
    "vgg19": "caffe",
    "xception": "tf",
}
# Means of BGR in Caffe.
_CAFFE_MEAN = [103.939, 116.779, 123.68]
_RESERVED = {
    "weights",
    "classes",
    "input_shape",
    "input_tensor",
    "include_top",
    "include_preprocessing",
    "classifier_activation",
    "pooling",
    "name",
}


def names():
    """Returns the sorted names of the models of keras.applications, such as `"ResNet50V2"`."""
    return sorted(
        name
        for name, value in vars(keras.applications).items()
        if name[0].isupper() and callable(value)
    )


def arguments(name):
    """Returns the names of the arguments that `application` takes beyond its own."""
    parameters = inspect.signature(getattr(keras.applications, name)).parameters
    own = {key for key, value in parameters.items() if value.kind != value.VAR_KEYWORD}
    return {"seed", *own} - _RESERVED


def application(num_classes, input_shape, name, weights=None, seed=None, **overrides):
    """Builds a model of keras.applications.

    Args:
        num_classes: Integer, the number of logits.
        input_shape: `(height, width, channels)`, all known. Models with preprocessing take three
            channels.
        name: One of `names()`.
        weights: `"imagenet"`, which downloads, a file that keras.applications published, or
            `None`. Defaults to `None`.
        seed: Integer or `None`; seeds initial weights.
        **overrides: Further arguments of the model, such as `alpha` of MobileNets.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out, float32 under every dtype policy.

    Raises:
        ValueError: The weights do not fit. A classifier of another number of classes keeps its
            random weights, with a warning.
    """
    function = getattr(keras.applications, name)
    images = keras.Input(input_shape, name="images")
    with seeded_layers(seed):
        inner = function(
            weights=None,
            input_tensor=preprocessing(name)(images),
            input_shape=tuple(input_shape),
            classes=num_classes,
            classifier_activation=None,
            **overrides,
        )
    outputs = layers.Activation("linear", dtype="float32", name="logits")(inner.output)
    model = keras.Model(images, outputs, name=name)
    if weights is not None:
        _copy_in_order(function(weights=weights, **overrides), model, name)
    return model


def preprocessing(name):
    """Returns the model's `preprocess_input` as a function of a symbolic tensor.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: The preprocessing of this model is unknown.
    """
    # Keras has no public way from a model to its preprocessing.
    module = getattr(keras.applications, name).__module__.rpartition(".")[2]
    mode = PREPROCESSING.get(module)
    if mode is None:
        raise ValueError(
            f"`name`: the preprocessing of {name!r} (keras.applications.{module}) is not known "
            f"here. Known: {sorted(PREPROCESSING)}"
        )
    return {
        "inside": lambda images: images,
        "tf": symmetric_normalization(),
        "torch": layers.Normalization(
            mean=IMAGENET_MEAN, variance=IMAGENET_STD**2, name="normalization"
        ),
        "caffe": lambda images: layers.Normalization(
            mean=_CAFFE_MEAN, variance=[1.0] * 3, name="normalization"
        )(ReverseChannels(name="bgr")(images)),
    }[mode]


def _copy_in_order(source, target, name):
    """Copies weights by order, as Keras numbers some layers from model to model."""
    ours, theirs = layer_weights(target), list(layer_weights(source).values())
    if len(ours) != len(theirs):
        raise ValueError(
            f"`weights`: {len(theirs)} layers of {name} have some, {len(ours)} are expected."
        )
    weights = dict(zip(ours, theirs, strict=True))
    assign(target, weights, "keras.applications", {head_name(target)})
