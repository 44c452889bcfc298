"""What loading returns: what is known of a data set, and batches to score models on."""

import dataclasses
from typing import Any

import numpy as np

from keras_patchmix.base import optional
from keras_patchmix.base.printable import distinct
from keras_patchmix.datasets.examples import read_in_batches


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What is known about a loaded data set.

    Args:
        name: Name as given to `load`.
        split: Split as given to `load`.
        num_classes: Number of classes.
        class_names: Tuple of class names; label `i` is `class_names[i]`. They are printable: what a
            terminal or a file cannot hold is escaped, and a number tells apart names that are the
            same then.
        num_examples: Number of images in the split.
        image_shape: (height, width, 3) of the images.
    """

    name: str
    split: str
    num_classes: int
    class_names: tuple
    num_examples: int
    image_shape: tuple

    def __post_init__(self):
        object.__setattr__(self, "class_names", tuple(distinct(self.class_names)))


class ScoringData:
    """Batches for scoring, which can be iterated any number of times, in constant memory.

    Iteration yields dicts: `"images"`, uint8 of shape (B, height, width, 3); `"labels"`, class ids,
    int64 of shape (B,); `"index"`, positions in the data set, int64 of shape (B,). B is
    `batch_size`, less what was skipped in the batch, and less in the last one. `len` is the number
    of batches when nothing is skipped.

    Attributes:
        info: A `keras_patchmix.datasets.DatasetInfo`; it counts skipped files too.
        batch_size: Integer.
        skipped: Dict from the name of a file, as the file system has it, to the reason why it could
            not be read, in the order of the data set: of the last iteration, as far as it went.
        left_out: String, what a folder holds beside images of its classes, with the number and the
            first of each sort, such as "12 .txt ('cat/notes.txt', ...)"; "" for nothing.
    """

    def __init__(self, info: DatasetInfo, batch_size: int, dataset: Any):
        self.info = info
        self.batch_size = int(batch_size)
        self.skipped = {}
        self.left_out = ""
        self._dataset = dataset  # of `tf.data`, or what is read by position
        if optional.is_installed("tensorflow"):
            self._dataset = dataset.batch(self.batch_size).prefetch(1)

    @property
    def num_examples(self) -> int:
        """Integer, the number of examples, skipped files too."""
        return self.info.num_examples

    def __len__(self):
        return -(-self.info.num_examples // self.batch_size)

    def __iter__(self):
        seen = 0
        for image, label in self._batches():
            yield {"images": image, "labels": label, "index": seen + np.arange(len(label))}
            seen += len(label)

    def _batches(self):
        """Yields tuples of arrays, one of `batch_size` rows for each part of an example."""
        if optional.is_installed("tensorflow"):
            yield from self._dataset.as_numpy_iterator()
            return
        read, count = self._dataset.__getitem__, self.num_examples
        for rows in read_in_batches(read, count, self.batch_size):
            yield tuple(map(np.array, zip(*rows, strict=True)))
