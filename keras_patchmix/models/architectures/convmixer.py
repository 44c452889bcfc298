"""ConvMixer (Trockman & Kolter 2022, arXiv 2201.09792) as a Keras functional model."""

import keras
from keras import layers

from keras_patchmix.models.blocks import DropPath
from keras_patchmix.models.inputs import (
    SeedStream,
    check_sides,
    drop_rates,
    imagenet_normalization,
    pyramid_levels,
)

# Table 1 of the paper; 1536/20 with the patch size of its best model.
PRESETS = {
    "convmixer_1536_20": {"dim": 1536, "depth": 20, "kernel_size": 9, "patch_size": 7},
    "convmixer_768_32": {
        "dim": 768,
        "depth": 32,
        "kernel_size": 7,
        "patch_size": 7,
        "activation": "relu",
    },
    # Sized for images of about 32 pixels on a CPU.
    "convmixer_mini": {"dim": 192, "depth": 6, "kernel_size": 5, "patch_size": 4},
}

TIMM_NAMES = {
    r"stem\.0": "patches",
    r"stem\.2": "patches_norm",
    r"blocks\.(\d+)\.0\.fn\.0": r"block_\1_depthwise",
    r"blocks\.(\d+)\.0\.fn\.2": r"block_\1_depthwise_norm",
    r"blocks\.(\d+)\.1": r"block_\1_pointwise",
    r"blocks\.(\d+)\.3": r"block_\1_pointwise_norm",
    r"head": "logits",
}


def convmixer(
    num_classes,
    input_shape,
    dim,
    depth,
    kernel_size=9,
    patch_size=7,
    activation="gelu",
    drop_path_rate=0.0,
    seed=None,
    name="convmixer",
):
    """Builds a ConvMixer classifier.

    Patches, then blocks of a residual depthwise convolution and a pointwise one, each followed by
    an activation and batch normalization; global average pooling, linear classifier. No stage
    changes the resolution.

    Kernels start as in PyTorch, where the published models come from: uniform within
    1 / sqrt(inputs of a unit). Batch normalization has its momentum of 0.9 and epsilon of 1e-5.

    Args:
        num_classes: Integer, the number of logits.
        input_shape: `(height, width, channels)`; height and width may be `None`. Three channels
            are normalized by ImageNet's mean and deviation, others scaled to [-1, 1].
        dim: Channels.
        depth: Number of blocks.
        kernel_size: Side of the depthwise kernels. Defaults to `9`.
        patch_size: Pixels a side of a patch. Defaults to `7`.
        activation: Name of a Keras activation. Defaults to `"gelu"`.
        drop_path_rate: Stochastic depth of the last block's residual branch; it grows linearly
            from zero at the first one. The paper has none. Defaults to `0`.
        seed: Integer or `None`; seeds initial weights and stochastic depth.
        name: Name of the model.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out, float32 under every dtype policy.

    Raises:
        ValueError: The input is smaller than a patch.
    """
    seeds = SeedStream(seed)
    images = keras.Input(input_shape, name="images")
    x = features(images, seeds, dim, depth, kernel_size, patch_size, activation, drop_path_rate)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    head = layers.Dense(
        num_classes, kernel_initializer=_uniform(seeds), dtype="float32", name="logits"
    )
    return keras.Model(images, head(x), name=name)


def features(images, seeds, dim, depth, kernel_size, patch_size, activation, drop_path_rate):
    """Applies patches and blocks to a symbolic tensor of images.

    `seeds` is a `SeedStream`, the other arguments are those of `convmixer`.

    Returns:
        Symbolic tensor `(batch, height / patch_size, width / patch_size, dim)`.
    """
    check_sides(images.shape[1:], patch_size, f"patch_size={patch_size}")
    x = imagenet_normalization(images.shape[-1])(images)
    x = layers.Conv2D(
        dim, patch_size, patch_size, kernel_initializer=_uniform(seeds), name="patches"
    )(x)
    x = _activate(x, activation, "patches")
    for i, drop_rate in enumerate(drop_rates(drop_path_rate, depth)):
        y = layers.DepthwiseConv2D(
            kernel_size,
            padding="same",
            depthwise_initializer=_depthwise_uniform(kernel_size, seeds),
            name=f"block_{i}_depthwise",
        )(x)
        y = _activate(y, activation, f"block_{i}_depthwise")
        seed = seeds.seed()
        if drop_rate:
            y = DropPath(drop_rate, seed=seed, name=f"block_{i}_drop_path")(y)
        x = layers.Add(name=f"block_{i}_add")([x, y])
        x = layers.Conv2D(dim, 1, kernel_initializer=_uniform(seeds), name=f"block_{i}_pointwise")(
            x
        )
        x = _activate(x, activation, f"block_{i}_pointwise")
    return x


def pyramid(depth, patch_size=7):
    """Returns the feature pyramid: one level, where the side of a patch is a power of two."""
    return pyramid_levels([f"block_{depth - 1}_pointwise_norm"], [patch_size])


def _activate(x, activation, prefix):
    x = layers.Activation(activation, name=f"{prefix}_activation")(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{prefix}_norm")(x)


def _uniform(seeds):
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed=seeds.seed())


def _depthwise_uniform(kernel_size, seeds):
    # VarianceScaling would count the other channels among the inputs of a unit.
    limit = 1 / kernel_size
    return keras.initializers.RandomUniform(-limit, limit, seed=seeds.seed())
