"""Batches of examples as NumPy arrays, read from the elements of a data set."""

import dataclasses
from typing import NamedTuple

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.occlusion.labels import class_ids, label_array

FORMS = (
    "a re-iterable data set of (images, labels) or (images, labels, sample_weight) tuples or of "
    'dicts with "images" and "labels", batched or not, or such a tuple or dict of whole arrays'
)
_LARGEST = 2**53  # larger floats skip integers


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some examples of a data set.

    Attributes:
        images: Array of shape (B, H, W, C), in the data set's dtype.
        labels: int64 array of shape (B,).
        index: int64 array of shape (B,).
        saliency: Array of shape (B, H, W), or None.
        coverage: float64 array of shape (B,), the share of each image that is hidden; or None.
        columns: Integer, the number of classes that one-hot or soft labels have; None where the
            labels are class ids.
        is_soft: Whether a row of labels is not one-hot.
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    saliency: np.ndarray | None = None
    coverage: np.ndarray | None = None
    columns: int | None = None
    is_soft: bool = False

    def __len__(self):
        return len(self.labels)

    def rows(self, chosen):
        """Returns a `Batch` of some of the examples.

        Args:
            chosen: A slice, or an array of positions or booleans.
        """
        parts = (None if value is None else value[chosen] for value in self._arrays())
        return Batch(*parts, columns=self.columns, is_soft=self.is_soft)

    @classmethod
    def joined(cls, batches):
        """Returns the examples of several batches of one form as a single batch."""
        if len(batches) == 1:
            return batches[0]
        fields = zip(*(batch._arrays() for batch in batches), strict=True)
        joined = (None if parts[0] is None else np.concatenate(parts) for parts in fields)
        is_soft = any(batch.is_soft for batch in batches)
        return cls(*joined, columns=batches[0].columns, is_soft=is_soft)

    def check_same_form(self, other):
        """Raises a ValueError if another batch has images or labels of another form."""
        shapes = self.images.shape[1:], other.images.shape[1:]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "All images of `dataset` must have one size. Received: images of shapes "
                f"{shapes[0]} and {shapes[1]}"
            )
        if self.columns != other.columns:
            forms = [
                "class ids" if columns is None else f"labels of {columns} columns"
                for columns in (self.columns, other.columns)
            ]
            raise ValueError(
                "All labels of `dataset` must be of one form, with one number of classes. "
                f"Received: {', then '.join(forms)}"
            )
        for name in ("saliency", "coverage"):
            if (getattr(self, name) is None) != (getattr(other, name) is None):
                raise _partly_missing(name)

    def _arrays(self):
        return self.images, self.labels, self.index, self.saliency, self.coverage


class Fields(NamedTuple):
    """The values of an element of a data set, or of a data set of whole arrays, as they come."""

    images: object
    labels: object
    index: object = None
    saliency: object = None
    coverage: object = None


def fields_of(element):
    """Returns the `Fields` of an element of a data set, or of whole arrays.

    Raises:
        ValueError: The element does not hold images and labels.
    """
    if isinstance(element, dict):
        # TensorFlow Datasets uses the singular.
        for key, singular in (("images", "image"), ("labels", "label")):
            if key not in element and singular in element:
                element = {**element, key: element[singular]}
        if any(element.get(key) is None for key in ("images", "labels")):
            raise ValueError(
                'A data set of dicts must have the keys "images" and "labels". '
                f"Received: keys {sorted(map(str, element))}"
            )
        fields = Fields(*(element.get(key) for key in Fields._fields))
        return fields._replace(labels=label_array(fields.labels))
    is_tuple = isinstance(element, tuple | list)
    if not is_tuple or len(element) not in (2, 3) or any(part is None for part in element[:2]):
        if is_tuple:
            kinds = ", ".join(type(part).__name__ for part in element)
            received = f"{type(element).__name__} of {len(element)}: {kinds}"
        else:
            shape = getattr(element, "shape", None)
            received = f"of type {type(element).__name__}, shape {shape}"
        raise ValueError(f"`dataset` must be {FORMS}. Received: an element {received}")
    return Fields(element[0], label_array(element[1]))


def as_array(value, name):
    """Returns images or labels as a NumPy array; raises ValueError for several arrays."""
    _check_one(value, name)
    return to_numpy(value)


def _check_one(value, name):
    if isinstance(value, dict | tuple | list):
        form = "array, or numbers in lists" if name == "labels" else "array"
        raise ValueError(
            f"`{name}` must be one {form}: models with several inputs or outputs cannot be scored. "
            f"Received: {name}={type(value).__name__} of {len(value)}"
        )


def length_of(images, labels):
    """Returns the number of examples of a batch, or None for the arrays of a single example."""
    # A batch of images without a channel axis has rank 3 too, but not 1 to 4 columns.
    if images.ndim == 3 and (labels.ndim == 0 or images.shape[-1] <= 4):
        return None
    check_images(images.shape, images.dtype)
    return len(images)


def stack_examples(examples):
    """Returns the `Fields` of a batch from those of single examples.

    Raises:
        ValueError: The examples differ in their fields or shapes.
    """
    columns = zip(Fields._fields, zip(*examples, strict=True), strict=True)
    return Fields(*(_stack(name, parts) for name, parts in columns))


def _stack(name, parts):
    if all(part is None for part in parts):
        return None
    if any(part is None for part in parts):
        raise _partly_missing(name)
    parts = [_numbers(part, name) for part in parts]
    shapes = sorted({part.shape for part in parts})
    if len(shapes) > 1:
        raise ValueError(
            f"All {name} of `dataset` must have one size. Received: {name} of shapes "
            f"{', '.join(map(str, shapes))}"
        )
    return np.stack(parts)


def _partly_missing(name):
    return ValueError(
        f'All elements of `dataset` must have the key "{name}", or none. '
        "Received: some with it and some without"
    )


def _numbers(value, name):
    try:
        array = to_numpy(value)
    except (TypeError, ValueError):  # a ragged list
        array = np.array(None)
    if array.dtype.kind not in "biufV":
        raise ValueError(
            f'"{name}" must hold numbers. Received: {type(value).__name__} of dtype {array.dtype}'
        )
    return array


def make_batch(fields, positions):
    """Makes a `Batch`.

    Args:
        fields: `Fields`. Images and labels are NumPy arrays.
        positions: int array of shape (B,): the positions of the examples in the data set.

    Raises:
        ValueError: A field has another shape or dtype than `Batch` describes.
    """
    images, labels, index, saliency, coverage = fields
    check_images(images.shape, images.dtype)
    if len(labels.shape) == 0 or len(labels) != len(images):
        raise _length_error(images, labels=labels)
    columns = labels.shape[1] if labels.ndim == 2 and labels.shape[1] > 1 else None
    is_soft = columns is not None and not ((labels == 0) | (labels == 1)).all()
    labels = class_ids(labels, positions)
    if index is None:
        index = np.asarray(positions, np.int64)
    else:
        index = _index_array(_numbers(index, "index"))
    if len(index) != len(images):
        raise _length_error(images, labels=labels, index=index)
    if saliency is not None:
        saliency = _numbers(saliency, "saliency")
        if saliency.shape not in (images.shape[:3], (*images.shape[:3], 1)):
            raise ValueError(
                '"saliency" must hold a map of shape (batch, height, width) for the images. '
                f"Received: shape {saliency.shape} for images of {images.shape}"
            )
        saliency = saliency.reshape(images.shape[:3])
    if coverage is not None:
        coverage = _coverage_array(_numbers(coverage, "coverage"), len(images))
    return Batch(images, labels, index, saliency, coverage, columns, is_soft)


def check_images(shape, dtype=None):
    """Raises a ValueError unless a shape, and a dtype if given, are those of a batch of images."""
    if len(shape) == 4 and 0 not in shape[1:] and (dtype is None or dtype.kind in "uifV"):
        return
    received = f"shape {tuple(shape)}{'' if dtype is None else f', dtype {dtype}'}"
    if len(shape) in (2, 3):
        received += (
            ". Is the axis of channels missing? Gray images have one channel: images[..., None], "
            "or numpy.expand_dims(images, -1), adds it"
        )
    raise ValueError(
        f"Images must be numbers of shape (batch, height, width, channels). Received: {received}"
    )


def check_arrays(fields):
    """Raises a ValueError unless the `Fields` of whole arrays are images and of one length."""
    for name in ("images", "labels"):
        _check_one(getattr(fields, name), name)
    fields = {name: value for name, value in fields._asdict().items() if value is not None}
    images = fields.pop("images")
    if not np.shape(images):
        check_images((), type(images))
    if any(not np.shape(value) or len(value) != len(images) for value in fields.values()):
        raise _length_error(images, **fields)
    check_images(np.shape(images))


def _length_error(images, **others):
    counts = (
        f"{len(value) if np.shape(value) else 'a single value under'} {name}"
        for name, value in others.items()
    )
    return ValueError(
        "There must be one label, and one index if any, for each image. Received: "
        f"{len(images)} images, {', '.join(counts)}"
    )


def _index_array(index):
    values = index.reshape(-1)
    if values.dtype.kind in "iu":
        fits = values <= np.iinfo(np.int64).max
    else:
        numbers = np.full(len(values), np.nan) if values.dtype == bool else values.astype(float)
        with np.errstate(invalid="ignore"):
            fits = (np.abs(numbers) <= _LARGEST) & (numbers == np.floor(numbers))
    if not fits.all():
        raise ValueError(
            '"index" must hold whole numbers, one for each image. Received: dtype '
            f"{values.dtype}, with {values[np.argmin(fits)]!r}"
        )
    return values.astype(np.int64)


def _coverage_array(coverage, count):
    values = coverage.reshape(-1).astype(np.float64) if coverage.dtype.kind in "iufV" else None
    if values is None or len(values) != count or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(
            '"coverage" must hold the share of each image that is hidden, a number from 0 to 1. '
            f"Received: shape {coverage.shape}, dtype {coverage.dtype}, for {count} images"
        )
    return values
