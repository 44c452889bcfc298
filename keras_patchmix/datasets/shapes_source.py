"""The built-in "shapes" where TensorFlow is not installed: generated into memory, one by one."""
# ruff: noqa: D102 (methods are described by `Source`)

import hashlib

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.examples import PURPOSE
from keras_patchmix.datasets.images import resize_array
from keras_patchmix.datasets.shapes.generation import generate
from keras_patchmix.datasets.shapes.sampling import CLASS_NAMES, CLASSES, NUM_EXAMPLES, SPLITS
from keras_patchmix.datasets.source import Source

_VERSION = "1.0.0"


class ShapesSource(Source):
    """`"shapes"`, `"shapes/64px"` and `"shapes/96px"`, in the order of TensorFlow Datasets."""

    prefix = "shapes"

    @classmethod
    def takes(cls, name):
        """Whether a name, perhaps with a split, is one of these."""
        name = name.partition(":")[0]
        return name == cls.prefix or name in (f"{cls.prefix}/{size}px" for size in NUM_EXAMPLES)

    @classmethod
    def name_and_split(cls, text):
        name, _, split = text.partition(":")
        return name, split or None

    @property
    def title(self):
        return self.name

    def split_names(self):
        return sorted(SPLITS)

    def test_split(self):
        return "test"

    def occluded_splits(self):
        return ["test"]

    def listing(self, split):
        return {"split": split, "images": self._count(split), "version": f"shapes {_VERSION}"}

    def examples(self, split, size=None):
        return CLASS_NAMES, ShapesExamples(split, self._count(split), self._side, size)

    @property
    def _side(self):
        _, _, side = self.name.partition("/")
        return int(side.removesuffix("px")) if side else min(NUM_EXAMPLES)

    def _count(self, split):
        if split not in SPLITS:
            raise ValueError(
                f"`split` must be one of {sorted(SPLITS)}: parts of {self.name!r} need TensorFlow "
                f"and TensorFlow Datasets (pip install 'keras-patchmix[datasets]'). "
                f"Received: split={split!r}"
            )
        return NUM_EXAMPLES[self._side][split]


class ShapesExamples:
    """Images of "shapes" by position, like `keras_patchmix.datasets.examples.FolderExamples`.

    Args:
        split: Name of the split.
        count: Integer, the number of images.
        side: Integer, height and width to generate them in.
        size: (height, width) to resize to; None is their own.
    """

    def __init__(self, split, count, side, size=None):
        self._order = sorted(range(count), key=lambda index: _tfds_hash(split, index))
        self._split, self._side, self._size = split, side, size or (side, side)
        self._images = {}
        self.labels = np.array(self._order, np.int64) % len(CLASSES)
        self.shape = (*self._size, 3)
        self.num_bytes = count * side * side * 3

    def __len__(self):
        return len(self._order)

    def __getitem__(self, position):
        return resize_array(self._image(position), self._size), int(self.labels[position])

    def picture(self, position):
        """Returns an image at its own size, a `PIL.Image.Image`."""
        return require("PIL.Image", PURPOSE).fromarray(self._image(position))

    def keep_encoded(self):
        """Does nothing: images are kept in memory once they are generated."""

    def _image(self, position):
        image = self._images.get(position)
        if image is None:
            (image,), _ = generate([self._order[position]], self._split, self._side)
            self._images[position] = image
        return image


def _tfds_hash(split, index):
    """Returns the number by which TensorFlow Datasets sorts the examples of a split."""
    digest = hashlib.md5(split.encode(), usedforsecurity=False)
    digest.update(str(index).encode())
    return digest.digest()
