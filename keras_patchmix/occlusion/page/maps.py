"""Saliency maps over images as pictures of the page: foreign parts outlined, maps in colour."""

import numpy as np

from keras_patchmix.occlusion.page import png

_SIDE = 160  # pixels of the longest side of a picture, about
_SHARE = 0.6  # of the colour; the rest is the image, in grey
# From the lowest value to the highest; light in the middle.
_ANCHORS = np.array([(0, 84, 147), (86, 160, 211), (247, 247, 247), (236, 146, 86), (176, 58, 0)])


def outlined(image, mask, value_range):
    """Draws an image with the border of a mask on it.

    Args:
        image: Array of shape (H, W, C), of any real dtype.
        mask: Booleans of shape (H, W).
        value_range: (black, white) of the image.

    Returns:
        uint8 array of shape (h, w, 3): small images are enlarged, large ones shrunk.
    """
    return _with_border(_coloured(image, value_range), mask)


def overlaid(image, values, mask, value_range):
    """Draws a map in colours over a grey image, with the border of a mask on it.

    Args:
        image: As of `outlined`.
        values: Finite array of shape (H, W). Colours go from its lowest value to its highest, as
            patch selectivity scales it.
        mask: As of `outlined`.
        value_range: As of `outlined`.

    Returns:
        As `outlined`.
    """
    grey = _coloured(image, value_range).mean(axis=2, keepdims=True)
    low, high = float(values.min()), float(values.max())
    scaled = (2.0 * values - low - high) / ((high - low) or 1.0)
    mixed = _SHARE * colours(scaled) + (1 - _SHARE) * grey
    return _with_border(np.rint(mixed).astype(np.uint8), mask)


def colours(values):
    """Returns colours of values in [-1, 1], uint8 of shape (..., 3): blue, light, orange."""
    places = np.linspace(-1, 1, len(_ANCHORS))
    channels = [np.interp(values, places, channel) for channel in _ANCHORS.T]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def colour_bar():
    """Returns the colours from -1 to 1 as a picture of one line."""
    return colours(np.linspace(-1, 1, 128))[None]


def _coloured(image, value_range):
    shown = png.to_bytes(image, value_range)
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


def _with_border(picture, mask):
    """Brings a picture to size, then draws the border: the same width whatever the size was."""
    longest = max(mask.shape)
    factor = -(-longest // _SIDE)
    hidden = png.shrink(np.uint8(255) * mask[..., None].astype(np.uint8), factor)[..., 0] >= 128
    picture = png.shrink(picture, factor)
    times = max(1, _SIDE // max(hidden.shape))
    picture, hidden = (
        part.repeat(times, axis=0).repeat(times, axis=1) for part in (picture, hidden)
    )
    inner, outer = _edges(hidden)
    picture[outer] = 0
    picture[inner] = 255
    return picture


def _edges(mask):
    """Pixels on both sides of the border of a mask: those within, and those outside."""
    inner, outer = np.zeros_like(mask), np.zeros_like(mask)
    for axis in (0, 1):
        ends = (slice(None),) * axis
        first, second = (*ends, slice(1, None)), (*ends, slice(None, -1))
        border = mask[first] != mask[second]
        for place in (first, second):
            inner[place] |= border & mask[place]
            outer[place] |= border & ~mask[place]
    return inner, outer
