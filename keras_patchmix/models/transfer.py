"""Copies weights into a model layer by layer, and says which do not fit."""

import warnings
from typing import Any

import numpy as np
from keras import ops

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


def leaves(model):
    """Returns the layers of a model in order, those of models inside it in their place."""
    found = []
    for layer in model.layers:
        found += leaves(layer) if hasattr(layer, "layers") else [layer]
    return found


def own_weights(layer):
    """Returns the arrays of a layer, without seeds and parts, a dict by Keras' names of them."""
    store = {}
    layer.save_own_variables(store)
    return {name: ops.convert_to_numpy(value) for name, value in store.items()}


def layer_weights(model):
    """Returns the arrays of every layer that has some, a dict from layer name to a list."""
    found = {layer.name: list(own_weights(layer).values()) for layer in leaves(model)}
    return {name: arrays for name, arrays in found.items() if arrays}


def assign(model, weights, origin, optional=("logits",)):
    """Gives every layer of a model its arrays.

    Args:
        model: Keras model, which is changed.
        weights: Dict from layer name to the arrays of the layer, in the layer's order.
        origin: Where they are from, for messages.
        optional: Names of layers that keep their values, with a warning, where the arrays for
            them have another shape; where there are none, or no layer, nothing is said.

    Raises:
        ValueError: Arrays are missing, left over, or of another shape. The model is unchanged.
    """
    layers = {layer.name: layer for layer in leaves(model)}
    layers = {name: layer for name, layer in layers.items() if own_weights(layer)}
    problems = [f"{name}: no weights for it" for name in layers if name not in weights]
    problems += [f"{name}: no such layer" for name in weights if name not in layers]
    problems = [text for text in problems if text.partition(":")[0] not in optional]
    kept = []
    for name in layers.keys() & weights.keys():
        problem = _misfit(layers[name], weights[name])
        if problem and name in optional:
            kept.append(f"{name}: {problem}")
        elif problem:
            problems.append(f"{name}: {problem}")
    if problems:
        raise ValueError(
            f"`weights`: those of {origin} do not fit the model {model.name!r}. {_short(problems)}"
        )
    kept_names = {text.partition(":")[0] for text in kept}
    for name in layers.keys() & weights.keys() - kept_names:
        layer = layers[name]
        layer.load_own_variables(dict(zip(own_weights(layer), weights[name], strict=True)))
    if kept:
        warn_kept(kept, origin)


def warn_kept(kept, origin):
    """Warns that the classifier keeps its random weights.

    Args:
        kept: Texts that name layers and say why.
        origin: Where the other weights are from.
    """
    warnings.warn(
        f"The classifier keeps its random weights, all others are from {origin}: "
        f"{'; '.join(kept)}. Train it before you use its outputs.",
        UserWarning,
        stacklevel=4,
    )


def _misfit(layer, arrays):
    """Returns why arrays do not fit a layer, or None where they do."""
    wanted = [array.shape for array in own_weights(layer).values()]
    received = [np.shape(array) for array in arrays]
    if isinstance(layer, TokenEmbedding) and len(received) == len(wanted):
        # Positions may be of any grid.
        wanted[-1], received[-1] = wanted[-1][2:], received[-1][2:]
    if wanted == received:
        return None
    return f"has shapes {wanted}, received {received}"


def _short(problems, count=6):
    more = f"; and {len(problems) - count} more" if len(problems) > count else ""
    return "; ".join(problems[:count]) + more
