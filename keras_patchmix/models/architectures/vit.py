"""Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929) as Keras functional models."""

import keras
import numpy as np
from keras import layers

from keras_patchmix.models.blocks import DropPath, LayerScale
from keras_patchmix.models.inputs import (
    SeedStream,
    check_sides,
    drop_rates,
    pyramid_levels,
    symmetric_normalization,
)
from keras_patchmix.models.nesting import leaves
from keras_patchmix.models.tokens import GELU, SelfAttention, TokenEmbedding, token_arrays
from keras_patchmix.models.weights import read_keras_2_file

# Base and large: table 1 of the paper. Tiny and small: Touvron et al. 2021 (DeiT, arXiv
# 2012.12877), table 1, and Steiner et al. 2021 (arXiv 2106.10270), table 2.
_SIZES = {
    "tiny": {"dim": 192, "depth": 12, "num_heads": 3},
    "small": {"dim": 384, "depth": 12, "num_heads": 6},
    "base": {"dim": 768, "depth": 12, "num_heads": 12},
    "large": {"dim": 1024, "depth": 24, "num_heads": 16},
}
# Sized for images of 32 pixels (patches of 4) and 64 (patches of 8) on a CPU.
_MINI = {"dim": 96, "depth": 6, "num_heads": 3, "mlp_ratio": 2, "initializer": "glorot_uniform"}

PRESETS = {
    **{
        f"vit_{size}{patch}": {"patch_size": patch, **arguments}
        for size, arguments in _SIZES.items()
        for patch in (16, 32)
    },
    **{f"vit_mini{patch}": {"patch_size": patch, **_MINI} for patch in (4, 8)},
}
# Folder in keras-cv's store and SHA-256 of the file, from the table of keras-cv 0.9; weights of
# Steiner et al. 2021, arXiv 2106.10270, for images of 224 pixels.
PUBLISHED = {
    "vit_tiny16": (
        "vittiny16",
        "c8227fde16ec8c2e7ab886169b11b4f0ca9af2696df6d16767db20acc9f6e0dd",
    ),
    "vit_small16": (
        "vits16",
        "4a66a1a70a879ff33a3ca6ca30633b9eadafea84b421c92174557eee83e088b5",
    ),
    "vit_base16": (
        "vitb16",
        "6ab4e08c773e08de42023d963a97e905ccba710e2c05ef60c0971978d4a8c41b",
    ),
    "vit_large16": (
        "vitl16",
        "5a98000f848f2e813ea896b2528983d8d956f8c4b76ceed0b656219d5b34f7fb",
    ),
    "vit_small32": (
        "vits32",
        "f5836e3aff2bab202eaee01d98337a08258159d3b718e0421834e98b3665e10a",
    ),
    "vit_base32": (
        "vitb32",
        "73025caa78459dc8f9b1de7b58f1d64e24a823f170d17e25fcc8eb6179bea179",
    ),
}
TIMM_NAMES = {
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
# Side of the published models' images: the grid of positions for images of unknown size.
_USUAL_SIDE = 224
_KERAS_CV_STORE = "https://storage.googleapis.com/keras-cv/models"


def vit(
    num_classes,
    input_shape,
    patch_size,
    dim,
    depth,
    num_heads,
    mlp_ratio=4,
    drop_path_rate=0.0,
    dropout=0.0,
    attention_dropout=0.0,
    layer_scale=None,
    approximate_gelu=True,
    grid=None,
    initializer="truncated_normal",
    seed=None,
    name="vit",
):
    """Builds a vision transformer classifier.

    Patches, a class token, learned positions, then blocks of self-attention and of two dense
    layers, each residual and normalized before; a last normalization and a linear classifier on
    the class token.

    Args:
        num_classes: Integer, the number of logits.
        input_shape: `(height, width, channels)`; height and width may be `None`. A side that is
            not a multiple of `patch_size` loses the rest on the right or at the bottom.
        patch_size: Pixels a side of a patch.
        dim: Channels of a token.
        depth: Number of blocks.
        num_heads: Heads of attention, a divisor of `dim`.
        mlp_ratio: Width of the dense layers in multiples of `dim`. Defaults to `4`.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from zero at the
            first one. Defaults to `0`.
        dropout: Of tokens and in the dense layers. Defaults to `0`.
        attention_dropout: Of attention weights. Defaults to `0`.
        layer_scale: Start value of a layer scale behind both halves of a block, as CaiT and
            DeiT III have it, or `None` for none. Defaults to `None`.
        approximate_gelu: Whether GELU is the approximation by tanh, as in the paper's own code
            and in keras-cv; timm's is exact. Defaults to `True`.
        grid: `(rows, columns)` of the position embedding. Defaults to the patches of
            `input_shape`, or of 224 x 224 pixels where it has `None`. On other grids the
            embedding is resampled at every call.
        initializer: Of kernels and positions: `"truncated_normal"`, with a deviation of 0.02 as
            in DeiT, or the name of another Keras initializer that takes a seed.
            Defaults to `"truncated_normal"`.
        seed: Integer or `None`; seeds initial weights, dropout and stochastic depth.
        name: Name of the model.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out, float32 under every dtype policy.

    Raises:
        ValueError: `dim` is not a multiple of `num_heads`, or the input is smaller than a patch.
    """
    seeds = SeedStream(seed, initializer)
    images = keras.Input(input_shape, name="images")
    tokens = encode(
        images,
        seeds,
        patch_size=patch_size,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        mlp_ratio=mlp_ratio,
        drop_path_rate=drop_path_rate,
        dropout=dropout,
        attention_dropout=attention_dropout,
        layer_scale=layer_scale,
        approximate_gelu=approximate_gelu,
        grid=grid,
    )
    head = layers.Dense(
        num_classes, kernel_initializer=seeds.initializer(), dtype="float32", name="logits"
    )
    return keras.Model(images, head(tokens[:, 0]), name=name)


def encode(
    images,
    seeds,
    *,
    patch_size,
    dim,
    depth,
    num_heads,
    mlp_ratio,
    drop_path_rate,
    dropout,
    attention_dropout,
    layer_scale,
    approximate_gelu,
    grid,
):
    """Applies the encoder to a symbolic tensor of images.

    `seeds` is a `SeedStream`, the other arguments are those of `vit`.

    Returns:
        Symbolic tensor of normalized tokens `(batch, 1 + patches, dim)`, the class token first.
    """
    if dim % num_heads:
        raise ValueError(
            f"`dim` must be a multiple of `num_heads`. Received: dim={dim}, num_heads={num_heads}"
        )
    check_sides(images.shape[1:], patch_size, f"patch_size={patch_size}")
    if grid is None:
        grid = [(_USUAL_SIDE if side is None else side) // patch_size for side in images.shape[1:3]]
    x = symmetric_normalization()(images)
    x = layers.Conv2D(
        dim, patch_size, patch_size, kernel_initializer=seeds.initializer(), name="patches"
    )(x)
    x = TokenEmbedding(grid, initializer=seeds.initializer(), name="tokens")(x)
    x = _dropout(x, dropout, seeds, "tokens_dropout")
    for i, drop_rate in enumerate(drop_rates(drop_path_rate, depth)):
        prefix = f"block_{i}"
        y = _attention(x, num_heads, dropout, attention_dropout, seeds, prefix)
        x = _residual(x, y, layer_scale, drop_rate, seeds, f"{prefix}_attention")
        y = _mlp(x, mlp_ratio, dropout, approximate_gelu, seeds, prefix)
        x = _residual(x, y, layer_scale, drop_rate, seeds, f"{prefix}_mlp")
    return layers.LayerNormalization(epsilon=1e-6, name="norm")(x)


def pyramid(patch_size):
    """Returns the feature pyramid: one level, where the side of a patch is a power of two."""
    return pyramid_levels(["features"], [patch_size])


def _attention(x, num_heads, dropout, attention_dropout, seeds, prefix):
    dim = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{prefix}_attention_norm")(x)
    y = layers.Dense(3 * dim, kernel_initializer=seeds.initializer(), name=f"{prefix}_qkv")(y)
    y = SelfAttention(num_heads, attention_dropout, seeds.seed(), name=f"{prefix}_attention")(y)
    y = layers.Dense(dim, kernel_initializer=seeds.initializer(), name=f"{prefix}_join")(y)
    return _dropout(y, dropout, seeds, f"{prefix}_join_dropout")


def _mlp(x, mlp_ratio, dropout, approximate_gelu, seeds, prefix):
    dim = x.shape[-1]
    width = round(mlp_ratio * dim)
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{prefix}_mlp_norm")(x)
    y = layers.Dense(width, kernel_initializer=seeds.initializer(), name=f"{prefix}_expand")(y)
    y = GELU(approximate_gelu, name=f"{prefix}_gelu")(y)
    y = _dropout(y, dropout, seeds, f"{prefix}_expand_dropout")
    y = layers.Dense(dim, kernel_initializer=seeds.initializer(), name=f"{prefix}_project")(y)
    return _dropout(y, dropout, seeds, f"{prefix}_project_dropout")


def _residual(x, y, layer_scale, drop_rate, seeds, prefix):
    if layer_scale is not None:
        y = LayerScale(layer_scale, name=f"{prefix}_scale")(y)
    seed = seeds.seed()
    if drop_rate:
        y = DropPath(drop_rate, seed=seed, name=f"{prefix}_drop_path")(y)
    return layers.Add(name=f"{prefix}_add")([x, y])


def _dropout(x, rate, seeds, name):
    seed = seeds.seed()
    return layers.Dropout(rate, seed=seed, name=name)(x) if rate else x


def published_weights(model, name, path):
    """Returns the weights of keras-cv, see `architectures`.

    Args:
        model: The model, whose grid of positions is tried first.
        name: Name of the model.
        path: A file, or `"imagenet"` to download the one of this name.
    """
    if path == "imagenet":
        folder, digest = PUBLISHED[name]
        path = keras.utils.get_file(
            fname=f"keras_cv_{folder}_imagenet_v0.h5",
            origin=f"{_KERAS_CV_STORE}/{folder}/imagenet/classification-v0.h5",
            cache_subdir="models",
            file_hash=digest,
        )
    grids = [layer.grid for layer in leaves(model) if isinstance(layer, TokenEmbedding)]
    return from_keras_cv(read_keras_2_file(path), *grids), "keras-cv"


def from_keras_cv(layers, grid=None):
    """Converts the weights of the ViT that keras-cv had before its backbones.

    Args:
        layers: List with the arrays of each layer that has weights, in the model's order: patches
            with tokens, blocks, normalization and, optionally, the classifier.
        grid: `(rows, columns)` of the positions. Defaults to a square.

    Returns:
        Dict from layer names to lists of arrays; without `"logits"` if there is no classifier.

    Raises:
        ValueError: These are not the weights of such a model.
    """
    sizes = [len(arrays) for arrays in layers]
    depth = sizes.count(16)
    if sizes[: depth + 2] != [4, *[16] * depth, 2] or sizes[depth + 2 :] not in ([], [2]):
        raise ValueError(
            "`weights`: a ViT of keras-cv has 4 arrays, 16 for each block, 2 for the last "
            f"normalization and 2 for the classifier. Received: {sizes}"
        )
    token, kernel, bias, positions = layers[0]
    weights = {"patches": [kernel, bias], "tokens": token_arrays(token, positions, grid)}
    for i, arrays in enumerate(layers[1 : depth + 1]):
        dim = arrays[0].size
        kernels = [array.reshape(dim, dim) for array in arrays[4:10:2]]
        biases = [array.reshape(dim) for array in arrays[5:10:2]]
        weights |= {
            f"block_{i}_attention_norm": arrays[:2],
            f"block_{i}_mlp_norm": arrays[2:4],
            f"block_{i}_qkv": [np.concatenate(kernels, axis=1), np.concatenate(biases)],
            f"block_{i}_join": [arrays[10].reshape(dim, dim), arrays[11]],
            f"block_{i}_expand": arrays[12:14],
            f"block_{i}_project": arrays[14:16],
        }
    weights["norm"] = layers[depth + 1]
    if len(layers) > depth + 2:
        weights["logits"] = layers[depth + 2]
    return weights
