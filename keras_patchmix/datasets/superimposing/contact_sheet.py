"""A picture of some images of a superimposed data set."""

import io

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require

# Pixels: of the shorter side of a cell at least, of a longer side at most, between cells, of text.
_SMALLEST, _LARGEST = 160, 320
_GAP, _TITLE = 8, 18
_OUTLINE = (255, 42, 212)


def write_contact_sheet(file, rows):
    """Draws rows of pictures, each with a title above.

    Args:
        file: Where to write a PNG file.
        rows: List of lists of (title, uint8 array of shape (H, W, 3)), all of one size.
    """
    pillow = require("PIL.Image", "the contact sheet")
    height, width = fitted(rows[0][0][1]).shape[:2]
    step = np.array([height + _TITLE + _GAP, width + _GAP])
    down, across = (step * [len(rows), len(rows[0])] + _GAP).tolist()
    sheet = pillow.new("RGB", (across, down), "white")
    draw = require("PIL.ImageDraw", "the contact sheet").Draw(sheet)
    font = require("PIL.ImageFont", "the contact sheet").load_default(12)
    for row, cells in enumerate(rows):
        for column, (title, image) in enumerate(cells):
            top, left = (step * [row, column] + _GAP).tolist()
            while draw.textlength(title, font) > width:
                title = title[:-2] + "…"
            draw.text((left, top), title, "black", font)
            sheet.paste(pillow.fromarray(fitted(image)), (left, top + _TITLE))
    data = io.BytesIO()
    sheet.save(data, format="png")
    atomic.write_bytes(file, data.getvalue())


def outlined(image, mask):
    """Returns a picture of the size of a cell, with the inner edge of a mask drawn into it."""
    image, inside = fitted(image), fitted(mask[..., 0]) > 0
    around = np.pad(inside, 1)
    core = inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    image[inside & ~core] = _OUTLINE
    return image


def fitted(array):
    """Enlarges a picture by whole pixels, or thins it out, to the size of a cell."""
    shorter, longer = sorted(array.shape[:2])
    times = max(min(-(-_SMALLEST // shorter), _LARGEST // longer), 1)
    thin = -(-longer // _LARGEST)
    return array[::thin, ::thin].repeat(times, 0).repeat(times, 1)
