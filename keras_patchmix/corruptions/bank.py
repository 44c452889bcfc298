"""The bank: a bounded, class-balanced sample of a data set that foreign patches come from."""

import bisect
import dataclasses
import functools
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_patchmix.base import hashing


@dataclasses.dataclass(frozen=True)
class Bank:
    """Images that foreign patches are taken from, sorted by class, then by index.

    Attributes:
        images: Array of shape (M, H, W, C).
        labels: int64 array of shape (M,), ascending.
        index: int64 array of shape (M,): which examples of the data set these are.
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray

    @functools.cached_property
    def sha256(self):
        """Digest of the labels, the indices and the images, as hexadecimal text."""
        digest = hashlib.sha256()
        for part in (self.labels.astype("<i8"), self.index.astype("<i8"), self.images):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def check_classes(self):
        """Raises a ValueError if all images are of one class."""
        if self.labels[0] == self.labels[-1]:
            raise ValueError(_one_class(self.labels))

    def pair(self, labels, index, seed):
        """Draws an image of another class for each example.

        Args:
            labels: int array of shape (B,).
            index: int array of shape (B,).
            seed: Integer.

        Returns:
            int64 array of shape (B,): positions in the bank, uniform over the images of the other
            classes.

        Raises:
            ValueError: All images of the bank have the class of some example.
        """
        labels = np.asarray(labels)
        start = np.searchsorted(self.labels, labels, side="left")
        own = np.searchsorted(self.labels, labels, side="right") - start
        others = len(self.labels) - own
        if np.any(others == 0):
            raise ValueError(_one_class(self.labels))
        key = hashing.stream(seed, "patch_replacement", "donor")
        position = hashing.integers_below(key, others, index)
        # The images of the example's own class lie in one block: step over it.
        return position + np.where(position >= start, own, 0)


def _one_class(labels):
    return (
        "Foreign patches come from images of another class, so the data set must hold at least two "
        "classes among the examples that are scored (is it very small, or sorted by class and cut "
        f"short by `max_examples`?). Received: classes {np.unique(labels).tolist()}"
    )


class BankBuilder:
    """Collects a bank from a stream of examples, in memory bounded by its size.

    Within each class the examples are ranked by a hash of (seed, index), and the bank keeps the
    `size` examples that are lowest by (rank, hash). So classes are as equal as the data allow, and
    neither the order nor the batches of the examples matter.

    Args:
        size: Largest number of images.
        seed: Integer.
    """

    def __init__(self, size=256, seed=0):
        if not isinstance(size, int | np.integer) or size < 2:
            raise ValueError(
                f"`size` must be an integer of at least 2: a bank needs two classes. "
                f"Received: size={size!r}"
            )
        self.size = int(size)
        self._key = hashing.stream(seed, "bank")
        self._classes = {}
        self._count = 0
        self._worst = None

    def add(self, images, labels, index):
        """Adds a batch of examples, of which the bank keeps some.

        Args:
            images: Array of shape (B, H, W, C).
            labels: int array of shape (B,).
            index: int array of shape (B,).
        """
        hashes = hashing.hash_integers(self._key, np.asarray(index))
        for image, label, position, value in zip(
            images,
            np.asarray(labels).tolist(),
            np.asarray(index).tolist(),
            hashes.tolist(),
            strict=True,
        ):
            self._offer(image, label, position, value)

    def _offer(self, image, label, position, value):
        kept = self._classes.setdefault(label, [])
        entry = (value, position)
        rank = bisect.bisect(kept, entry, key=lambda item: item[:2])
        if self._count == self.size and (rank, *entry) > self._worst:
            return
        kept.insert(rank, (*entry, np.array(image)))
        self._count += 1
        if self._count > self.size:
            self._classes[self._last()[1]].pop()
            self._count -= 1
        if self._count == self.size:
            self._worst = self._last()[0]

    def _last(self):
        return max(
            ((len(kept) - 1, *kept[-1][:2]), label) for label, kept in self._classes.items() if kept
        )

    def build(self):
        """Returns the `Bank`.

        Raises:
            ValueError: No example was added.
        """
        entries = sorted(
            (
                (label, position, image)
                for label, kept in self._classes.items()
                for _, position, image in kept
            ),
            key=lambda entry: entry[:2],
        )
        if not entries:
            raise ValueError("A bank needs images. Received: a data set without examples")
        labels, index, images = zip(*entries, strict=True)
        return Bank(np.stack(images), np.array(labels, np.int64), np.array(index, np.int64))


def build_bank(batches: Iterable[Any], size: int = 256, seed: int = 0) -> Bank:
    """Draws a bank from a data set, in one pass.

    Args:
        batches: Iterable of (images, labels) or (images, labels, index): arrays of shapes
            (B, H, W, C), (B,) and (B,), labels and index integers. Without an index, the position
            in the data set is used.
        size: Largest number of images. Defaults to 256, which are 37 MiB of 224-pixel uint8 images.
        seed: Integer.

    Returns:
        A `Bank` with as equal a number of images of each class as possible.
    """
    builder = BankBuilder(size, seed)
    seen = 0
    for images, labels, *index in batches:
        builder.add(images, labels, index[0] if index else seen + np.arange(len(labels)))
        seen += len(labels)
    return builder.build()
