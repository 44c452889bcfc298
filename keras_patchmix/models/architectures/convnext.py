"""ConvNeXt (Liu et al. 2022, arXiv 2201.03545) as a Keras functional model."""

import keras
from keras import layers

from keras_patchmix.models.blocks import DropPath, LayerScale
from keras_patchmix.models.inputs import (
    SeedStream,
    check_sides,
    drop_rates,
    imagenet_normalization,
    pyramid_levels,
)
from keras_patchmix.models.nesting import leaves
from keras_patchmix.models.weights import own_weights, rename

# Few channels on small images: with a deviation of 0.02 and a layer scale near zero the branches
# stay silent for the first thousand steps, and a 7x7 kernel spans the whole feature map.
_SMALL = {"kernel_size": 3, "layer_scale": 1.0, "initializer": "lecun_normal"}

# Depths and widths: table 9 of the paper; atto: timm; mini and midi: for images of about 32 pixels
# on a CPU.
PRESETS = {
    "convnext_atto": {"depths": (2, 2, 6, 2), "dims": (40, 80, 160, 320)},
    "convnext_tiny": {"depths": (3, 3, 9, 3), "dims": (96, 192, 384, 768)},
    "convnext_small": {"depths": (3, 3, 27, 3), "dims": (96, 192, 384, 768)},
    "convnext_base": {"depths": (3, 3, 27, 3), "dims": (128, 256, 512, 1024)},
    "convnext_large": {"depths": (3, 3, 27, 3), "dims": (192, 384, 768, 1536)},
    "convnext_mini": {"depths": (2, 2, 2), "dims": (40, 80, 160), **_SMALL},
    "convnext_midi": {"depths": (2, 2, 2), "dims": (48, 96, 192), "patch_size": 2, **_SMALL},
}

# Classes of keras.applications whose weights were converted from the authors'.
PUBLISHED = {
    "convnext_tiny": "ConvNeXtTiny",
    "convnext_small": "ConvNeXtSmall",
    "convnext_base": "ConvNeXtBase",
    "convnext_large": "ConvNeXtLarge",
}
TIMM_NAMES = {
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
_APPLICATIONS_NAMES = {
    r"stem_conv": "stem_conv",
    r"stem_layernorm": "stem_norm",
    **{f"downsampling_layernorm_{i}": f"downsample_{i + 1}_norm" for i in range(3)},
    **{f"downsampling_conv_{i}": f"downsample_{i + 1}_conv" for i in range(3)},
    r"(stage_\d+_block_\d+)_depthwise_conv": r"\1_depthwise",
    r"(stage_\d+_block_\d+)_layernorm": r"\1_norm",
    r"(stage_\d+_block_\d+)_pointwise_conv_1": r"\1_expand",
    r"(stage_\d+_block_\d+)_pointwise_conv_2": r"\1_project",
    r"(stage_\d+_block_\d+)_layer_scale": r"\1_scale",
    r"head_layernorm": "head_norm",
    # Without a classifier, Keras numbers the name of the last normalization.
    r"layer_normalization(_\d+)?": "head_norm",
    r"head_dense": "logits",
}


def convnext(
    num_classes,
    input_shape,
    depths,
    dims,
    patch_size=4,
    kernel_size=7,
    drop_path_rate=0.0,
    layer_scale=1e-6,
    initializer="truncated_normal",
    seed=None,
    name="convnext",
):
    """Builds a ConvNeXt classifier.

    Stem of `patch_size`, then stages of residual blocks (depthwise convolution, layer
    normalization, pointwise expansion by four with GELU, layer scale, stochastic depth) with a
    stride of two between them, global average pooling, layer normalization, linear classifier.

    Args:
        num_classes: Integer, the number of logits.
        input_shape: `(height, width, channels)`; height and width may be `None`. Three channels
            are normalized by ImageNet's mean and deviation, others scaled to [-1, 1].
        depths: Blocks of each stage.
        dims: Channels of each stage, as many as `depths`.
        patch_size: Pixels a side of the stem's patches. Defaults to `4`.
        kernel_size: Side of the depthwise kernels. Defaults to `7`.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from zero at the
            first one. Defaults to `0`.
        layer_scale: Start value of the layer scale. Defaults to `1e-6`.
        initializer: Of kernels: `"truncated_normal"`, with the paper's deviation of 0.02, or the
            name of another Keras initializer that takes a seed, such as `"lecun_normal"`.
            Defaults to `"truncated_normal"`.
        seed: Integer or `None`; seeds initial weights and stochastic depth.
        name: Name of the model.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out, float32 under every dtype policy.

    Raises:
        ValueError: `depths` and `dims` differ in length, or the input is smaller than the
            network's total stride.
    """
    seeds = SeedStream(seed, initializer)
    images = keras.Input(input_shape, name="images")
    x = features(images, seeds, depths, dims, patch_size, kernel_size, drop_path_rate, layer_scale)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = head_norm()(x)
    head = layers.Dense(
        num_classes, kernel_initializer=seeds.initializer(), dtype="float32", name="logits"
    )
    return keras.Model(images, head(x), name=name)


def head_norm():
    """Returns the normalization between the last stage and the classifier."""
    return _norm("head_norm")


def features(images, seeds, depths, dims, patch_size, kernel_size, drop_path_rate, layer_scale):
    """Applies stem and stages to a symbolic tensor of images.

    `seeds` is a `SeedStream`, the other arguments are those of `convnext`.

    Returns:
        Symbolic tensor `(batch, height / stride, width / stride, dims[-1])`.
    """
    if len(depths) != len(dims):
        raise ValueError(
            "`depths` and `dims` must have one entry per stage each. "
            f"Received: depths={depths}, dims={dims}"
        )
    parts = f"patch_size={patch_size} and {len(dims)} stages"
    check_sides(images.shape[1:], patch_size * 2 ** (len(dims) - 1), parts)
    rates = iter(drop_rates(drop_path_rate, sum(depths)))
    x = imagenet_normalization(images.shape[-1])(images)
    for stage, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
        if stage == 0:
            x = _downsample(dim, patch_size, seeds, "stem_conv")(x)
            x = _norm("stem_norm")(x)
        else:
            x = _norm(f"downsample_{stage}_norm")(x)
            x = _downsample(dim, 2, seeds, f"downsample_{stage}_conv")(x)
        for i in range(depth):
            prefix = f"stage_{stage}_block_{i}"
            x = _block(x, kernel_size, layer_scale, next(rates), seeds, prefix)
    return x


def pyramid(depths, patch_size=4):
    """Returns the feature pyramid: level to name of the layer that ends the stage."""
    names = [f"stage_{stage}_block_{depth - 1}_add" for stage, depth in enumerate(depths)]
    return pyramid_levels(names, [patch_size * 2**stage for stage in range(len(depths))])


def _block(x, kernel_size, layer_scale, drop_rate, seeds, prefix):
    dim = x.shape[-1]
    y = layers.DepthwiseConv2D(
        kernel_size,
        padding="same",
        depthwise_initializer=seeds.initializer(),
        name=f"{prefix}_depthwise",
    )(x)
    y = _norm(f"{prefix}_norm")(y)
    y = layers.Dense(4 * dim, kernel_initializer=seeds.initializer(), name=f"{prefix}_expand")(y)
    y = layers.Activation("gelu", name=f"{prefix}_gelu")(y)
    y = layers.Dense(dim, kernel_initializer=seeds.initializer(), name=f"{prefix}_project")(y)
    y = LayerScale(layer_scale, name=f"{prefix}_scale")(y)
    seed = seeds.seed()  # drawn in any case, so that other weights do not depend on the rate
    if drop_rate:
        y = DropPath(drop_rate, seed=seed, name=f"{prefix}_drop_path")(y)
    return layers.Add(name=f"{prefix}_add")([x, y])


def _norm(name):
    return layers.LayerNormalization(epsilon=1e-6, name=name)


def _downsample(dim, size, seeds, name):
    return layers.Conv2D(dim, size, size, kernel_initializer=seeds.initializer(), name=name)


def published_weights(model, name, path):
    """Returns the weights of keras.applications, see `architectures`.

    Args:
        model: Unused.
        name: Name of the model.
        path: A file, or `"imagenet"` for the one that keras.applications downloads.
    """
    del model
    if name not in PUBLISHED:
        return None
    source = getattr(keras.applications, PUBLISHED[name])(weights=path)
    return from_keras_applications(source), "keras.applications"


def from_keras_applications(model):
    """Converts the weights of a ConvNeXt of keras.applications.

    Args:
        model: Such as `keras.applications.ConvNeXtTiny(weights=None)`, of any name.

    Returns:
        Dict from layer names to lists of arrays; without `"logits"` if `include_top=False`.
    """
    weights = {}
    for layer in leaves(model):
        arrays = list(own_weights(layer).values())
        name = rename(layer.name.removeprefix(f"{model.name}_"), _APPLICATIONS_NAMES)
        if arrays and name is not None:
            if name.endswith("_depthwise"):  # a grouped convolution there
                arrays[0] = arrays[0].transpose(0, 1, 3, 2)
            weights[name] = arrays
    return weights
