"""Saliency maps over their images, with a border around what is foreign."""

import io

import numpy as np

from keras_patchmix.base.optional import require

RANGE = "RdBu_r"  # colors from a map's lowest value to its highest, light in the middle
_SIDE = 160  # pixels of the longest side of a picture
_OPACITY = 0.6  # of the colors over the gray image


def draw_image(axis, image):
    """Draws an image of shape (H, W, 1) or (H, W, 3), in [0, 1]."""
    return axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def draw_map(axis, image, values, **colors):
    """Draws a map of shape (H, W) in colors over its image in gray; returns what was drawn."""
    draw_image(axis, image.mean(axis=-1))
    return axis.imshow(values, alpha=_OPACITY, interpolation="nearest", **colors)


def outline(axis, mask):
    """Draws the outline of a mask along the edges of its pixels."""
    down = np.argwhere(mask[:, 1:] != mask[:, :-1])
    across = np.argwhere(mask[1:] != mask[:-1])
    lines = [((x + 0.5, y - 0.5), (x + 0.5, y + 0.5)) for y, x in down]
    lines += [((x - 0.5, y + 0.5), (x + 0.5, y + 0.5)) for y, x in across]
    collection = require("matplotlib.collections", "plotting saliency").LineCollection
    for color, width in (("black", 1.6), ("white", 0.8)):
        axis.add_collection(collection(lines, colors=color, linewidths=width))


def picture(image, mask, values=None):
    """Renders an image, or a map over it, without axes.

    Args:
        image: Array of shape (H, W, 1) or (H, W, 3), in [0, 1].
        mask: Boolean array of shape (H, W), which is outlined.
        values: Map of shape (H, W), or None.

    Returns:
        A PNG file as bytes.
    """
    height, width = mask.shape
    inches = np.array((width, height)) * _SIDE / max(height, width) / 100
    figure = require("matplotlib.figure", "plotting saliency").Figure(figsize=inches, dpi=100)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    if values is None:
        draw_image(axis, image)
    else:
        draw_map(axis, image, values, cmap=RANGE)
    outline(axis, mask)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
