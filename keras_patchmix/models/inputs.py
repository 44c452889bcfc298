"""What the architectures share: scaling of pixels, seeds, checks of sizes."""

import contextlib
import random

import keras
import numpy as np
from keras import layers

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406]) * 255
IMAGENET_STD = np.array([0.229, 0.224, 0.225]) * 255


def imagenet_normalization(channels):
    """Returns the layer that normalizes by ImageNet's mean and deviation.

    Args:
        channels: Channels of the images. Other numbers than three are scaled to [-1, 1] instead.
    """
    if channels == 3:
        return layers.Normalization(
            mean=IMAGENET_MEAN, variance=IMAGENET_STD**2, name="normalization"
        )
    return symmetric_normalization()


def symmetric_normalization():
    """Returns the layer that scales 0..255 to [-1, 1]."""
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="normalization")


class SeedStream:
    """Seeds and kernel initializers, another one at each call, reproducible from one seed.

    Args:
        seed: Integer, or `None` for seeds that differ in every process.
        initializer: Of kernels: `"truncated_normal"`, with a deviation of 0.02, or the name of
            another Keras initializer that takes a seed. Defaults to `None`, for models that make
            their own.
    """

    def __init__(self, seed, initializer=None):
        self._sequence = None if seed is None else np.random.SeedSequence(seed)
        self._initializer, self._count = initializer, 0

    def initializer(self):
        """Returns the initializer of the next kernel."""
        config = {"seed": self._next()}
        if self._initializer == "truncated_normal":
            config["stddev"] = 0.02
        return keras.initializers.get({"class_name": self._initializer, "config": config})

    def seed(self):
        """Returns the next seed, an integer or `None`."""
        seed = self._next()
        # On PyTorch, Keras' generators take no seed of 32 bits.
        return None if seed is None else seed % 2**31

    def _next(self):
        if self._sequence is None:
            return None
        self._count += 1
        # Word i of a `SeedSequence` is the same however many are asked for.
        return int(self._sequence.generate_state(self._count)[-1])


@contextlib.contextmanager
def seeded_layers(seed):
    """Seeds the initializers and layers of other packages' models, which take no seed.

    Keras draws their seeds from Python's generator, whose state is restored at the end.

    Args:
        seed: Integer, or `None` to change nothing.
    """
    state = random.getstate()
    if seed is not None:
        random.seed(seed)
    try:
        yield
    finally:
        if seed is not None:
            random.setstate(state)


def drop_rates(last, count):
    """Returns the stochastic depth of each of `count` blocks: linear from zero to `last`."""
    return np.linspace(0, last, count).tolist()


def check_sides(input_shape, stride, parts):
    """Raises a `ValueError` if images are smaller than the network's total stride.

    Args:
        input_shape: `(height, width, channels)`; sides of `None` pass.
        stride: Total stride in pixels.
        parts: What the stride is made of, for the message.
    """
    if any(side is not None and side < stride for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must be at least {stride} pixels a side ({parts}). "
            f"Received: input_shape={tuple(input_shape)}"
        )


def pyramid_levels(names, strides):
    """Returns the feature pyramid of a network: dict from level to the layer that ends it.

    Args:
        names: Names of the layers that end the stages.
        strides: Strides of the stages in pixels. Level Pn has a stride of 2^n; a stage whose stride
            is no power of two has no level.
    """
    return {
        f"P{stride.bit_length() - 1}": name
        for name, stride in zip(names, strides, strict=True)
        if stride & (stride - 1) == 0
    }
