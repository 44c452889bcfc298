"""What the functions of this room have in common: their arguments, checked."""

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.occlusion.settings import check_range


def checked_images(images):
    """Returns (float32 images of shape (B, H, W, C), whether a single one was given).

    Raises:
        ValueError: They are not numbers of rank 3 or 4, or none.
    """
    images = to_numpy(images)
    single = images.ndim == 3
    if single:
        images = images[None]
    numbers = images.dtype.kind in "iuf" or images.dtype.name == "bfloat16"
    if images.ndim != 4 or not numbers:
        raise ValueError(
            "`images` must be numbers of shape (batch, height, width, channels), or (height, "
            f"width, channels) for a single image. Received: shape {images.shape} of {images.dtype}"
        )
    if 0 in images.shape:
        raise ValueError(f"`images` must hold some. Received: shape {images.shape}")
    return images.astype(np.float32), single


def checked_maps(saliency, shape):
    """Returns maps as float64 of `shape`, (B, H, W).

    Raises:
        ValueError: Another shape, or values that are not finite.
    """
    maps = to_numpy(saliency).astype(np.float64)
    if maps.ndim == 2:
        maps = maps[None]
    if maps.shape != tuple(shape):
        raise ValueError(
            f"`saliency` must be of shape {tuple(shape)}, a map for each image. "
            f"Received: shape {maps.shape}"
        )
    if not np.isfinite(maps).all():
        raise ValueError("`saliency` must be finite. Received: values that are nan or infinite")
    return maps


def checked_ids(name, ids, shape):
    """Returns class ids as int64 of shape (B,), or None where none are given.

    Args:
        name: Of the argument.
        ids: None, an integer, or integers of shape (B,).
        shape: (B, K), the images and the model's classes.

    Raises:
        ValueError: Another shape or type, or out of range.
    """
    if ids is None:
        return None
    num_images, num_classes = shape
    ids = to_numpy(ids)
    if ids.dtype.kind not in "iu" or ids.shape not in ((), (num_images,)):
        raise ValueError(
            f"`{name}` must be an integer or an integer for each of the {num_images} images. "
            f"Received: shape {ids.shape} of {ids.dtype}"
        )
    if ids.min() < 0 or ids.max() >= num_classes:
        raise ValueError(
            f"`{name}` must be in [0, {num_classes}), the model's classes. "
            f"Received: {ids.min()} to {ids.max()}"
        )
    return np.broadcast_to(ids, (num_images,)).astype(np.int64)


def checked_low(value_range):
    """Returns the lower end of `value_range`, what a mask paints.

    Raises:
        ValueError: It is no pair of rising numbers.
    """
    return check_range(value_range)[0]


def checked_format(data_format):
    """Returns "channels_last" or "channels_first"; None is Keras' setting.

    Raises:
        ValueError: Another one.
    """
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            '`data_format` must be "channels_last", "channels_first" or None. '
            f"Received: data_format={data_format!r}"
        )
    return data_format or keras.config.image_data_format()


def checked_whole(name, value):
    """Raises a ValueError unless a value is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")
