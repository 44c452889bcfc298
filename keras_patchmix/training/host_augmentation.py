"""Flips, shifts and crops of `augmentation`, from the same random numbers, by NumPy and Pillow."""

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.training.augmentation import ASPECTS, area_and_stretch
from keras_patchmix.training.step_numbers import seed_of, uniform


def flip_and_crop_draws(seed, step, local):
    """Returns what `augmentation.flip_and_crop_draws` does: float32 `(rows, 5)`."""
    return local.rows(uniform(seed_of(seed, "augment", step), (local.global_size, 5)))


def flip(images, draws):
    """Mirrors the images `(batch, height, width, channels)` whose number is below a half."""
    return np.where((draws < 0.5).reshape(-1, 1, 1, 1), images[:, :, ::-1], images)


def shift(images, draws):
    """Shifts images by up to an eighth of a side; borders are mirrored.

    Args:
        images: Array `(batch, height, width, channels)`.
        draws: Pair of float32 arrays `(batch,)`, for both sides.
    """
    places = []
    for side, draw in zip(images.shape[1:3], draws, strict=True):
        margin = side // 8
        offset = (draw * np.float32(2 * margin + 1)).astype(np.int32) - margin
        index = np.abs(np.arange(side) + offset[:, None])
        places.append((side - 1) - np.abs((side - 1) - index))
    parts = zip(images, *places, strict=True)
    return np.stack([image[rows][:, columns] for image, rows, columns in parts])


def crop(picture, draws, size):
    """Cuts out a random crop, resizes it, and flips it or not.

    Args:
        picture: A `PIL.Image.Image`.
        draws: float32 array `(5,)` of `flip_and_crop_draws`.
        size: (height, width) to resize to: by the area method if it shrinks on both sides, else
            bilinearly.

    Returns:
        uint8 array `(height, width, 3)`.
    """
    methods = require("PIL.Image", "Training").Resampling
    left, top, right, bottom = box = crop_box(*picture.size, draws[1:])
    shrinks = bottom - top >= size[0] and right - left >= size[1]
    method = methods.BOX if shrinks else methods.BILINEAR
    pixels = np.asarray(picture.resize(size[::-1], method, box))
    return pixels[:, ::-1] if draws[0] < 0.5 else pixels


def crop_box(width, height, draws):
    """Returns (left, top, right, bottom) of a crop, by the law of `augmentation.crop_window`."""
    share, stretch = area_and_stretch(np, draws)
    area = share * width * height
    tall, wide = min(np.sqrt(area) / stretch, height), min(np.sqrt(area) * stretch, width)
    tall = min(tall, wide / ASPECTS[0])
    wide = min(wide, tall * ASPECTS[1])
    top, left = draws[2] * (height - tall), draws[3] * (width - wide)
    right, bottom = min(left + wide, width), min(top + tall, height)  # sums are rounded
    return tuple(map(float, (left, top, right, bottom)))
