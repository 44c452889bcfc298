"""Reads examples out of the forms a data set comes in, as NumPy batches of one fixed size."""

import typing

import numpy as np

from keras_patchmix._host import to_numpy

_DEFAULT_BATCH = 64
_FORMS = (
    "a re-iterable data set of (images, labels) or (images, labels, sample_weight) tuples or of "
    'dicts with "images" and "labels", batched or not, or such a tuple or dict of whole arrays'
)


class Batch(typing.NamedTuple):
    """Some examples of a data set.

    Attributes:
        images: Array of shape (B, H, W, C), in the data set's dtype.
        labels: int64 array of shape (B,).
        index: int64 array of shape (B,).
        saliency: Array of shape (B, H, W), or None.
        coverage: float64 array of shape (B,), the share of each image that is hidden; or None.
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    saliency: np.ndarray | None = None
    coverage: np.ndarray | None = None


class ExampleSource:
    """Examples of a data set as batches of one size, whatever the batches of the data set.

    Args:
        dataset: A `tf.data.Dataset`, a `keras.utils.PyDataset`, a `torch.utils.data.DataLoader`,
            any other iterable that can be iterated more than once, or a tuple or dict of whole
            arrays. Elements are `(images, labels)`, with a sample weight, which is ignored, as a
            third; or dicts with the keys "images", "labels" and, optionally, "index" and
            "saliency". They hold NumPy arrays or the tensors of any framework. Images are
            channels-last. Labels are class ids of shape (B,) or (B, 1), or one-hot or soft (B, K),
            of which the largest counts.
        batch_size: Examples a batch; the data set's own first batch decides when None, or 64 where
            it has no batches.
        max_examples: Stop after this many.
        with_coverage: Whether to read the key "coverage" of dicts too.
    """

    def __init__(self, dataset, batch_size=None, max_examples=None, with_coverage=False):
        for name, value in (("batch_size", batch_size), ("max_examples", max_examples)):
            if value is not None and (not isinstance(value, int | np.integer) or value < 1):
                raise ValueError(
                    f"`{name}` must be a positive integer or None. Received: {name}={value!r}"
                )
        self.batch_size = batch_size
        self.max_examples = max_examples
        self._dataset = dataset
        self._with_coverage = with_coverage
        self._per_element = 1
        self._arrays = _is_arrays(dataset)
        if not self._arrays:
            self._check_iterable()

    def _check_iterable(self):
        dataset = self._dataset
        if isinstance(dataset, str | bytes) or not (
            hasattr(dataset, "__iter__") or hasattr(dataset, "__getitem__")
        ):
            raise ValueError(f"`dataset` must be {_FORMS}. Received: dataset={dataset!r}")
        if hasattr(dataset, "__next__"):
            raise ValueError(
                "`dataset` can be iterated only once, and is needed more often: pass "
                f"{_FORMS}. Received: dataset={dataset!r}"
            )
        if self.max_examples is None and self._length() == np.inf:
            raise ValueError(
                "`dataset` never ends: set `max_examples`, or drop its `repeat()`. "
                f"Received: dataset={dataset!r}, max_examples=None"
            )

    def _length(self):
        """Returns the number of elements, `np.inf`, or None where it is unknown."""
        dataset = self._dataset
        if hasattr(dataset, "num_batches"):
            return np.inf if dataset.num_batches is None else dataset.num_batches
        if hasattr(dataset, "cardinality"):
            length = int(np.asarray(dataset.cardinality()))
            return {-1: np.inf, -2: None}.get(length, length)
        try:
            return len(dataset)
        except TypeError:  # it has no length, or, as some loaders do, only then says so
            return None

    def _elements(self):
        if not self._arrays:
            if hasattr(self._dataset, "num_batches"):
                length = self._length()
                steps = iter(int, 1) if length == np.inf else range(length)
                # A PyDataset, which has no end of its own under `for`.
                return (self._dataset[step] for step, _ in enumerate(steps))
            return iter(self._dataset)
        fields = _fields(self._dataset)._asdict()
        arrays = {key: value for key, value in fields.items() if value is not None}
        count = len(fields["images"])
        size = self.batch_size or min(_DEFAULT_BATCH, count)
        return (
            {key: value[i : i + size] for key, value in arrays.items()}
            for i in range(0, count, size)
        )

    @property
    def skipped(self):
        """Dict from name to reason: what the data set says that it could not read."""
        return dict(getattr(self._dataset, "skipped", None) or {})

    @property
    def left_out(self):
        """String: what the data set says that it holds beside its examples, or ""."""
        return str(getattr(self._dataset, "left_out", ""))

    def num_examples(self):
        """Returns about how many examples there are, or None; known once iteration has begun."""
        if self._arrays:
            total = len(_fields(self._dataset)[0])
        else:
            length = self._length()
            total = None if length in (None, np.inf) else length * self._per_element
        known = [value for value in (total, self.max_examples) if value is not None]
        return min(known, default=None)

    def __iter__(self):
        """Yields a `Batch` of `batch_size` examples at a time, the last one of fewer."""
        held, count, seen, shape = [], 0, 0, None
        for batch in self._batches():
            if batch.index is None:
                batch = batch._replace(index=seen + np.arange(len(batch.labels)))
            if shape not in (None, batch.images.shape[1:]):
                raise ValueError(
                    "All images of `dataset` must have one size. Received: images of shapes "
                    f"{shape} and {batch.images.shape[1:]}"
                )
            shape = batch.images.shape[1:]
            if self.max_examples is not None:
                batch = _cut(batch, slice(self.max_examples - seen))
            size = len(batch.labels)
            seen += size
            if self.batch_size is None and size:
                self.batch_size = size
            held.append(batch)
            count += size
            while count and count >= self.batch_size:
                whole = _joined(held)
                yield _cut(whole, slice(self.batch_size))
                held = [_cut(whole, slice(self.batch_size, None))]
                count -= self.batch_size
            if seen == self.max_examples:
                break
        if count:
            yield _joined(held)
        if not seen:
            raise ValueError("`dataset` must hold examples. Received: an empty data set")

    def _batches(self):
        """Yields checked batches as the data set has them, the index None where it has none."""
        single = []
        for element in self._elements():
            fields = _fields(element)
            images, labels = _array(fields.images, "images"), _array(fields.labels, "labels")
            fields = fields._replace(images=images, labels=labels)
            if not self._with_coverage:
                fields = fields._replace(coverage=None)
            if _is_unbatched(images, labels):
                single.append(fields)
                if len(single) == min(
                    self.batch_size or _DEFAULT_BATCH, self.max_examples or _DEFAULT_BATCH
                ):
                    yield _checked(_stacked(single))
                    single = []
            else:
                self._per_element = max(self._per_element, len(images))
                yield _checked(fields)
        if single:
            yield _checked(_stacked(single))


def class_ids(labels):
    """Turns labels into class ids.

    Args:
        labels: Array of shape (B,) or (B, 1), whole numbers from 0 on; or (B, K) with K at least 2,
            one-hot or soft, of which the largest entry counts.

    Returns:
        int64 array of shape (B,).

    Raises:
        ValueError: Anything else.
    """
    labels = np.asarray(labels)
    # Extension types (bfloat16) have kind "V".
    if labels.dtype.kind in "biufV" and labels.ndim in (1, 2):
        values = labels.astype(np.int64 if labels.dtype.kind in "biu" else np.float64)
        if values.ndim == 2 and values.shape[1] > 1:
            if np.all(np.isfinite(values)):
                return np.argmax(values, axis=1).astype(np.int64)
        else:
            values = values.reshape(-1)
            if np.all(values >= 0) and np.all(values == np.floor(values)):
                return values.astype(np.int64)
    raise ValueError(
        "`labels` must be class ids (whole numbers from 0 on) of shape (batch,) or (batch, 1), or "
        "one-hot or soft labels of shape (batch, classes). Received: labels of shape "
        f"{labels.shape}, dtype {labels.dtype}"
        + (f", starting with {labels.reshape(-1)[:3]}" if labels.size else "")
    )


def unlike_range(images, value_range):
    """Says how images do not look like a range of values: a text, or None where they do.

    Args:
        images: Array of shape (B, H, W, C).
        value_range: (low, high).
    """
    low, high = value_range
    least, most = float(images.min()), float(images.max())
    shrunk = images.dtype.kind not in "ui" and high - low > 2 and 0 < most <= 1
    if low <= least and most <= high and not shrunk:
        return None
    return f"span {least:g} to {most:g}, which does not look like value_range=({low:g}, {high:g})"


def _fields(element):
    """Returns one element of a data set as a `Batch`, unchecked."""
    if isinstance(element, dict):
        # As TensorFlow Datasets call them.
        for own, others in (("images", "image"), ("labels", "label")):
            if own not in element and others in element:
                element = {**element, own: element[others]}
        missing = [key for key in ("images", "labels") if key not in element]
        if missing:
            raise ValueError(
                'A data set of dicts must have the keys "images" and "labels". '
                f"Received: keys {sorted(map(str, element))}"
            )
        return Batch(*(element.get(key) for key in Batch._fields))
    if not isinstance(element, tuple | list) or len(element) not in (2, 3):
        raise ValueError(f"`dataset` must be {_FORMS}. Received: an element {_describe(element)}")
    return Batch(element[0], element[1], None)


def _describe(element):
    if isinstance(element, tuple | list):
        return f"{type(element).__name__} of {len(element)}"
    return f"of type {type(element).__name__}, shape {getattr(element, 'shape', None)}"


def _is_arrays(dataset):
    if isinstance(dataset, dict):
        return True
    return (
        isinstance(dataset, tuple | list)
        and len(dataset) in (2, 3)
        and len(getattr(dataset[0], "shape", ())) == 4
    )


def _array(value, name):
    if isinstance(value, dict | tuple | list):
        raise ValueError(
            f"`{name}` must be one array: models with several inputs or outputs cannot be scored. "
            f"Received: {name}={type(value).__name__} of {len(value)}"
        )
    return to_numpy(value)


def _is_unbatched(images, labels):
    # A batch of images without a channel axis has rank 3 too, but not 1 to 4 columns.
    return images.ndim == 3 and (labels.ndim == 0 or images.shape[-1] <= 4)


def _stacked(single):
    shapes = sorted({element.images.shape for element in single})
    if len(shapes) > 1:
        raise ValueError(
            f"All images of `dataset` must have one size. Received: images of shapes {shapes}"
        )
    return Batch(
        *(
            None if parts[0] is None else np.stack([to_numpy(part) for part in parts])
            for parts in zip(*single, strict=True)
        )
    )


def _checked(batch):
    images, labels, index, saliency, coverage = batch
    if images.ndim != 4 or images.dtype.kind not in "uifV":
        raise ValueError(
            "Images must be numbers of shape (batch, height, width, channels). "
            f"Received: shape {images.shape}, dtype {images.dtype}"
        )
    labels = class_ids(labels)
    if index is not None:
        index = to_numpy(index).reshape(-1).astype(np.int64)
    if len(labels) != len(images) or (index is not None and len(index) != len(images)):
        raise ValueError(
            "There must be one label, and one index if any, for each image. Received: "
            f"{len(images)} images, {len(labels)} labels"
            + ("" if index is None else f", {len(index)} indices")
        )
    if saliency is not None:
        saliency = to_numpy(saliency)
        if saliency.shape not in (images.shape[:3], (*images.shape[:3], 1)):
            raise ValueError(
                '"saliency" must hold a map of shape (batch, height, width) for the images. '
                f"Received: shape {saliency.shape} for images of {images.shape}"
            )
        saliency = saliency.reshape(images.shape[:3])
    if coverage is not None:
        coverage = _checked_coverage(to_numpy(coverage), len(images))
    return Batch(images, labels, index, saliency, coverage)


def _checked_coverage(coverage, count):
    values = coverage.reshape(-1).astype(np.float64) if coverage.dtype.kind in "iufV" else None
    if values is None or len(values) != count or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(
            '"coverage" must hold the share of each image that is hidden, a number from 0 to 1. '
            f"Received: shape {coverage.shape}, dtype {coverage.dtype}, for {count} images"
        )
    return values


def _cut(batch, part):
    return Batch(*(None if values is None else values[part] for values in batch))


def _joined(held):
    if len(held) == 1:
        return held[0]
    return Batch(
        *(None if parts[0] is None else np.concatenate(parts) for parts in zip(*held, strict=True))
    )
