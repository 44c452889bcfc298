"""The examples of a set of occluded images: read by name, brought to the form of other images."""

import itertools

import numpy as np

from keras_patchmix.occlusion.describing import skipped_entries


class CoverageRecorder:
    """An `ExampleSource` that records coverage and image size of what it yields."""

    def __init__(self, source):
        self._source = source
        self._coverage = []
        self.image_shape = None
        self.num_examples = source.num_examples
        self.max_examples = source.max_examples
        self.choice = source.choice

    def __iter__(self):
        self._coverage = []
        for batch in self._source:
            self.image_shape = batch.images.shape[1:]
            self._coverage.append(batch.coverage)
            yield batch

    @property
    def coverage(self):
        """float64 array of shape (n,), of the last iteration; None where there is none."""
        if any(values is None for values in self._coverage):
            return None
        return np.concatenate(self._coverage)

    @property
    def skipped(self):
        """List of dicts with the "name" and the "reason" of what could not be read."""
        return skipped_entries(self._source.skipped)


class RangeAdapter:
    """Batches of a named set, in the range and dtype of the benchmark's images, with coverage.

    Args:
        data: A `keras_patchmix.datasets.ScoringData`, of uint8 images.
        extras: Function that returns an iterator over dicts of arrays of the same batches, or None.
        dtype: NumPy dtype.
        value_range: (black, white).
    """

    def __init__(self, data, extras, dtype, value_range):
        self._data = data
        self._extras = extras
        self._dtype = np.dtype(dtype)
        self._range = value_range

        self.num_examples = data.num_examples

    def __len__(self):
        return len(self._data)

    @property
    def skipped(self):
        """Dict from name to reason, of what could not be read."""
        return self._data.skipped

    def __iter__(self):
        extras = itertools.repeat({}) if self._extras is None else self._extras()
        for batch, extra in zip(self._data, extras, strict=False):
            yield {**batch, "images": self._adapted(batch["images"]), **extra}

    def _adapted(self, images):
        low, high = self._range
        if (low, high) != (0, 255):
            images = np.float32(images) * np.float32(high - low) / np.float32(255) + np.float32(low)
            if self._dtype.kind in "ui":
                images = np.rint(images)
        return images.astype(self._dtype)


def extras_of(tfds, builder, split, batch_size):
    """Returns a function to an iterator over the coverage and the index of batches, or None."""
    keys = [key for key in ("coverage", "index") if key in builder.info.features]
    if not keys:
        return None
    # The records are read once more, but no image of them is decoded. (`PartialDecoding` would do
    # that too, and has TFDS warn of its own code.)
    images = [
        key
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
    ]
    dataset = builder.as_dataset(
        split=split, decoders=dict.fromkeys(images, tfds.decode.SkipDecoding())
    )
    dataset = dataset.map(lambda example: {key: example[key] for key in keys})
    return dataset.batch(batch_size).prefetch(1).as_numpy_iterator
