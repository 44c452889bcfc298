"""The arguments that the functions of this room share: settings as dataclasses, and checks."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.types import Size
from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.explain.schemes import SCHEMES
from keras_patchmix.occlusion.settings import check_range


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """How images are scored: arguments of `keras_patchmix.explain.rise`, which documents them."""

    batch_size: int = 64
    from_logits: bool | None = None
    preprocess: Callable[[Any], Any] | None = None
    value_range: Sequence[float] = (0, 255)
    data_format: str | None = None

    def __post_init__(self):
        check_positive_integer("batch_size", self.batch_size)
        check_range(self.value_range)
        if self.data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                '`data_format` must be "channels_last", "channels_first" or None. '
                f"Received: data_format={self.data_format!r}"
            )

    @property
    def black(self):
        """The lower end of `value_range`, as a float."""
        return check_range(self.value_range)[0]

    @property
    def channels_first(self):
        """Whether images have their channels on axis 1."""
        return (self.data_format or keras.config.image_data_format()) == "channels_first"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskSettings(ScoreSettings):
    """How maps are made: arguments of `keras_patchmix.explain.rise`, which documents them.

    `RandomMasks`, which knows the size of the images, checks `grid_size`, `keep_probability` and
    `seed`.
    """

    num_masks: int = 4000
    scheme: str = "control_variate"
    grid_size: Size = 7
    keep_probability: float = 0.5
    tolerance: float | None = None
    seed: int = 0

    def __post_init__(self):
        check_positive_integer("num_masks", self.num_masks)
        super().__post_init__()
        if not isinstance(self.scheme, str) or self.scheme not in SCHEMES:
            raise ValueError(
                f"`scheme` must be one of {', '.join(map(repr, SCHEMES))}. "
                f"Received: scheme={self.scheme!r}"
            )
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise ValueError(
                "`tolerance` must be None, or above 0 and below 1. "
                f"Received: tolerance={self.tolerance!r}"
            )

    @property
    def masks_per_batch(self):
        """The number of masks of an image that are scored together."""
        return min(self.batch_size, self.num_masks)

    def scores(self, model):
        """Returns the `ClassScores` of a model for such batches."""
        return ClassScores(model, self.masks_per_batch, self.from_logits, self.preprocess)


def standardize_images(images):
    """Returns images as float32 of shape (B, H, W, C), and whether a single one was given."""
    images = to_numpy(images)
    is_single = images.ndim == 3
    if is_single:
        images = images[None]
    is_numeric = images.dtype.kind in "iuf" or images.dtype.name == "bfloat16"
    if images.ndim != 4 or not is_numeric:
        raise ValueError(
            "`images` must be numbers of shape (batch, height, width, channels), or (height, "
            f"width, channels) for a single image. Received: shape {images.shape} of {images.dtype}"
        )
    if 0 in images.shape:
        raise ValueError(f"`images` must hold some. Received: shape {images.shape}")
    return images.astype(np.float32), is_single


def standardize_maps(saliency, shape):
    """Returns finite maps as float64 of `shape`, (B, H, W); those of another size are resized.

    Args:
        saliency: Array of shape (B, h, w), (B, h, w, 1), or (h, w) for a single image.
        shape: (B, H, W).

    Raises:
        ValueError: There is not a map for each image, or values are not finite.
    """
    shape, maps = tuple(shape), to_numpy(saliency)
    if maps.dtype.kind not in "biuf" and maps.dtype.name != "bfloat16":
        raise ValueError(
            f"`saliency` must be numbers, or a function. Received: values of {maps.dtype}"
        )
    maps, received = maps.astype(np.float64), maps.shape
    if maps.ndim == 2:
        maps = maps[None]
    elif maps.ndim == 4 and maps.shape[3] == 1:
        maps = maps[..., 0]
    if maps.ndim != 3 or len(maps) != shape[0] or 0 in maps.shape:
        raise ValueError(
            f"`saliency` must be of shape {shape}, a map for each image; height and width may be "
            f"others. Received: shape {received}"
        )
    check_finite(maps)
    return maps if maps.shape == shape else _resized(maps, shape[1:])


def _resized(maps, size):
    """Returns maps scaled bilinearly, with a warning that says so."""
    before, after = ("x".join(map(str, pair)) for pair in (maps.shape[1:], size))
    warnings.warn(f"Maps of {before} are scaled to the images' {after}, bilinearly", stacklevel=4)
    scaled = keras.ops.image.resize(
        maps[..., None].astype(np.float32), size, antialias=True, data_format="channels_last"
    )
    return to_numpy(scaled)[..., 0].astype(np.float64)


def check_finite(maps):
    """Raises a ValueError if maps hold values that are not finite."""
    if not np.isfinite(maps).all():
        raise ValueError("`saliency` must be finite. Received: values that are nan or infinite")


def standardize_class_ids(name, ids, num_images, num_classes):
    """Returns class ids as int64 of shape (num_images,), or None for None."""
    if ids is None:
        return None
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


def check_positive_integer(name, value):
    """Raises a ValueError unless a value is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")
