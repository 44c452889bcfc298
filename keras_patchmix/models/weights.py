"""Weights into models: from other models, files, and arrays by layer name."""

import os
import re
import tempfile
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_patchmix.models.nesting import leaves
from keras_patchmix.models.tokens import TokenEmbedding


def copy_weights(source: Any, target: Any) -> None:
    """Copies the weights of one model to another of the same architecture.

    Layers are matched by name, so that a classifier's weights go to a backbone and back. Only the
    classifier itself, the last layer of either model, may be missing or of another shape: it
    then keeps its values. A position embedding for another image size is resampled.

    Args:
        source: Keras model or backbone of this package.
        target: Another, which is changed.

    Raises:
        ValueError: Another layer does not fit; `target` is unchanged.

    Example:
    >>> classifier = keras_patchmix.models.create("convnext_tiny", 1000, (224, 224, 3), "imagenet")
    >>> backbone = keras_patchmix.models.ConvNeXtBackbone(
    ...     **keras_patchmix.models.preset("convnext_tiny"))
    >>> keras_patchmix.models.copy_weights(classifier, backbone)
    """
    weights = layer_weights(source)
    optional = {layers[-1] for layers in (list(weights), list(layer_weights(target))) if layers}
    optional &= {"logits"}
    assign(target, weights, f"the model {source.name!r}", optional)


def own_weights(layer):
    """Returns a layer's own arrays by name, without seeds and without those of its sublayers."""
    store = {}
    layer.save_own_variables(store)
    return {name: ops.convert_to_numpy(value) for name, value in store.items()}


def layer_weights(model):
    """Returns a dict from the name of each layer with weights to the list of its arrays."""
    arrays = {layer.name: list(own_weights(layer).values()) for layer in leaves(model)}
    return {name: own for name, own in arrays.items() if own}


def head_name(model):
    """Returns the name of the last layer with weights."""
    return list(layer_weights(model))[-1]


def rename(name, patterns):
    """Renames by the first regular expression that matches; None if there is none.

    Args:
        name: String.
        patterns: Dict from regular expressions to replacements.
    """
    for pattern, replacement in patterns.items():
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    return None


def assign(model, weights, origin, optional=("logits",)):
    """Gives every layer of a model its arrays.

    Args:
        model: Keras model, which is changed.
        weights: Dict from layer name to the arrays of the layer, in the layer's order.
        origin: Where the weights come from, for messages.
        optional: Names of layers that may be missing on either side, and that keep their values,
            with a warning, if the shapes differ.

    Raises:
        ValueError: Arrays are missing, left over, or of another shape. The model is unchanged.
    """
    layers = {layer.name: layer for layer in leaves(model) if own_weights(layer)}
    problems, misfits, fitting = [], [], []
    for name in {**layers, **weights}:
        if name in layers and name in weights:
            problem = _misfit(layers[name], weights[name])
            if problem is None:
                fitting.append(name)
            else:
                (misfits if name in optional else problems).append(f"{name}: {problem}")
        elif name not in optional:
            missing = "no weights for it" if name in layers else "no such layer"
            problems.append(f"{name}: {missing}")
    if problems:
        more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise ValueError(
            f"`weights`: those of {origin} do not fit the model {model.name!r}. "
            f"{'; '.join(problems[:6])}{more}"
        )
    for name in fitting:
        layer = layers[name]
        layer.load_own_variables(dict(zip(own_weights(layer), weights[name], strict=True)))
    if misfits:
        _warn_of_random_head(misfits, origin)


def load_keras_file(model, path):
    """Gives a model the weights of a `.keras` file of the same architecture.

    Args:
        model: Keras model, which is changed.
        path: The file.

    Raises:
        ValueError: They do not fit. A classifier of another number of classes keeps its random
            weights, with a warning.
    """
    source = keras.models.load_model(path, compile=False)
    count = sum(len(arrays) for arrays in layer_weights(model).values())
    if count == sum(keras.backend.is_float_dtype(weight.dtype) for weight in model.weights):
        assign(model, layer_weights(source), os.fspath(path), {head_name(model)})
        return
    # Sublayers of layers have no unique names: only a weights file reaches them.
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "copy.weights.h5")
        source.save_weights(copy)
        load_weights_file(model, copy, origin=path)


def load_weights_file(model, path, origin=None):
    """Gives a model the weights of a `.weights.h5` file of the same architecture.

    Keras skips weights that do not fit without naming them. So all are set to nan before, and those
    that still are afterwards were not in the file.

    Args:
        model: Keras model, which is changed.
        path: The file.
        origin: Name of the file in messages. Defaults to `path`.

    Raises:
        ValueError: They do not fit. A classifier of another number of classes keeps its random
            weights, with a warning.
    """
    head, origin = head_name(model), os.fspath(path if origin is None else origin)
    weights = [weight for weight in model.weights if keras.backend.is_float_dtype(weight.dtype)]
    before = [ops.convert_to_numpy(weight) for weight in weights]
    for weight in weights:
        weight.assign(ops.full(weight.shape, float("nan"), weight.dtype))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(path, skip_mismatch=True)
    finally:
        missing = {id(weight) for weight in weights if _is_nan(weight)}
        for weight, value in zip(weights, before, strict=True):
            if id(weight) in missing:
                weight.assign(value)
    names = [
        layer.name for layer in leaves(model) if missing & {id(weight) for weight in layer.weights}
    ]
    left_over = _count_arrays(path) - (len(weights) - len(missing))
    # A classifier of another size leaves over as many arrays as ours has.
    if set(names) - {head} or left_over > len(missing):
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
        raise ValueError(
            f"`weights`: those of {origin} do not fit the model {model.name!r}. "
            f"Without weights, or with weights of another shape: {names[:6] or 'no layer'} "
            f"({len(names)} of {len(layer_weights(model))} layers); {left_over} arrays of the "
            "file are left over."
        )
    if names:
        _warn_of_random_head([f"{head}: another shape"], origin)


def read_keras_2_file(path):
    """Reads the arrays of an HDF5 file as Keras 2 wrote them.

    Returns:
        List with the arrays of each layer that has weights, in the model's order.

    Raises:
        ValueError: The file is of another kind.
    """
    import h5py

    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        if "layer_names" not in group.attrs:
            raise ValueError(
                f"`weights`: {os.fspath(path)} must be a file of a published model as Keras 2 "
                "wrote them, or have a name that ends in .weights.h5 or .keras."
            )
        layers = [group[_text(name)] for name in group.attrs["layer_names"]]
        arrays = [
            [np.asarray(layer[_text(name)]) for name in layer.attrs["weight_names"]]
            for layer in layers
        ]
        return [own for own in arrays if own]


def _warn_of_random_head(misfits, origin):
    warnings.warn(
        f"The classifier keeps its random weights, all others are from {origin}: "
        f"{'; '.join(misfits)}. Train it before you use its outputs.",
        UserWarning,
        stacklevel=4,
    )


def _misfit(layer, arrays):
    """Returns why arrays do not fit a layer, or None."""
    wanted = [array.shape for array in own_weights(layer).values()]
    received = [np.shape(array) for array in arrays]
    if isinstance(layer, TokenEmbedding) and len(received) == len(wanted):
        # Positions of any grid fit.
        wanted[-1], received[-1] = wanted[-1][2:], received[-1][2:]
    return None if wanted == received else f"has shapes {wanted}, received {received}"


def _is_nan(weight):
    return bool(np.isnan(ops.convert_to_numpy(ops.cast(weight, "float32"))).all())


def _text(name):
    return name.decode() if isinstance(name, bytes) else name


def _count_arrays(path):
    """Returns the number of float arrays of layers in a `.weights.h5` file."""
    import h5py

    names = []

    def visit(name, item):
        # A nested model may bring an optimizer too: keras-hub's are compiled from the start.
        if isinstance(item, h5py.Dataset) and "optimizer" not in name.split("/"):
            names.extend([name] * (item.dtype.kind in "fV"))

    with h5py.File(path) as file:
        file.visititems(visit)
    return len(names)
