"""Where records come from: the encoded images of one split."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.folder import choose_images, open_layout
from keras_patchmix.datasets.image_files import read_bytes
from keras_patchmix.datasets.loading import FOLDER_PREFIX, open_tfds_split


class Source(NamedTuple):
    """Encoded images.

    Attributes:
        class_names: Sequence of strings.
        count: Number of images.
        entries: Function that yields (name, label, function that returns the bytes).
    """

    class_names: Any
    count: int
    entries: Callable


def open_source(name, split, data_dir=None, download=True):
    """Opens one split of a data set, see `keras_patchmix.datasets.load`, as a `Source`.

    Raises:
        EmptySplitError: The split holds no images.
        ValueError: See `load`.
    """
    if not name.startswith(FOLDER_PREFIX):
        return _tfds_source(name, split, data_dir, download)
    path = name.removeprefix(FOLDER_PREFIX)
    class_names, listed = choose_images(open_layout(path), path, split)

    def entries():
        return ((name, label, functools.partial(read_bytes, path)) for name, label, path in listed)

    return Source(class_names, len(listed), entries)


def _tfds_source(name, split, data_dir, download):
    tf = require("tensorflow", f"The data set {name!r}")
    tfds = require("tensorflow_datasets", f"The data set {name!r}")
    builder, count, image, label = open_tfds_split(tfds, name, split, data_dir, download)
    features = builder.info.features
    texts = [key for key in features if type(features[key]) is tfds.features.Text]
    named = next((key for key in ("file_name", "filename") if key in texts), None)

    def entries():
        part = builder.as_dataset(split, decoders={image: tfds.decode.SkipDecoding()})
        try:
            for number, example in enumerate(part.as_numpy_iterator()):
                shown = f"{split}/{number}"
                if named is not None:
                    shown = example[named].decode("utf-8", "surrogateescape")
                yield shown, int(example[label]), functools.partial(bytes, example[image])
        except tf.errors.OpError as error:
            raise ValueError(
                f"`source` {name!r}, split {split!r}, cannot be read: {error.message}"
            ) from error

    return Source(features[label].names, count, entries)
