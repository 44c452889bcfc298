"""Occluders in front of one image at each coverage, as arrays and as examples for TFDS."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.base.optional import require
from keras_patchmix.base.types import FilePath
from keras_patchmix.corruptions.superimpose import Superimpose
from keras_patchmix.occluders import assemble, blend, covered
from keras_patchmix.occluders.covering import HIGHEST_LEVEL
from keras_patchmix.occluders.placing import COVERED

MASK_VALUES = ("image", "occluder")
_LOWEST = 0.01


class Coverage(NamedTuple):
    """A share of the pixels, or a range of shares.

    Attributes:
        low: Float, 0.01 to 0.9, or 0, which leaves images as they are.
        high: Float, the same number, or the end of the range.
    """

    low: float
    high: float

    @classmethod
    def parse(cls, text):
        """Parses a percentage such as "20" or "12.5", or a range such as "10-30".

        Raises:
            ValueError: `text` has another form, or is out of range.
        """
        low, dash, high = str(text).partition("-")
        try:
            # Divided by 100, 30 is the same float as 0.3.
            low, high = float(low) / 100, float(high if dash else low) / 100
        except ValueError:
            low = high = math.nan
        fits = _LOWEST <= low <= high <= HIGHEST_LEVEL and (low < high) == bool(dash)
        if not fits and not (low == high == 0 and not dash):
            raise ValueError(
                "a coverage must be 0, a percentage from 1 to 90, or a range of such, as in "
                f"10-30. Received: {text!r}"
            )
        return cls(low, high)

    @property
    def is_range(self):
        """Boolean, whether each image draws a share of its own."""
        return self.low != self.high

    @property
    def split(self):
        """Name of the split: "coverage_20", "coverage_12_5", "coverage_10_to_30"."""
        ends = (self.low, self.high) if self.is_range else (self.low,)
        return "coverage_" + "_to_".join(_percent(end).replace(".", "_") for end in ends)

    def __str__(self):
        ends = (self.low, self.high) if self.is_range else (self.low,)
        return "-".join(map(_percent, ends))

    def share(self, seed, index):
        """Returns the share of one image to hide, a pure function of the seed and its index."""
        if not self.is_range:
            return self.low
        key = hashing.stream(seed, "superimposing", str(self))
        place = hashing.uniform(key, index)[0]
        return float(self.low + (self.high - self.low) * place)


def check_coverage(values):
    """Returns a tuple of `Coverage`s.

    Args:
        values: Sequence of `Coverage`s or of values that `Coverage.parse` takes, or one value.

    Raises:
        ValueError: There is none, one is out of range, or two are equal.
    """
    if isinstance(values, str | int | float):
        values = (values,)
    found = [v if isinstance(v, Coverage) else Coverage.parse(v) for v in values]
    names = [one.split for one in found]
    if not found or len(set(names)) != len(names):
        raise ValueError(
            "`coverage` must be one or more percentages or ranges that differ from each other. "
            f"Received: coverage={[str(one) for one in found]}"
        )
    return tuple(found)


class Superimposed(NamedTuple):
    """An image with occluders in front.

    Attributes:
        image: uint8 array of shape (H, W, 3).
        mask: uint8 array of shape (H, W, 1): 1 where an occluder has an alpha of at least a half.
        pixels: Integer, the sum of the mask.
    """

    image: np.ndarray
    mask: np.ndarray
    pixels: int


class Superimposer:
    """Puts occluders in front of images: a pure function of (seed, index of the image).

    Images are those that `keras_patchmix.occlusion.Superimpose` makes of the same image with the
    same occluders, seed and index, to the last bit; a level does not depend on the others.

    Args:
        occluders: `"drawn"`, a folder of PNG files with transparency, or a sequence of
            `keras_patchmix.occluders.Occluder`s. Defaults to `"drawn"`.
        coverage: Sequence of `Coverage`s, or of texts such as `"20"`, percent of the pixels to
            hide, or `"10-30"`: drawn for each image. Defaults to 10 to 50 by 10.
        seed: Integer. Defaults to `0`.
        sha256: Digest that the occluders must have, see `Superimpose`. Defaults to `None`.

    Attributes:
        coverage: Tuple of `Coverage`s.
        sha256: Digest of the occluders.

    Raises:
        ValueError: An argument is not as described, or a file of the folder is no occluder.

    Example:
        >>> image = np.zeros((224, 224, 3), np.uint8)
        >>> for shown in Superimposer(coverage=("20", "40"))(image, index=0):
        ...     print(shown.pixels / (224 * 224))
    """

    def __init__(
        self,
        occluders: FilePath | Sequence[Any] = "drawn",
        coverage: Sequence[str | Coverage] = ("10", "20", "30", "40", "50"),
        seed: int = 0,
        sha256: str | None = None,
    ):
        self.coverage = check_coverage(coverage)
        self.seed = seed
        loaded = Superimpose(occluders, sha256=sha256)
        self.occluders, self.sha256 = loaded.occluders, loaded.sha256

    def __call__(self, image, index):
        """Superimposes occluders at every coverage.

        Args:
            image: uint8 array of shape (H, W, 3), at least 16 pixels a side.
            index: Non-negative integer, the position of the image in its data set.

        Returns:
            List of `Superimposed`, in the order of `coverage`.

        Raises:
            ValueError: The image is too small, or the occluders too thin to hide so much.
        """
        asked = [one.share(self.seed, index) for one in self.coverage]
        levels = tuple(sorted({share for share in asked if share}))
        layers = {}
        if levels:
            plan = Superimpose(self.occluders, levels).plan(
                image[None], None, [index], seed=self.seed
            )
            layers = dict(zip(levels, plan["layers"][0], strict=True))
        found = []
        for share in asked:
            cover = assemble(layers.get(share, ()), image.shape[:2])
            mask = (cover[..., 3:] >= COVERED).astype(np.uint8)
            found.append(Superimposed(blend(image, cover), mask, covered(cover)))
        return found


def make_features(image_size, class_names, image_format="png"):
    """Returns the features: image, label, mask, coverage and index.

    The mask is no `tfds.features.Image` but a `LabeledImage`, so that
    `keras_patchmix.datasets.load` finds one image in the data set.

    Args:
        image_size: (height, width) in pixels.
        class_names: Sequence of strings.
        image_format: `"png"` or `"jpeg"`.

    Returns:
        A `tfds.features.FeaturesDict`.
    """
    tfds = require("tensorflow_datasets", "Writing a data set")
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(*image_size, 3), encoding_format=image_format),
            "label": tfds.features.ClassLabel(names=class_names),
            "mask": tfds.features.LabeledImage(
                labels=list(MASK_VALUES), shape=(*image_size, 1), encoding_format="png"
            ),
            "coverage": tfds.features.Scalar(np.float32, doc="Share of ones in the mask."),
            "index": tfds.features.Scalar(np.int64, doc="Position of the image in its source."),
        }
    )


def make_example(shown, label, index, image_format="png", quality=95):
    """Returns an example of these features.

    Args:
        shown: A `Superimposed`.
        label: Integer.
        index: Integer.
        image_format: `"png"`, bit-exact, or `"jpeg"`, smaller.
        quality: Quality of JPEG, 1 to 100.
    """
    tf = require("tensorflow", "Writing a data set")
    if image_format == "png":
        # On photographs of 224 pixels level 1 takes a fifth of the time of TFDS' own level, for
        # 11 % more bytes.
        image = tf.io.encode_png(shown.image, compression=1)
    else:
        image = tf.io.encode_jpeg(shown.image, quality=quality)
    return {
        "image": image.numpy(),
        "label": label,
        "mask": shown.mask,
        "coverage": np.float32(shown.pixels / shown.mask.size),
        "index": index,
    }


def _percent(share):
    return f"{100 * share:g}"
