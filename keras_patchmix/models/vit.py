"""Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929) as Keras functional models."""

import keras
from keras import layers

from keras_patchmix.models.blocks import DropPath, LayerScale
from keras_patchmix.models.inputs import (
    Draws,
    check_sides,
    drop_rates,
    pyramid_levels,
    symmetric_normalization,
)
from keras_patchmix.models.tokens import GELU, SelfAttention, TokenEmbedding

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
# The grid of positions where the size of images is unknown: that of the published models.
_USUAL_SIDE = 224


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
    draws = draws_for(depth, initializer, seed)
    images = keras.Input(input_shape, name="images")
    tokens = encode(
        images,
        patch_size,
        dim,
        depth,
        num_heads,
        draws,
        mlp_ratio=mlp_ratio,
        drop_path_rate=drop_path_rate,
        dropout=dropout,
        attention_dropout=attention_dropout,
        layer_scale=layer_scale,
        approximate_gelu=approximate_gelu,
        grid=grid,
    )
    head = layers.Dense(
        num_classes, kernel_initializer=draws.kernel(), dtype="float32", name="logits"
    )
    return keras.Model(images, head(tokens[:, 0]), name=name)


def draws_for(depth, initializer, seed):
    """Returns the seeds and initializers of a network, as many as it needs."""
    return Draws(seed, 4 + 10 * depth, initializer)


def encode(
    images,
    patch_size,
    dim,
    depth,
    num_heads,
    draws,
    mlp_ratio=4,
    drop_path_rate=0.0,
    dropout=0.0,
    attention_dropout=0.0,
    layer_scale=None,
    approximate_gelu=True,
    grid=None,
):
    """Applies the encoder to a symbolic tensor of images.

    `draws` is what `draws_for` returns, the other arguments are those of `vit`.

    Returns:
        A symbolic tensor of normalized tokens `(batch, 1 + patches, dim)`, the class token first.

    Raises:
        ValueError: As `vit`.
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
        dim, patch_size, patch_size, kernel_initializer=draws.kernel(), name="patches"
    )(x)
    x = TokenEmbedding(grid, initializer=draws.kernel(), name="tokens")(x)
    x = _dropout(x, dropout, draws, "tokens_dropout")
    for i, drop_rate in enumerate(drop_rates(drop_path_rate, depth)):
        prefix = f"block_{i}"
        y = _attention(x, num_heads, dropout, attention_dropout, draws, prefix)
        x = _residual(x, y, layer_scale, drop_rate, draws, f"{prefix}_attention")
        y = _mlp(x, mlp_ratio, dropout, approximate_gelu, draws, prefix)
        x = _residual(x, y, layer_scale, drop_rate, draws, f"{prefix}_mlp")
    return layers.LayerNormalization(epsilon=1e-6, name="norm")(x)


def pyramid(patch_size):
    """Returns the feature pyramid: one level, where the side of a patch is a power of two."""
    return pyramid_levels(["features"], [patch_size])


def _attention(x, num_heads, dropout, attention_dropout, draws, prefix):
    dim = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{prefix}_attention_norm")(x)
    y = layers.Dense(3 * dim, kernel_initializer=draws.kernel(), name=f"{prefix}_qkv")(y)
    y = SelfAttention(num_heads, attention_dropout, draws.seed(), name=f"{prefix}_attention")(y)
    y = layers.Dense(dim, kernel_initializer=draws.kernel(), name=f"{prefix}_join")(y)
    return _dropout(y, dropout, draws, f"{prefix}_join_dropout")


def _mlp(x, mlp_ratio, dropout, approximate_gelu, draws, prefix):
    dim = x.shape[-1]
    width = round(mlp_ratio * dim)
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{prefix}_mlp_norm")(x)
    y = layers.Dense(width, kernel_initializer=draws.kernel(), name=f"{prefix}_expand")(y)
    y = GELU(approximate_gelu, name=f"{prefix}_gelu")(y)
    y = _dropout(y, dropout, draws, f"{prefix}_expand_dropout")
    y = layers.Dense(dim, kernel_initializer=draws.kernel(), name=f"{prefix}_project")(y)
    return _dropout(y, dropout, draws, f"{prefix}_project_dropout")


def _residual(x, y, layer_scale, drop_rate, draws, prefix):
    if layer_scale is not None:
        y = LayerScale(layer_scale, name=f"{prefix}_scale")(y)
    seed = draws.seed()
    if drop_rate:
        y = DropPath(drop_rate, seed=seed, name=f"{prefix}_drop_path")(y)
    return layers.Add(name=f"{prefix}_add")([x, y])


def _dropout(x, rate, draws, name):
    seed = draws.seed()
    return layers.Dropout(rate, seed=seed, name=name)(x) if rate else x
