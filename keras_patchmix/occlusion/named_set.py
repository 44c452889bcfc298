"""Sets of occluded images by name: opened, and converted to the form of the benchmark's images."""

import itertools

import numpy as np

from keras_patchmix import datasets
from keras_patchmix.base.optional import require
from keras_patchmix.datasets.loading import parse_source


def open_named_set(member, split, like, batch_size):
    """Opens a split of a named set.

    Args:
        member: A `DatasetOcclusion` with the name of a data set.
        split: Name of the split.
        like: Dict as of `OccludedSplit`.
        batch_size: Images a batch.

    Returns:
        Tuple of a `ConvertedSet` and the builder of TensorFlow Datasets, None for a folder.
    """
    name, data_dir = member.dataset, member.data_dir
    data = datasets.load_for_scoring(name, split, like["image_size"], data_dir, batch_size)
    builder, extras = parse_source(name, data_dir).builder, None
    if builder is not None:
        tfds = require("tensorflow_datasets", f"The data set {name!r}")
        extras = _extras(tfds, builder, split, batch_size)
    return ConvertedSet(data, extras, like["dtype"], like["value_range"]), builder


class ConvertedSet:
    """Batches of a named set in the range and dtype of the benchmark's images, with coverage.

    Args:
        data: A `keras_patchmix.datasets.ScoringData` of uint8 images.
        extras: Function that returns an iterator over dicts of arrays of the same batches, or None.
        dtype: NumPy dtype.
        value_range: (black, white).
    """

    def __init__(self, data, extras, dtype, value_range):
        self._data = data
        self._extras = extras
        self._dtype = np.dtype(dtype)
        self._range = value_range
        self.info = data.info
        self.num_examples = data.num_examples

    def __len__(self):
        return len(self._data)

    @property
    def skipped(self):
        """Dict from names to reasons: files that could not be read."""
        return self._data.skipped

    def __iter__(self):
        extras = itertools.repeat({}) if self._extras is None else self._extras()
        for batch, extra in zip(self._data, extras, strict=False):
            yield {**batch, "images": self._converted(batch["images"]), **extra}

    def _converted(self, images):
        low, high = self._range
        if (low, high) != (0, 255):
            images = np.float32(images) * np.float32(high - low) / np.float32(255) + np.float32(low)
            if self._dtype.kind in "ui":
                images = np.rint(images)
        return images.astype(self._dtype)


def _extras(tfds, builder, split, batch_size):
    """Returns a function to an iterator over the coverage and the index of batches, or None."""
    features = builder.info.features
    keys = [key for key in ("coverage", "index") if key in features]
    if not keys:
        return None
    # A second pass over the records, without decoding. `PartialDecoding` warns of TFDS' own code.
    images = [key for key, one in features.items() if isinstance(one, tfds.features.Image)]
    decoders = dict.fromkeys(images, tfds.decode.SkipDecoding())
    dataset = builder.as_dataset(split=split, decoders=decoders)
    dataset = dataset.map(lambda example: {key: example[key] for key in keys})
    return dataset.batch(batch_size).prefetch(1).as_numpy_iterator
