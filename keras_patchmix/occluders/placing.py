"""Occluders at a place in an image, one behind another, and blended into it.

A cover is what stands in front of an image: a uint8 array of shape (H, W, 4), colors multiplied
by alpha, built from front to back. All arithmetic is of integers except for sampling, which is per
pixel, so that the same calls give the same bytes on every machine.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_patchmix.base.pixels import to_dtype

if TYPE_CHECKING:
    from keras_patchmix.occluders.occluder import Occluder

# alpha >= 0.5, where 255 stands for 1
COVERED = 128
_PACKED = np.dtype("<u4")


class Layer(NamedTuple):
    """The visible pixels of one placed occluder.

    Attributes:
        index: int32 array of shape (N,): positions in the image, row by row, each once.
        pixels: uint8 array of shape (N, 4): red, green and blue multiplied by alpha, and alpha,
            which is never 0.
    """

    index: np.ndarray
    pixels: np.ndarray


def direction(turns):
    """Returns (cos, sin) of an angle in turns, rounded to 2^-30: the same on every machine."""
    angle = 2 * math.pi * turns
    return tuple(round(f(angle) * 2.0**30) * 2.0**-30 for f in (math.cos, math.sin))


def place(
    occluder: "Occluder",
    image_size: Sequence[int],
    center: Sequence[float],
    turns: float = 0.0,
    scale: float = 1.0,
) -> "Layer":
    """Draws an occluder at a place in an image, bilinearly and without aliasing.

    Args:
        occluder: An `Occluder`.
        image_size: (height, width) of the image in pixels.
        center: (y, x) of the middle of the occluder in pixels; the corner of the image is (0, 0).
        turns: Clockwise rotation; 1 is a full turn.
        scale: Pixels of the image for one of the occluder, above 0.

    Returns:
        A `Layer`, without what lies outside of the image.
    """
    size, step = occluder.size_for(scale)
    (rows, columns), (height, width) = size.shape, image_size
    cos, sin = direction(turns)
    # The picture's middle is that of its first size: halved odd sides carry an empty half pixel.
    h, w = (side * scale for side in occluder.image.shape[:2])
    reach_y = (abs(cos) * h + abs(sin) * w) / 2 + 1 / step
    reach_x = (abs(cos) * w + abs(sin) * h) / 2 + 1 / step
    y, x = center
    top, bottom = max(math.floor(y - reach_y), 0), min(math.ceil(y + reach_y), height)
    left, right = max(math.floor(x - reach_x), 0), min(math.ceil(x + reach_x), width)
    if top >= bottom or left >= right:
        return Layer(np.zeros(0, np.int32), np.zeros((0, 4), np.uint8))
    dy = (np.arange(top, bottom) + (0.5 - y))[:, None] * step
    dx = (np.arange(left, right) + (0.5 - x)) * step
    across = dx * cos + (dy * sin + (w / 2 * step + 1))
    down = dx * -sin + (dy * cos + (h / 2 * step + 1))
    # The border is transparent, so points outside are clipped to it.
    column = np.minimum(np.maximum(across, 0), columns - 1).astype(np.int32)
    row = np.minimum(np.maximum(down, 0), rows - 1).astype(np.int32)
    row *= columns
    row += column
    chosen = np.flatnonzero(size.near.take(row))
    pixels = _sampled(size, across.ravel().take(chosen), down.ravel().take(chosen))
    visible = np.flatnonzero(pixels[:, 3])
    line, offset = np.divmod(chosen.take(visible), right - left)
    index = ((line + top) * width + (offset + left)).astype(np.int32)
    return Layer(index, pixels.take(visible, axis=0))


def _sampled(size, across, down):
    """Samples a picture bilinearly; coordinates in pixels with the border, shape (N,)."""
    rows, columns = size.shape
    across = np.minimum(np.maximum(across - 0.5, 0), columns - 1.001)
    down = np.minimum(np.maximum(down - 0.5, 0), rows - 1.001)
    column, row = across.astype(np.int32), down.astype(np.int32)
    fx = (across - column).astype(np.float32)[:, None]
    fy = (down - row).astype(np.float32)[:, None]
    at = row * columns + column
    first = _between(size.pixels, at, at + 1, fx)
    second = _between(size.pixels, at + columns, at + (columns + 1), fx)
    second -= first
    second *= fy
    first += second
    return np.rint(first, out=first).astype(np.uint8)


def _between(pixels, a, b, share):
    low = pixels.take(a, axis=0).astype(np.float32)
    high = pixels.take(b, axis=0).astype(np.float32)
    high -= low
    high *= share
    low += high
    return low


def empty_cover(height: int, width: int) -> np.ndarray:
    """Returns a cover that hides nothing: zeros, uint8 of shape (height, width, 4)."""
    return np.zeros((height, width, 4), np.uint8)


def lay_behind(cover: np.ndarray, layer: "Layer") -> "Layer":
    """Puts a layer behind what a cover shows already, in place.

    What is opaque in the cover stays as it is, to the last bit.

    Args:
        cover: uint8 array of shape (H, W, 4), contiguous, colors multiplied by alpha.
        layer: A `Layer` of an image of that size.

    Returns:
        A `Layer` of what was added to the cover, for `assemble`.
    """
    alpha = cover.reshape(-1, 4)[:, 3].take(layer.index)
    added = layer
    if alpha.any():
        left = (255 - alpha).astype(np.uint16)[:, None]
        part = ((layer.pixels * left + np.uint16(127)) // np.uint16(255)).astype(np.uint8)
        seen = np.flatnonzero(part[:, 3])
        added = Layer(layer.index.take(seen), part.take(seen, axis=0))
    _add(cover, added)
    return added


def assemble(layers: "Sequence[Layer]", image_size: Sequence[int]) -> np.ndarray:
    """Returns the cover made of layers that `lay_behind` or `cover_to` returned.

    Args:
        layers: Sequence of `Layer`s, in the order in which they were laid.
        image_size: (height, width) of the image in pixels.

    Returns:
        uint8 array of shape (height, width, 4), colors multiplied by alpha.
    """
    cover = empty_cover(*image_size)
    for layer in layers:
        _add(cover, layer)
    return cover


def _add(cover, added):
    # No byte exceeds 255 in sum, so the four of a pixel are added as one integer.
    packed = cover.reshape(-1).view(_PACKED)
    packed[added.index] += np.ascontiguousarray(added.pixels).view(_PACKED)[:, 0]


def covered(cover: np.ndarray) -> Any:
    """Returns the number of pixels that a cover hides: those with an alpha of at least a half."""
    return int(np.count_nonzero(cover.reshape(-1, 4)[:, 3] >= COVERED))


def blend(
    image: np.ndarray,
    cover: np.ndarray,
    value_range: Sequence[float] = (0, 255),
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Puts a cover in front of an image.

    Colors of the cover, 0 to 255, become `low` to `high`; then (1 - alpha) image + alpha color,
    in float64. Integers are rounded, half to even, and clipped to their type. Where alpha is 0 the
    image stays as it is, bit by bit. Images of one channel show the luma of the cover (ITU-R
    BT.601: 0.299 R + 0.587 G + 0.114 B).

    Args:
        image: Array of shape (H, W, C), C 1 or 3, of any integer or float dtype.
        cover: uint8 array of shape (H, W, 4), colors multiplied by alpha.
        value_range: (black, white) of the image.
        out: Array like `image` that holds a copy of it, to be written to; a new one when None.

    Returns:
        Array of the image's shape and dtype.

    Raises:
        ValueError: Sizes differ, or the image has neither 1 nor 3 channels.
    """
    if image.shape[:2] != cover.shape[:2] or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            "`image` must have the height and width of `cover`, and 1 or 3 channels. "
            f"Received: image.shape={image.shape}, cover.shape={cover.shape}"
        )
    out = np.array(image, order="C") if out is None else out
    flat = out.reshape(-1, image.shape[-1])
    cells = cover.reshape(-1, 4)
    alpha = np.ascontiguousarray(cells[:, 3])
    opaque = np.flatnonzero(alpha == 255)
    low, high = (float(value) for value in value_range)
    colors = to_dtype(low + (high - low) / 255 * np.arange(256), image.dtype)
    flat[opaque] = colors.take(_channels(cells.take(opaque, axis=0), flat.shape[1]))
    edge = np.flatnonzero((alpha > 0) & (alpha < 255))
    share = alpha.take(edge).astype(np.float64)[:, None] / 255
    color = _channels(cells.take(edge, axis=0), flat.shape[1]).astype(np.float64) / 255
    mixed = flat.take(edge, axis=0).astype(np.float64) * (1 - share)
    flat[edge] = to_dtype(mixed + (low * share + (high - low) * color), image.dtype)
    return out


def _channels(pixels, count):
    """Returns the colors of pixels, uint8 of shape (N, count), without alpha."""
    if count == 3:
        return pixels[:, :3]
    weights = np.array([299, 587, 114], np.int64)
    return ((np.sum(pixels[:, :3] * weights, axis=1, keepdims=True) + 500) // 1000).astype(np.uint8)
