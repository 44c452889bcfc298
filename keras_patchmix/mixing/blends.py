"""MixUp as pure functions: sample a plan of weights, then blend images by it.

Source: Zhang et al. 2018, arXiv 1710.09412:

    x~ = (1 - l) * x_A + l * x_B        y~ = (1 - l) * y_A + l * y_B        l ~ Beta(alpha, alpha)

The partner's weight l is drawn in steps: the middle of one of 4,096 equal parts of [0, 1], each as
likely as the distribution says. So the blend of images of 8 bits is exact in float32, the same on
every backend, and no image is lost in its partner.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.drawing import draw, for_batch, match
from keras_patchmix.mixing.ratio import fixed_ratio, patch_counts

STEPS = 4096


class BlendPlan(NamedTuple):
    """What a batch becomes: which image shows through which, and how much.

    Attributes:
        partner: Int32 `(batch,)`, the image that is blended into image i.
        share: Float32 `(batch,)` in [0, 1], its weight in the image and in the label; 0 where
            nothing is mixed.
    """

    partner: Any
    share: Any


def sample_plan(seed, batch_size, image_size, settings, like=None):
    """Draws a `BlendPlan`; for the arguments see `patches.sample_plan`."""
    uniform, mixed, partner = draw(seed, batch_size, 1, settings, like, image_size)
    ops = arrays.of(uniform)
    share = ops.where(mixed, _shares(ops, uniform[:, 0], settings), 0.0)
    return BlendPlan(partner, for_batch(share, batch_size, settings))


def _shares(ops, uniform, settings):
    """Float32 `(draws,)`: the partner's weights, before the coin."""
    if settings.ratio is None:
        step = patch_counts(uniform, STEPS, dataclasses.replace(settings, rounding="down"))
        return (ops.cast(step, "float32") + 0.5) / STEPS
    fixed = fixed_ratio(settings.ratio)
    low, high = settings.ratio if fixed is None else (fixed, fixed)
    return float(low) + float(high - low) * uniform


def apply_to_images(images, plan):
    """Blends every image with its partner, in float32.

    Args:
        images: Tensor of any dtype, `(batch, ...)`.
        plan: A `BlendPlan`.

    Returns:
        A tensor of the same shape and dtype, rounded where that is one of integers. What is not
        mixed is as it was, be it nan or infinite.
    """
    ops = arrays.of(images)
    images = ops.convert_to_tensor(images)
    partner, share = match(plan, images)
    shape, dtype = ops.shape(images), ops.dtype(images)
    share = ops.expand_dims(share, -1)
    rows = ops.reshape(images, (shape[0], math.prod(shape[1:])))
    with np.errstate(invalid="ignore", over="ignore"):
        own = ops.cast(rows, "float32")
        foreign = ops.cast(ops.take(rows, partner, axis=0), "float32")
        # Another form of (1 - l) x_A + l x_B, which needs one temporary instead of two.
        mixed = own + ops.multiply_no_nan(foreign - own, share)
        mixed = to_dtype(ops, mixed, dtype, clip=not _is_exact(dtype))
    if not _is_exact(dtype):
        mixed = ops.where(share > 0, mixed, rows)
    return ops.reshape(mixed, shape)


def to_dtype(ops, x, dtype, clip=True):
    """Converts floats to another dtype: to integers by rounding, to bool at 1/2.

    Args:
        ops: The module of operations for `x`.
        x: Tensor.
        dtype: Name of a dtype.
        clip: Whether `x` may lie outside the range of integers of that dtype.
    """
    if ops.dtype(x) == dtype or "float" in dtype:
        return ops.cast(x, dtype)
    x = ops.cast(x, "float32")
    if dtype == "bool":
        return x >= 0.5
    x = ops.round(x)
    if clip:
        low, high = np.float32(np.iinfo(dtype).min), np.float32(np.iinfo(dtype).max)
        if int(high) > np.iinfo(dtype).max:  # the float next to it, of those that can be cast
            high = np.nextafter(high, np.float32(0))
        x = ops.clip(x, low, high)
    return ops.cast(x, dtype)


def _is_exact(dtype):
    """Whether float32 holds every value of a dtype."""
    if "int" in dtype:
        return np.iinfo(dtype).bits <= 16
    return dtype != "float64"
