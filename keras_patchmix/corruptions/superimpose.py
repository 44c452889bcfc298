"""Superimposed objects: pictures with transparency in front of the image."""

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.base.types import FilePath
from keras_patchmix.corruptions.base import Corruption, rising_levels
from keras_patchmix.occluders import (
    Occluder,
    assemble,
    blend,
    cover_to,
    covered,
    drawn,
    load_folder,
)
from keras_patchmix.occluders.covering import HIGHEST_LEVEL, SMALLEST_IMAGE

_BLOCK = 16


class Superimpose(Corruption):
    """Puts objects with transparency in front of images, until a share of the pixels is hidden.

    A pixel is hidden where alpha is at least a half. The share of hidden pixels of every image is
    within 0.4 points of the level (and within a twentieth of it, or half a pixel). Which object
    comes next, its rotation and its center, one of the pixels not yet hidden, are drawn by a hash
    of the seed, the example's index and the object's number; its size follows from the level.
    Objects are laid one behind another in steps of ten points: an image at 20 % shows the objects
    of 10 %, unchanged, and more behind them. A level between two steps has the objects that lead to
    the upper one, the last of them smaller; no level depends on the others of `levels`. No side of
    an object exceeds three quarters of the image's shorter side.

    References:
        The idea is that of the Superimposed Masked Dataset of Lee et al., arXiv 2306.17848 (2023):
        objects outside of the label space in front of ImageNet's validation images.

    Args:
        occluders: `"drawn"`, the built-in set, see `keras_patchmix.occluders.drawn`; the path of a
            folder of PNG files with transparency; or a sequence of `Occluder`s or of uint8 arrays
            of shape (H, W, 4). Defaults to `"drawn"`. A folder called drawn is `"./drawn"`.
        levels: Shares of the image's pixels to hide, in (0, 0.9]. Defaults to 10 to 50 % by 10.
        sha256: Digest that the occluders of a folder must have, so that a configuration cannot
            silently come to mean other pictures; `get_config` gives it. None, the default, takes
            them as they are.

    Raises:
        ValueError: An argument is not as described, or a file of the folder is no occluder.

    Example:
        >>> images = np.zeros((4, 224, 224, 3), np.uint8)
        >>> for condition, corrupted, pixels in Superimpose()(images):
        ...     print(condition.name, pixels / (224 * 224))
    """

    kind = "superimpose"

    def __init__(
        self,
        occluders: FilePath | Sequence[Any] = "drawn",
        levels: float | Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
        sha256: str | None = None,
    ):
        self.levels = rising_levels(levels, HIGHEST_LEVEL, "the image's pixels")
        self.source, self.occluders = _load(occluders)
        digests = "\n".join(occluder.sha256 for occluder in self.occluders)
        self.sha256 = hashlib.sha256(digests.encode()).hexdigest()
        if sha256 not in (None, self.sha256):
            raise ValueError(
                f"`occluders`, {len(self.occluders)} of them, are not the pictures that `sha256` "
                f"was made of: theirs is {self.sha256}. Received: sha256={sha256!r}"
            )

    @property
    def name(self):
        """`"superimpose"` for the built-in set, else with the folder's name, or `"custom"`."""
        if self.source == "drawn":
            return self.kind
        if self.source is None:
            return f"{self.kind}_custom"
        folder = Path(os.path.abspath(os.path.expanduser(self.source))).name
        plain = re.sub("[^0-9a-z]+", "_", folder.lower()).strip("_")
        return f"{self.kind}_{plain or 'folder'}"

    @property
    def conditions(self):
        """Tuple of `Condition`, one per level, mildest first."""
        return tuple(self.condition(level=level) for level in self.levels)

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values.

        Occluders that were given as arrays do not fit into it: the dict has their names, and
        `from_config` raises.
        """
        source = self.source
        if source is None:
            source = {"names": [occluder.name for occluder in self.occluders]}
        config = {"occluders": source, "levels": list(self.levels)}
        return config if source == "drawn" else {**config, "sha256": self.sha256}

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Places the objects of all levels; see `Corruption.plan`. Labels are not used.

        Raises:
            ValueError: Images are smaller than 16 pixels a side or have neither 1 nor 3 channels.
        """
        del labels, bank
        height, width, channels = images.shape[1:]
        if min(height, width) < SMALLEST_IMAGE or channels not in (1, 3):
            raise ValueError(
                f"Superimpose needs `images` of at least {SMALLEST_IMAGE} pixels a side and of 1 "
                f"or 3 channels, the last axis. Received: images.shape={images.shape}"
            )
        key = hashing.stream(seed, self.kind, "objects")
        return {
            "layers": [
                cover_to(self.levels, (height, width), self._draws(key, position))
                for position in index
            ],
            "value_range": value_range,
        }

    def apply(self, images, plan, condition):
        """Puts the objects of one level in front; see `Corruption.apply`."""
        out = np.array(images, order="C")
        pixels = np.zeros(len(images), np.int64)
        number = self.levels.index(condition.level)
        for i, layers in enumerate(plan["layers"]):
            cover = assemble(layers[number], images.shape[1:3])
            blend(images[i], cover, plan["value_range"], out=out[i])
            pixels[i] = covered(cover)
        return out, pixels

    def _draws(self, key, position):
        """Returns the function of an object's number that `cover_to` takes."""

        @functools.cache
        def block(number):
            objects = number * _BLOCK + np.arange(_BLOCK)[:, None]
            return hashing.uniform(key, position, objects, np.arange(5))

        def draw(number):
            which, *others = block(number // _BLOCK)[number % _BLOCK]
            return self.occluders[int(which * len(self.occluders))], *others

        return draw


def _load(occluders):
    """Returns the source ("drawn", a folder, or None) and a tuple of `Occluder`s."""
    if isinstance(occluders, str) and occluders == "drawn":
        return "drawn", drawn()
    if isinstance(occluders, str | os.PathLike):
        return os.fspath(occluders), load_folder(occluders)
    if isinstance(occluders, dict):
        raise ValueError(
            "These `occluders` were given as arrays, of which a configuration holds the names "
            "only. Save them as PNG files in a folder, and use its path. "
            f"Received: occluders={occluders!r}"
        )
    members = tuple(occluders) if isinstance(occluders, list | tuple) else ()
    if not members:
        raise ValueError(
            '`occluders` must be "drawn", a folder of PNG files, or a list of Occluder or of RGBA '
            f"arrays. Received: occluders={occluders!r}"
        )
    return None, tuple(
        member if isinstance(member, Occluder) else Occluder(f"occluder_{number}", member)
        for number, member in enumerate(members)
    )
