"""Images of any kind as small PNG files that a page holds."""

import base64
import io

import numpy as np

from keras_patchmix.base.optional import require

_SIDE = 128  # pixels of the longest side, at most
_BUDGET = 900_000  # bytes of all pictures together


def to_unit(image, value_range):
    """Brings an image of any kind to one that can be shown.

    Args:
        image: Array of shape (H, W, C), of any real dtype. Of four channels the last, alpha, is
            left out; of two, or more than four, their mean is shown.
        value_range: (black, white); values beyond are cut off, and those not finite are black.

    Returns:
        float64 array of shape (H, W, 1) or (H, W, 3), in [0, 1].
    """
    low, high = value_range
    values = (np.asarray(image).astype(np.float64) - low) / (high - low)
    values = np.clip(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    channels = values.shape[2]
    if channels == 4:
        return values[..., :3]
    return values if channels in (1, 3) else values.mean(axis=2, keepdims=True)


def encode(images, value_range):
    """Encodes images, all reduced by the same factor until they are small enough.

    Args:
        images: List of arrays as `to_unit` takes them.
        value_range: As of `to_unit`.

    Returns:
        List of PNG files as bytes.
    """
    from_array = require("PIL.Image", "the pictures of a page").fromarray
    units = [np.rint(255 * to_unit(image, value_range)).astype(np.uint8) for image in images]
    full = [from_array(unit[..., 0] if unit.shape[2] == 1 else unit) for unit in units]
    longest = max((max(one.size) for one in full), default=1)
    factor = -(-longest // _SIDE)
    while True:
        files = [_encoded(one.reduce(factor)) for one in full]
        if sum(map(len, files)) <= _BUDGET or factor >= longest:
            return files
        factor += 1


def data_uri(file):
    """Returns a PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(file).decode('ascii')}"


def _encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
