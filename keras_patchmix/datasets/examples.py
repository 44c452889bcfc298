"""Images with labels by position, without TensorFlow: what Grain and threads read."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.errors import OtherImageSize
from keras_patchmix.datasets.image_files import open_image, read_bytes, rgb_of
from keras_patchmix.datasets.images import resize_picture
from keras_patchmix.datasets.substitutes import Substitutes

PURPOSE = "Loading images without TensorFlow"
MOST_THREADS = 8  # of a pipeline, whose Python code runs in one of them at a time


class FolderExamples:
    """The images of a folder, read and decoded when they are asked for.

    `examples[i]` is a tuple of a uint8 array `(height, width, 3)` and an integer; a file that
    cannot be decoded raises a `BrokenImageFile`.

    Args:
        listed: List of (relative name, label, path).
        size: (height, width) to resize to. None is that of the first image, which all must have.
        broken: As of `keras_patchmix.datasets.substitutes.Substitutes`.

    Attributes:
        labels: int64 array.
        shape: (height, width, 3) of the images.
        num_bytes: Bytes of all files; of those that cannot be read, none.

    Raises:
        ValueError: An image has another size than the first one, when it is read.
    """

    def __init__(self, listed, size=None, broken=None):
        self._paths = [path for _, _, path in listed]
        self._files = Substitutes(listed, broken)
        self._kept = None
        self._size = size
        self.labels = np.array([label for _, label, _ in listed], np.int64)
        self.shape = (*(size or self.picture(0).size[::-1]), 3)

    def __len__(self):
        return len(self._paths)

    def __getitem__(self, position):
        picture = self.picture(position)
        if self._size is not None:
            picture = resize_picture(picture, self._size)
        elif picture.size[::-1] != self.shape[:2]:
            sizes = picture.size[::-1], self.shape[:2]
            raise another_size(self._paths[position], self._paths[0], *sizes)
        return np.asarray(picture), int(self.labels[position])

    def picture(self, position):
        """Returns an image at its own size, a `PIL.Image.Image` of mode "RGB"."""
        return self._files.read(position, lambda one: rgb_of(open_image(self._content(one))))

    def keep_encoded(self):
        """Keeps files in memory, as they are, once they are read."""
        self._kept = {}

    @property
    def num_bytes(self):  # noqa: D102
        return sum(map(_file_size, self._paths))

    def _content(self, position):
        content = None if self._kept is None else self._kept.get(position)
        if content is None:
            content = read_bytes(self._paths[position])
            if self._kept is not None:
                self._kept[position] = content
        return content


def read_in_batches(read, count, batch_size):
    """Yields lists of `read(position)` for `count` positions in their order, read in threads."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, batch_size):
            yield list(pool.map(read, range(start, min(start + batch_size, count))))


def grain_dataset(examples):
    """Returns examples as a `grain.MapDataset`."""
    return require("grain", PURPOSE).MapDataset.source(examples)


def read_ahead(dataset, elements):
    """Returns a `grain.IterDataset` of a `grain.MapDataset`, read in threads, in its order.

    Args:
        dataset: The `grain.MapDataset`.
        elements: Integer, how many may wait to be taken.
    """
    grain = require("grain", PURPOSE)
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    return dataset.to_iter_dataset(grain.ReadOptions(threads, max(elements, threads)))


def another_size(path, first, size, expected):
    """Returns the error of an image of another (height, width) than the first one."""
    return OtherImageSize(
        f"The image {os.fsdecode(path)!r} has another size than {os.fsdecode(first)!r}: "
        f"{tuple(size)} instead of {tuple(expected)}. Give `image_size`. "
        "Received: image_size=None"
    )


def _file_size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
