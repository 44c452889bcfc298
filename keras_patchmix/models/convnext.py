"""ConvNeXt (Liu et al. 2022, arXiv 2201.03545) as a Keras functional model."""

import keras
import numpy as np
from keras import layers

from keras_patchmix.models.blocks import DropPath, LayerScale

# For networks of few channels on small images: at a deviation of 0.02 and a layer scale near zero
# their branches are silent for the first thousand steps, and 7x7 spans the whole feature map.
_SMALL = {"kernel_size": 3, "layer_scale": 1.0, "initializer": "lecun_normal"}

# Depths and widths of table 9 of the paper; atto as timm defines it. The last two are sized for
# images of about 32 pixels on a CPU.
PRESETS = {
    "convnext_atto": {"depths": (2, 2, 6, 2), "dims": (40, 80, 160, 320)},
    "convnext_tiny": {"depths": (3, 3, 9, 3), "dims": (96, 192, 384, 768)},
    "convnext_small": {"depths": (3, 3, 27, 3), "dims": (96, 192, 384, 768)},
    "convnext_base": {"depths": (3, 3, 27, 3), "dims": (128, 256, 512, 1024)},
    "convnext_large": {"depths": (3, 3, 27, 3), "dims": (192, 384, 768, 1536)},
    "convnext_mini": {"depths": (2, 2, 2), "dims": (40, 80, 160), **_SMALL},
    "convnext_midi": {"depths": (2, 2, 2), "dims": (48, 96, 192), "patch_size": 2, **_SMALL},
}

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406]) * 255
_IMAGENET_STD = np.array([0.229, 0.224, 0.225]) * 255


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
    if len(depths) != len(dims):
        raise ValueError(
            "`depths` and `dims` must have one entry a stage each. "
            f"Received: depths={depths}, dims={dims}"
        )
    stride = patch_size * 2 ** (len(dims) - 1)
    if any(side is not None and side < stride for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must be at least {stride} pixels a side (patch_size={patch_size} and "
            f"{len(dims)} stages). Received: input_shape={tuple(input_shape)}"
        )
    seeds = iter(_seeds(seed, 4 * sum(depths) + len(dims) + 1))

    def init():
        config = {"seed": next(seeds)}
        if initializer == "truncated_normal":
            config["stddev"] = 0.02
        return keras.initializers.get({"class_name": initializer, "config": config})

    def norm(name):
        return layers.LayerNormalization(epsilon=1e-6, name=name)

    def downsample(x, dim, size, name):
        return layers.Conv2D(dim, size, size, kernel_initializer=init(), name=name)(x)

    drop_rates = np.linspace(0, drop_path_rate, sum(depths)).tolist()
    inputs = keras.Input(input_shape, name="images")
    x = _normalize(input_shape[-1])(inputs)
    block = 0
    for stage, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
        if stage == 0:
            x = downsample(x, dim, patch_size, "stem_conv")
            x = norm("stem_norm")(x)
        else:
            x = norm(f"downsample_{stage}_norm")(x)
            x = downsample(x, dim, 2, f"downsample_{stage}_conv")
        for i in range(depth):
            prefix = f"stage_{stage}_block_{i}"
            y = layers.DepthwiseConv2D(
                kernel_size,
                padding="same",
                depthwise_initializer=init(),
                name=f"{prefix}_depthwise",
            )(x)
            y = norm(f"{prefix}_norm")(y)
            y = layers.Dense(4 * dim, kernel_initializer=init(), name=f"{prefix}_expand")(y)
            y = layers.Activation("gelu", name=f"{prefix}_gelu")(y)
            y = layers.Dense(dim, kernel_initializer=init(), name=f"{prefix}_project")(y)
            y = LayerScale(layer_scale, name=f"{prefix}_scale")(y)
            drop_seed = next(seeds)
            if drop_rates[block]:
                # Keras' generators on PyTorch take no seed of 32 bits.
                drop_seed = None if drop_seed is None else drop_seed % 2**31
                y = DropPath(drop_rates[block], seed=drop_seed, name=f"{prefix}_drop_path")(y)
            x = layers.Add(name=f"{prefix}_add")([x, y])
            block += 1
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = norm("head_norm")(x)
    logits = layers.Dense(num_classes, kernel_initializer=init(), dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name)


def _normalize(channels):
    if channels == 3:
        return layers.Normalization(
            mean=_IMAGENET_MEAN, variance=_IMAGENET_STD**2, name="normalization"
        )
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="normalization")


def _seeds(seed, count):
    if seed is None:
        return [None] * count
    return np.random.SeedSequence(seed).generate_state(count).tolist()
