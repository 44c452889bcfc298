"""Batches of examples as NumPy arrays, checked; labels of every form as class ids."""

import dataclasses
import numbers
from typing import NamedTuple

import numpy as np

from keras_patchmix.base.host import to_numpy

FORMS = (
    "a re-iterable data set of (images, labels) or (images, labels, sample_weight) tuples or of "
    'dicts with "images" and "labels", batched or not, or such a tuple or dict of whole arrays'
)
_MOST = 2**53  # floats beyond it skip integers


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
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    saliency: np.ndarray | None = None
    coverage: np.ndarray | None = None
    columns: int | None = None

    def __len__(self):
        return len(self.labels)

    def rows(self, chosen):
        """Returns a `Batch` of some of the examples.

        Args:
            chosen: A slice, or an array of positions or booleans.
        """
        found = (None if value is None else value[chosen] for value in self._arrays())
        return Batch(*found, columns=self.columns)

    @classmethod
    def joined(cls, batches):
        """Returns the examples of several batches, which are alike, as one."""
        first, *others = batches
        if not others:
            return first
        parts = zip(*(batch._arrays() for batch in batches), strict=True)
        found = (None if same[0] is None else np.concatenate(same) for same in parts)
        return cls(*found, columns=first.columns)

    def check_alike(self, other):
        """Raises a ValueError where another batch has images or labels of another form."""
        shapes = self.images.shape[1:], other.images.shape[1:]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "All images of `dataset` must have one size. Received: images of shapes "
                f"{shapes[0]} and {shapes[1]}"
            )
        if self.columns != other.columns:
            raise ValueError(
                "All labels of `dataset` must be of one form, with one number of classes. "
                f"Received: {_form(self.columns)}, then {_form(other.columns)}"
            )
        for name in ("saliency", "coverage"):
            if (getattr(self, name) is None) != (getattr(other, name) is None):
                raise ValueError(_some_without(name))

    def _arrays(self):
        return self.images, self.labels, self.index, self.saliency, self.coverage


def _form(columns):
    return "class ids" if columns is None else f"labels of {columns} columns"


class Fields(NamedTuple):
    """What an element of a data set holds, or a data set of whole arrays, as it came."""

    images: object
    labels: object
    index: object = None
    saliency: object = None
    coverage: object = None


def fields_of(element):
    """Returns the `Fields` of an element of a data set, or of whole arrays.

    Raises:
        ValueError: It is no element of a data set of labelled images.
    """
    if isinstance(element, dict):
        # As TensorFlow Datasets call them.
        for own, others in (("images", "image"), ("labels", "label")):
            if own not in element and others in element:
                element = {**element, own: element[others]}
        if any(element.get(key) is None for key in ("images", "labels")):
            raise ValueError(
                'A data set of dicts must have the keys "images" and "labels". '
                f"Received: keys {sorted(map(str, element))}"
            )
        found = Fields(*(element.get(key) for key in Fields._fields))
        return found._replace(labels=listed(found.labels))
    if (
        not isinstance(element, tuple | list)
        or len(element) not in (2, 3)
        or any(part is None for part in element[:2])
    ):
        raise ValueError(f"`dataset` must be {FORMS}. Received: an element {_describe(element)}")
    return Fields(element[0], listed(element[1]))


def listed(labels):
    """Returns a list of numbers, or of lists of them, as a NumPy array; all else as it is.

    Raises:
        ValueError: Lists of numbers are of several lengths.
    """
    if not _is_listed(labels):
        return labels
    try:
        return np.asarray(labels)
    except ValueError as error:
        lengths = sorted({len(one) if isinstance(one, list | tuple) else 0 for one in labels})
        raise ValueError(
            "`labels` that are lists must have one length for all images. Received: lists of "
            f"lengths {', '.join(map(str, lengths))}"
        ) from error


def _is_listed(value):
    return isinstance(value, list | tuple) and all(
        isinstance(one, numbers.Number) or _is_listed(one) for one in value
    )


def _describe(element):
    if isinstance(element, tuple | list):
        kinds = ", ".join(type(part).__name__ for part in element)
        return f"{type(element).__name__} of {len(element)}: {kinds}"
    return f"of type {type(element).__name__}, shape {getattr(element, 'shape', None)}"


def as_array(value, name):
    """Returns images or labels as a NumPy array.

    Raises:
        ValueError: They are several arrays.
    """
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
    """Returns the number of examples of a batch; None for the arrays of a single example.

    Raises:
        ValueError: These are no images.
    """
    # A batch of images without a channel axis has rank 3 too, but not 1 to 4 columns.
    if images.ndim == 3 and (labels.ndim == 0 or images.shape[-1] <= 4):
        return None
    check_images(images.shape, images.dtype)
    return len(images)


def stacked(examples):
    """Returns the `Fields` of a batch out of those of single examples.

    Raises:
        ValueError: One of them has something that others lack, or in another shape.
    """
    return Fields(
        *(
            _stacked(name, parts)
            for name, parts in zip(Fields._fields, zip(*examples, strict=True), strict=True)
        )
    )


def _stacked(name, parts):
    if all(part is None for part in parts):
        return None
    if any(part is None for part in parts):
        raise ValueError(_some_without(name))
    parts = [_numbers(part, name) for part in parts]
    shapes = sorted({part.shape for part in parts})
    if len(shapes) > 1:
        raise ValueError(
            f"All {name} of `dataset` must have one size. Received: {name} of shapes "
            f"{', '.join(map(str, shapes))}"
        )
    return np.stack(parts)


def _some_without(name):
    return (
        f'All elements of `dataset` must have the key "{name}", or none. '
        "Received: some with it and some without"
    )


def _numbers(value, name):
    """Returns what stands under a key as a NumPy array of numbers."""
    try:
        array = to_numpy(value)
    except (TypeError, ValueError):  # a nested list that is no array
        array = np.array(None)
    if array.dtype.kind not in "biufV":
        raise ValueError(
            f'"{name}" must hold numbers. Received: {type(value).__name__} of dtype {array.dtype}'
        )
    return array


def checked(fields, positions):
    """Returns a `Batch` out of the `Fields` of one.

    Args:
        fields: `Fields`, of which the images and the labels are NumPy arrays.
        positions: int array of shape (B,): where in the data set the examples stand.

    Raises:
        ValueError: Something is not as `Batch` has it.
    """
    images, labels, index, saliency, coverage = fields
    check_images(images.shape, images.dtype)
    if len(labels.shape) == 0 or len(labels) != len(images):
        raise ValueError(_lengths(images, labels=labels))
    columns = labels.shape[1] if labels.ndim == 2 and labels.shape[1] > 1 else None
    labels = class_ids(labels, positions)
    index = (
        np.asarray(positions, np.int64)
        if index is None
        else _checked_index(_numbers(index, "index"))
    )
    if len(index) != len(images):
        raise ValueError(_lengths(images, labels=labels, index=index))
    if saliency is not None:
        saliency = _numbers(saliency, "saliency")
        if saliency.shape not in (images.shape[:3], (*images.shape[:3], 1)):
            raise ValueError(
                '"saliency" must hold a map of shape (batch, height, width) for the images. '
                f"Received: shape {saliency.shape} for images of {images.shape}"
            )
        saliency = saliency.reshape(images.shape[:3])
    if coverage is not None:
        coverage = _checked_coverage(_numbers(coverage, "coverage"), len(images))
    return Batch(images, labels, index, saliency, coverage, columns)


def check_images(shape, dtype=None):
    """Raises a ValueError unless a shape, and a dtype where there is one, are of some images."""
    if len(shape) == 4 and 0 not in shape[1:] and (dtype is None or dtype.kind in "uifV"):
        return
    hint = ""
    if len(shape) in (2, 3):
        hint = (
            ". Is the axis of channels missing? Grey images have one channel: images[..., None], "
            "or numpy.expand_dims(images, -1), adds it"
        )
    raise ValueError(
        "Images must be numbers of shape (batch, height, width, channels). "
        f"Received: shape {tuple(shape)}{'' if dtype is None else f', dtype {dtype}'}{hint}"
    )


def check_whole(fields):
    """Raises a ValueError unless the `Fields` of whole arrays are of one length, and images."""
    for name in ("images", "labels"):
        _check_one(getattr(fields, name), name)
    found = {name: value for name, value in fields._asdict().items() if value is not None}
    images = found.pop("images")
    if not np.shape(images):
        check_images((), type(images))
    if any(not np.shape(value) or len(value) != len(images) for value in found.values()):
        raise ValueError(_lengths(images, **found))
    check_images(np.shape(images))


def _lengths(images, **others):
    counts = (
        f"{len(value) if np.shape(value) else 'a single value under'} {name}"
        for name, value in others.items()
    )
    return (
        "There must be one label, and one index if any, for each image. Received: "
        f"{len(images)} images, {', '.join(counts)}"
    )


def class_ids(labels, positions=None):
    """Turns labels into class ids.

    Args:
        labels: Array of shape (B,) or (B, 1), whole numbers from 0 on; or (B, K) with K at least 2,
            one-hot or soft, of which the largest entry counts.
        positions: int array of shape (B,): where in the data set they stand, for messages.
            Defaults to 0, 1, ....

    Returns:
        int64 array of shape (B,).

    Raises:
        ValueError: Anything else; rows of which several entries are the largest too.
    """
    labels = np.asarray(labels)
    positions = np.arange(len(labels)) if positions is None and labels.ndim else positions
    # Extension types (bfloat16) have kind "V".
    if labels.dtype.kind not in "biufV" or labels.ndim not in (1, 2):
        raise ValueError(_no_labels(labels))
    # float64 holds every integer that is allowed, and all others are beyond `_MOST` in it too.
    values = labels.astype(np.float64)
    if values.ndim == 2 and values.shape[1] > 1:
        broken = ~np.isfinite(values).all(axis=1)
        if broken.any():
            raise ValueError(_no_labels(labels, broken, positions))
        tied = (values == values.max(axis=1, keepdims=True)).sum(axis=1) > 1
        if tied.any():
            raise ValueError(
                "Each row of `labels` must have one greatest entry, which is the class: labels of "
                "several classes for an image cannot be scored. Received: "
                f"{_at(labels, tied, positions)}"
            )
        return np.argmax(values, axis=1).astype(np.int64)
    values = values.reshape(-1)
    with np.errstate(invalid="ignore"):
        broken = ~((values >= 0) & (values < _MOST) & (values == np.floor(values)))
    if broken.any() or len(values) != len(labels):
        raise ValueError(_no_labels(labels, broken, positions))
    return values.astype(np.int64)


def _no_labels(labels, broken=None, positions=None):
    received = f"labels of shape {labels.shape}, dtype {labels.dtype}"
    if broken is not None and broken.any():
        received += f", {_at(labels, broken, positions)}"
    return (
        "`labels` must be class ids (whole numbers from 0 on) of shape (batch,) or (batch, 1), or "
        f"one-hot or soft labels of shape (batch, classes). Received: {received}"
    )


def _at(labels, wrong, positions):
    place = int(np.argmax(wrong))
    row = labels[place]
    row = np.array2string(row, threshold=8, edgeitems=4) if row.ndim else row
    return f"{row} for the example at position {int(positions[place])}"


def _checked_index(index):
    values = index.reshape(-1)
    if values.dtype.kind in "fV":
        numbers = values.astype(np.float64)
        with np.errstate(invalid="ignore"):
            fits = (np.abs(numbers) <= _MOST) & (numbers == np.floor(numbers))
    else:
        fits = values.dtype.kind == "i" or (
            values.dtype.kind == "u" and values <= np.iinfo(np.int64).max
        )
        fits = np.broadcast_to(fits, values.shape)
    if not fits.all():
        raise ValueError(
            '"index" must hold whole numbers, one for each image. Received: dtype '
            f"{values.dtype}, with {values[np.argmin(fits)]!r}"
        )
    return values.astype(np.int64)


def _checked_coverage(coverage, count):
    values = coverage.reshape(-1).astype(np.float64) if coverage.dtype.kind in "iufV" else None
    if values is None or len(values) != count or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(
            '"coverage" must hold the share of each image that is hidden, a number from 0 to 1. '
            f"Received: shape {coverage.shape}, dtype {coverage.dtype}, for {count} images"
        )
    return values
