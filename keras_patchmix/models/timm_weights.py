"""Weights of timm's models in the form of ours, without timm or PyTorch."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_patchmix.models.convert import token_arrays
from keras_patchmix.models.tokens import TokenEmbedding
from keras_patchmix.models.transfer import assign, leaves

# Patterns of timm's module names, and our layer names, by family.
_CONVNEXT = {
    r"stem\.0": "stem_conv",
    r"stem\.1": "stem_norm",
    r"stages\.(\d+)\.downsample\.0": r"downsample_\1_norm",
    r"stages\.(\d+)\.downsample\.1": r"downsample_\1_conv",
    r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw": r"stage_\1_block_\2_depthwise",
    r"stages\.(\d+)\.blocks\.(\d+)\.norm": r"stage_\1_block_\2_norm",
    r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc1": r"stage_\1_block_\2_expand",
    r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc2": r"stage_\1_block_\2_project",
    r"stages\.(\d+)\.blocks\.(\d+)": r"stage_\1_block_\2_scale",
    r"head\.norm": "head_norm",
    r"head\.fc": "logits",
}
_VIT = {
    r"patch_embed\.proj": "patches",
    r"blocks\.(\d+)\.norm1": r"block_\1_attention_norm",
    r"blocks\.(\d+)\.attn\.qkv": r"block_\1_qkv",
    r"blocks\.(\d+)\.attn\.proj": r"block_\1_join",
    r"blocks\.(\d+)\.ls1": r"block_\1_attention_scale",
    r"blocks\.(\d+)\.norm2": r"block_\1_mlp_norm",
    r"blocks\.(\d+)\.mlp\.fc1": r"block_\1_expand",
    r"blocks\.(\d+)\.mlp\.fc2": r"block_\1_project",
    r"blocks\.(\d+)\.ls2": r"block_\1_mlp_scale",
    r"norm": "norm",
    r"head": "logits",
}
_CONVMIXER = {
    r"stem\.0": "patches",
    r"stem\.2": "patches_norm",
    r"blocks\.(\d+)\.0\.fn\.0": r"block_\1_depthwise",
    r"blocks\.(\d+)\.0\.fn\.2": r"block_\1_depthwise_norm",
    r"blocks\.(\d+)\.1": r"block_\1_pointwise",
    r"blocks\.(\d+)\.3": r"block_\1_pointwise_norm",
    r"head": "logits",
}
# The order of a layer's arrays in Keras.
_ORDER = ("weight", "gamma", "bias", "running_mean", "running_var")
# The name that tells a family, in the order to look for them.
_FAMILIES = {
    "patch_embed.proj.weight": _VIT,
    "stages.0.blocks.0.conv_dw.weight": _CONVNEXT,
    "blocks.0.0.fn.0.weight": _CONVMIXER,
}


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
    grids = [layer.grid for layer in leaves(model) if isinstance(layer, TokenEmbedding)]
    assign(model, from_timm(state_dict, *grids), "timm")


def from_timm(state_dict, grid=None):
    """Converts timm's weights.

    Args:
        state_dict: As in `load_timm`.
        grid: `(rows, columns)` of a ViT's positions. Defaults to a square.

    Returns:
        Dict from our layers' names to lists of arrays.

    Raises:
        ValueError: The names are of none of the three families.
    """
    arrays = {name: np.asarray(array) for name, array in state_dict.items()}
    patterns = next((value for name, value in _FAMILIES.items() if name in arrays), None)
    if patterns is None:
        raise ValueError(
            "`state_dict` must hold a ConvNeXt, a ViT or a ConvMixer of timm, and so one of "
            f"{list(_FAMILIES)}. Received names such as {list(arrays)[:3]}"
        )
    layers = {}
    if patterns is _VIT:
        token, positions = arrays.pop("cls_token"), arrays.pop("pos_embed")
        layers["tokens"] = token_arrays(token, positions, grid)
    parts = {}
    for name, array in arrays.items():
        module, _, kind = name.rpartition(".")
        if kind != "num_batches_tracked":
            parts.setdefault(_layer_name(module, patterns), {})[kind] = array
    for layer, kinds in parts.items():
        depthwise = layer.endswith("_depthwise")
        layers[layer] = [_as_keras(kinds[kind], depthwise) for kind in _ORDER if kind in kinds]
    for layer in layers:
        if layer.endswith(("_expand", "_project")):  # pointwise convolutions in some ConvNeXts
            layers[layer][0] = np.squeeze(layers[layer][0])
    return layers


def _layer_name(module, patterns):
    for pattern, name in patterns.items():
        if re.fullmatch(pattern, module):
            return re.sub(pattern, name, module)
    return module  # `assign` says that there is no such layer


def _as_keras(array, depthwise):
    """Moves the axes of a kernel to where Keras has them."""
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if depthwise else array.transpose(2, 3, 1, 0)
    return array.T
