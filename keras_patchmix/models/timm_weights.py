"""Weights of timm's models, without timm or PyTorch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_patchmix.models.factory import architectures
from keras_patchmix.models.nesting import leaves
from keras_patchmix.models.tokens import TokenEmbedding, token_arrays
from keras_patchmix.models.weights import assign, rename

# The order of a layer's arrays in Keras.
_ORDER = ("weight", "gamma", "bias", "running_mean", "running_var")


def load_timm(model: Any, state_dict: Mapping[str, Any]) -> None:
    """Gives a model the weights of its counterpart in timm.

    timm holds the published weights of ConvMixer, of ConvNeXt atto, and of many ViTs. Its ViTs
    compute GELU exactly: create ours with `approximate_gelu=False`.

    Args:
        model: Model or backbone of this package: ConvNeXt, ViT or ConvMixer.
        state_dict: Dict from timm's names to arrays: NumPy arrays, or tensors of PyTorch on the
            CPU. `safetensors.numpy.load_file` and `torch.load` give one.

    Raises:
        ValueError: The names are of none of the three families, or arrays do not fit. The model
            is unchanged. A classifier of another number of classes keeps its random weights, with
            a warning.

    Example:
    >>> model = keras_patchmix.models.create("convmixer_768_32", 1000, (224, 224, 3))
    >>> state_dict = safetensors.numpy.load_file("model.safetensors")
    >>> keras_patchmix.models.load_timm(model, state_dict)
    """
    arrays = {name: np.asarray(array) for name, array in state_dict.items()}
    layers = {}
    if "pos_embed" in arrays:
        grids = [layer.grid for layer in leaves(model) if isinstance(layer, TokenEmbedding)]
        token, positions = arrays.pop("cls_token"), arrays.pop("pos_embed")
        layers["tokens"] = token_arrays(token, positions, *grids)
    parts: dict[str, dict] = {}
    for name, array in arrays.items():
        module, _, kind = name.rpartition(".")
        if kind != "num_batches_tracked":
            parts.setdefault(module, {})[kind] = array
    patterns = _patterns(parts, state_dict)
    for module, kinds in parts.items():
        name = rename(module, patterns) or module  # `assign` names unknown layers
        layer = [_as_keras(kinds[kind], name) for kind in _ORDER if kind in kinds]
        if name.endswith(("_expand", "_project")):  # pointwise convolutions in some ConvNeXts
            layer[0] = np.squeeze(layer[0])
        layers[name] = layer
    assign(model, layers, "timm")


def _patterns(modules, state_dict):
    """Returns the `TIMM_NAMES` of the architecture that most modules of timm belong to."""
    known = {
        name: architecture.TIMM_NAMES
        for name, architecture in architectures().items()
        if hasattr(architecture, "TIMM_NAMES")
    }
    counts = {
        name: sum(rename(module, patterns) is not None for module in modules)
        for name, patterns in known.items()
    }
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        raise ValueError(
            f"`state_dict` must hold a model of timm of one of the architectures {sorted(known)}. "
            f"Received: names such as {list(state_dict)[:3]}"
        )
    return known[best]


def _as_keras(array, name):
    """Returns an array with the axes of a kernel in Keras' order."""
    if array.ndim == 4:
        return array.transpose(2, 3, *((0, 1) if name.endswith("_depthwise") else (1, 0)))
    return array.T
