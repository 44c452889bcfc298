"""Folders of images, one folder for each class."""
# ruff: noqa: D102 (methods are described by `Source`)

import functools
import hashlib
import os
from pathlib import Path

import numpy as np

from keras_patchmix.base import optional
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable, quoted
from keras_patchmix.datasets import images
from keras_patchmix.datasets.encoded import EncodedFolder
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.examples import FolderExamples, another_size
from keras_patchmix.datasets.folder_layout import SPLIT_FOLDERS, FolderError, read_layout
from keras_patchmix.datasets.image_files import ImageFileError, read_bytes, read_image
from keras_patchmix.datasets.scoring_data import DatasetInfo, ScoringData
from keras_patchmix.datasets.source import Source
from keras_patchmix.datasets.substitutes import Substitutes

_SPLITS = (*SPLIT_FOLDERS, "all")
_SHARE = 0.1  # of the training images, for a split without a folder


class FolderSource(Source):
    """A folder of images: `"folder:PATH"`."""

    prefix = "folder:"

    @classmethod
    def name_and_split(cls, text):
        name, _, split = text.rpartition(":")  # the path may hold colons
        path = text.removeprefix(cls.prefix)
        if split in _SPLITS and len(name) > len(cls.prefix) and not _exists(path):
            return name, split
        return text, None

    @functools.cached_property
    def layout(self):
        """The `FolderLayout`."""
        return read_layout(self.location)

    @property
    def remarks(self):
        remarks = ". ".join(self.layout.remarks)
        return [f"The folder {quoted(self.location)}: {remarks}."] if remarks else []

    def split_names(self):
        # Whatever is on disk: those without a folder are taken out of the training images.
        return sorted(SPLIT_FOLDERS)

    def test_split(self):
        return "test"

    def occluded_splits(self):
        return ["test" if self.layout.has("test") else "all"]

    def sampled_from(self, split):
        if self.layout.has(split):
            return None
        if self.layout.parted:
            return f"training images (there is no folder {split})"
        return f"{len(self.layout.images['train'])} images"

    def listing(self, split):
        classes, listed = self.listed(split)
        # The classes too: labels are positions among them, and another split may bring one.
        lines = [*classes, *(f"{name}\0{_size(file)}" for name, _, file in listed)]
        digest = hashlib.sha256()
        for line in lines:
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
        return {"split": split, "images": len(listed), "sha256": digest.hexdigest()}

    def encoded_images(self, split):
        classes, listed = self.listed(split)

        def entries():
            for name, label, path in listed:
                yield name, label, functools.partial(read_bytes, path)

        return classes, len(listed), entries

    def encoded(self, split):
        return EncodedFolder(self.listed(split)[1], self.broken)

    def examples(self, split, size=None):
        classes, listed = self.listed(split)
        return classes, FolderExamples(listed, size, self.broken)

    def for_scoring(self, split, size, batch_size):
        classes, listed = self.listed(split)
        data = FolderScoringData(self.name, split, classes, listed, size, batch_size)
        data.left_out = self.layout.left_out
        return data

    def listed(self, split):
        """Lists the images of a split.

        Returns:
            Tuple of the class names, sorted, and a list of (relative name, label, path) in the
            order of a hash of the relative name. Names are relative to the folder that holds the
            class folders; of "all", where splits have folders of their own, to the whole folder.

        Raises:
            FolderError: See `read_layout`; or the folder of the split has no class folders.
            EmptySplitError: The split holds no images.
            ValueError: The split is unknown.
        """
        layout, path = self.layout, self.location
        if split not in _SPLITS:
            raise ValueError(
                f"`split` must be one of {list(_SPLITS)} for a folder of images. "
                f"Received: split={split!r}"
            )
        received = f'Received: name="folder:{printable(path)}", split={split!r}'
        if split in layout.unlabeled:
            raise FolderError(
                f"`split` must have labels: the folder {quoted(layout.unlabeled[split])} must "
                "hold a folder for each class, or lie elsewhere, so that 10 % of the training "
                f"images take its place. {received}"
            )
        if split == "all":
            root = Path(path).expanduser()
            chosen = [
                (file.relative_to(root).as_posix(), label, file)
                for images_of_split in layout.images.values()
                for _, label, file in images_of_split
            ]
        elif split == "train" or not layout.has(split):
            chosen = [one for one in layout.images["train"] if _split_of(one[0], layout) == split]
        else:
            chosen = layout.images[split]
        if not chosen:
            raise EmptySplitError(
                "`split` holds no images: 10 % of the training images, chosen by a hash of their "
                f"names, make a split without a folder of its own. {received}"
            )
        return layout.classes, sorted(chosen, key=lambda one: (_hash(one[0]), one[0]))

    def _images(self, split, size, shuffle_files, seed):
        tf = require("tensorflow", "Loading a folder of images")
        classes, listed = self.listed(split)
        paths = [os.fsencode(file) for _, _, file in listed]  # TensorFlow takes no surrogates
        files = Substitutes(listed, self.broken)

        def read_file(place):
            return files.read(place, lambda one: read_image(paths[one]))

        shape = (None, None) if size is not None else read_file(0).shape[:2]

        def decode(path):
            # Python decodes, since an error of the graph op would not say which file it read.
            image = read_file(files.place_of(path.numpy()))
            if size is None and image.shape[:2] != shape:
                raise another_size(path.numpy(), listed[0][2], image.shape[:2], shape)
            return image

        @tf.autograph.experimental.do_not_convert
        def read(path, label):
            image = tf.py_function(decode, [path], tf.uint8)
            return tf.ensure_shape(image, (*shape, 3)), label

        labels = [label for _, label, _ in listed]
        dataset = tf.data.Dataset.from_tensor_slices((paths, tf.constant(labels, tf.int64)))
        if shuffle_files:
            dataset = dataset.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
        dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return dataset, classes, len(paths)


class FolderScoringData(ScoringData):
    """A folder of images, whose broken files are skipped.

    Args:
        name: Name of the data set.
        split: Its split.
        classes: Sequence of class names.
        listed: List of (relative name, label, path).
        size: (height, width) to resize to; None for that of the first image that can be read.
        batch_size: Integer.
    """

    def __init__(self, name, split, classes, listed, size, batch_size):
        self._listed = listed
        self._labels = np.array([label for _, label, _ in listed], np.int64)
        self._resized = size is not None
        self._size = size or self._first_size()
        count = len(listed)
        info = DatasetInfo(name, split, len(classes), classes, count, (*self._size, 3))
        super().__init__(info, batch_size, self._examples(count))

    def __iter__(self):
        self.skipped, read = {}, 0
        for batch, index, reasons, misfits in self._batches():
            if misfits.any():  # where sizes vary, most images would be skipped
                raise ValueError(reasons[misfits][0].decode("utf-8"))
            good = np.array([not reason for reason in reasons])
            for i in np.flatnonzero(~good):
                self.skipped[self._listed[index[i]][0]] = reasons[i].decode("utf-8")
            read += int(good.sum())
            if good.any():
                index = index[good]
                yield {"images": batch[good], "labels": self._labels[index], "index": index}
        if not read:
            raise self._none_readable(*next(iter(self.skipped.items())))

    def _first_size(self):
        first = None
        for name, _, path in self._listed:
            try:
                return read_image(path).shape[:2]
            except ImageFileError as error:
                first = first or (name, error)
        raise self._none_readable(*first)

    def _none_readable(self, name, reason):
        return ValueError(
            f"None of the {len(self._listed)} images can be read; the first is {quoted(name)}: "
            f"{reason}"
        )

    def _examples(self, count):
        """Returns the examples of `_one`, with their position, as a data set or by position."""
        if not optional.is_installed("tensorflow"):
            return _ByPosition(self._one, self._size)
        tf = require("tensorflow", "Loading a folder of images")

        @tf.autograph.experimental.do_not_convert
        def read(index):
            types = [tf.uint8, tf.string, tf.bool]
            image, reason, misfit = tf.py_function(lambda i: self._one(int(i)), [index], types)
            image = images.resize(tf.ensure_shape(image, (None, None, 3)), self._size)
            return image, index, tf.ensure_shape(reason, ()), tf.ensure_shape(misfit, ())

        return tf.data.Dataset.range(count).map(
            read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    def _one(self, position):
        """Returns the image, why there is none, and whether that ends the scoring."""
        name, _, path = self._listed[position]
        nothing = np.zeros((*self._size, 3), np.uint8)
        try:
            image = read_image(path)
        except ImageFileError as error:
            return nothing, str(error).encode(), False
        if self._resized or image.shape[:2] == self._size:
            return image, b"", False
        reason = (
            f"The images of the folder have no common size: {quoted(name)} has "
            f"{image.shape[:2]}, others have {self._size}. Give `image_size`. "
            "Received: image_size=None"
        )
        return nothing, reason.encode(), True


class _ByPosition:
    """The examples of a `FolderScoringData`, resized by Pillow."""

    def __init__(self, read, size):
        self._read, self._size = read, size

    def __getitem__(self, position):
        image, reason, misfit = self._read(position)
        return images.resize_array(image, self._size), position, reason, misfit


def _exists(path):
    return Path(path).expanduser().exists()


def _hash(name):
    """Returns a number in [0, 1) that depends on a relative file name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _split_of(name, layout):
    """Returns the split of a training image when some splits have no folder of their own."""
    place = _hash(name)
    for number, split in enumerate(("test", "validation")):
        if not layout.has(split) and number * _SHARE <= place < (number + 1) * _SHARE:
            return split
    return "train"


def _size(file):
    try:
        return file.stat().st_size
    except OSError:  # gone since the folder was listed
        return -1
