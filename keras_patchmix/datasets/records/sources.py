"""Where records come from: encoded images of one split, by position."""

import hashlib

import numpy as np

from keras_patchmix._names import printable
from keras_patchmix._optional import require
from keras_patchmix.datasets.folder import choose_images, open_layout
from keras_patchmix.datasets.image_files import file_size, read_bytes
from keras_patchmix.datasets.loading import FOLDER_PREFIX, open_tfds_split


def open_source(name, split, seed, data_dir=None, download=True):
    """Opens one split of a data set to take encoded images from.

    Args:
        name: As in `keras_patchmix.datasets.load`.
        split: Name of a split.
        seed: Integer that decides the order of a folder's images.
        data_dir: As in `load`.
        download: As in `load`.

    Returns:
        A `FolderSource` or a `TfdsSource`.

    Raises:
        EmptySplitError: The split holds no images.
        ValueError: See `load`.
    """
    if name.startswith(FOLDER_PREFIX):
        return FolderSource(name.removeprefix(FOLDER_PREFIX), split, seed)
    return TfdsSource(name, split, data_dir, download)


class FolderSource:
    """Images of a folder, shuffled.

    Attributes:
        class_names: Tuple of class names.
        count: Number of images.
        digest: Hexadecimal digest of the names and the labels in their order.
    """

    def __init__(self, path, split, seed):
        self.class_names, listed = choose_images(open_layout(path), path, split)
        self._listed = [listed[i] for i in np.random.default_rng(seed).permutation(len(listed))]
        self.count = len(listed)
        digest = hashlib.sha256()
        for name, label, _ in self._listed:
            digest.update(f"{label} {printable(name)}\n".encode())
        self.digest = digest.hexdigest()

    def num_bytes(self):
        """Bytes of all files; those that cannot be looked at count as none."""
        return sum(file_size(path) for _, _, path in self._listed)

    def entries(self, start, stop):
        """Yields `(name, label, function that returns the bytes)` from one position to another."""
        for name, label, path in self._listed[start:stop]:
            yield printable(name), label, lambda path=path: read_bytes(path)


class TfdsSource:
    """Images of a TFDS set, in the order in which TFDS has stored them: it shuffles them then.

    Attributes:
        class_names: Tuple of class names.
        count: Number of images.
        digest: Name and version of the set.
    """

    def __init__(self, name, split, data_dir, download):
        tfds = require("tensorflow_datasets", f"The data set {name!r}")
        self._builder, self.count, self._image, self._label = open_tfds_split(
            tfds, name, split, data_dir, download
        )
        self._split = split
        features = self._builder.info.features
        self.class_names = tuple(features[self._label].names)
        self._name = next(
            (
                k
                for k in ("file_name", "filename")
                if k in features and type(features[k]) is tfds.features.Text
            ),
            None,
        )
        self._decoders = {self._image: tfds.decode.SkipDecoding()}
        self.digest = f"{self._builder.name} {self._builder.version}"

    def num_bytes(self):
        """Bytes of all records."""
        return int(self._builder.info.splits[self._split].num_bytes)

    def entries(self, start, stop):
        """Yields `(name, label, function that returns the bytes)` from one position to another."""
        part = self._builder.as_dataset(
            split=f"{self._split}[{start}:{stop}]", decoders=self._decoders, shuffle_files=False
        )
        for number, example in enumerate(part.as_numpy_iterator(), start):
            name = f"{self._split}/{number}"
            if self._name is not None:
                name = printable(example[self._name].decode("utf-8", "surrogateescape"))
            yield name, int(example[self._label]), lambda data=example[self._image]: data
