"""The structures that data sets hold, taken apart and put together again."""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_patchmix.mixing import arrays

IMAGES, LABELS, MASKS, WEIGHTS = "images", "labels", "segmentation_masks", "sample_weight"
_KEYS = (IMAGES, LABELS, MASKS, WEIGHTS)
_SINGULAR = {IMAGES: "image", LABELS: "label", MASKS: "segmentation_mask"}  # as TFDS has them
_FORMS = (
    "images, (images, labels), (images, labels, sample_weight), or a dict with "
    f"{IMAGES!r} and {LABELS!r} and/or {MASKS!r}, and {WEIGHTS!r} if there are weights"
)
_STACK = (
    "A tuple or list holds parts of a batch: turn a list of images into one array first, with "
    "`numpy.stack`."
)


@dataclass(frozen=True)
class Batch:
    """The parts of a batch that mixing knows; a part that is not there is `None`.

    `form` is what the parts came in: a dict with all its keys, or the number of tensors. `ops` is
    the module of operations for its tensors.
    """

    images: Any
    labels: Any = None
    masks: Any = None
    sample_weight: Any = None
    form: Any = 1
    ops: Any = None

    def pack(self, **parts):
        """Returns the batch in the form it came in, with some parts replaced."""
        new = {
            IMAGES: self.images,
            LABELS: self.labels,
            MASKS: self.masks,
            WEIGHTS: self.sample_weight,
            **parts,
        }
        if isinstance(self.form, dict):
            new = {key_of(self.form, name): part for name, part in new.items()}
            return {key: new.get(key, value) for key, value in self.form.items()}
        if self.form == 1:
            return new[IMAGES]
        return tuple(new[key] for key in (IMAGES, LABELS, WEIGHTS)[: self.form])


def key_of(data, name):
    """Returns the key under which a dict holds a part, in the plural or the singular, or `None`.

    Args:
        data: The dict.
        name: `IMAGES`, `LABELS`, `MASKS` or `WEIGHTS`.
    """
    return next((key for key in (name, _SINGULAR.get(name)) if key in data), None)


def unpack(data, labels=None, sample_weight=None):
    """Finds images, labels, masks and weights in the arguments of a layer's call.

    Args:
        data: Images, a tuple or list of up to three tensors, or a dict.
        labels: Labels where `data` is images.
        sample_weight: Weights where `data` is images and there are labels.

    Returns:
        A `Batch`.

    Raises:
        ValueError: The structure is none of the known ones, or holds bounding boxes.
    """
    if isinstance(data, dict):
        if labels is not None or sample_weight is not None:
            raise ValueError(
                "With a dict as `data`, labels and weights belong into the dict, as "
                f"{LABELS!r} and {WEIGHTS!r}. Received: a dict and further arguments"
            )
        return _unpack_dict(data)
    if isinstance(data, (tuple, list)):
        if labels is not None or sample_weight is not None:
            raise ValueError(
                "`data` must be images where `labels` or `sample_weight` is given beside it. "
                f"{_STACK} Received: {_several(data)} and further arguments"
            )
        if not 1 <= len(data) <= 3:
            raise ValueError(f"`data` must be {_FORMS}. {_STACK} Received: {_several(data)}")
        images, labels, sample_weight = (*data, None, None)[:3]
        form = len(data)
    else:
        images = data
        form = 3 if sample_weight is not None else 2 if labels is not None else 1
    if sample_weight is not None and labels is None:
        raise ValueError("`sample_weight` needs `labels`. Received: labels=None")
    return _batch(images, labels, None, sample_weight, form=form)


def _unpack_dict(data):
    keys = {name: key_of(data, name) for name in _KEYS}
    if keys[IMAGES] is None:
        raise ValueError(f"`data` must hold {IMAGES!r} or 'image'. Received: keys={_names(data)}")
    if "bounding_boxes" in data:
        raise ValueError(
            "Mixing has no meaning for 'bounding_boxes': a box would be cut by what is foreign. "
            "Remove the key from the dict, or mix 'segmentation_masks' instead. "
            f"Received: keys={_names(data)}"
        )
    if WEIGHTS in data and keys[LABELS] is None:
        raise ValueError(f"{WEIGHTS!r} needs {LABELS!r}. Received: keys={_names(data)}")
    return _batch(*(data.get(key) for key in keys.values()), form=dict(data))


def _several(data):
    return f"a tuple or list of {len(data)}"  # `take_out` has made tuples of lists


def _names(data):
    return sorted(map(str, data))


def _batch(*parts, form):
    ops = arrays.of(*parts)
    tensors = (
        None if part is None else _tensor(ops, name, part)
        for name, part in zip(_KEYS, parts, strict=True)
    )
    return Batch(*tensors, form=form, ops=ops)


def _tensor(ops, name, value):
    try:
        tensor = ops.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be a tensor or an array. Received: {type(value).__name__} ({error})"
        ) from error
    _check_numbers(name, ops.dtype(tensor))
    return tensor


def _check_numbers(name, dtype):
    if not dtype.startswith(("bool", "int", "uint", "float", "bfloat")):
        raise ValueError(f"`{name}` must be numbers. Received: {name} of dtype {dtype}")


def take_out(data):
    """Divides a call's `data` into what mixing knows and what only passes through.

    Keras would convert the rest of a dict, which may be no numbers, and take a list of numbers for
    a structure of scalars.

    Args:
        data: As for `unpack`.

    Returns:
        `(data, put_back)`: `data` without foreign keys and with arrays for lists of numbers, and a
        function that puts the foreign keys of a dict back into a result.
    """
    if isinstance(data, dict):
        keys = [*(key_of(data, name) for name in _KEYS), "bounding_boxes"]
        known = {key: as_array(key, data[key]) for key in keys if key in data}
        if key_of(data, IMAGES) is None:
            known = data  # for the message that names the keys
        return known, lambda result: {key: result.get(key, data[key]) for key in data}
    if isinstance(data, (tuple, list)):
        names = (IMAGES, LABELS, WEIGHTS, "the fourth part")
        parts = (as_array(names[min(i, 3)], part) for i, part in enumerate(data))
        return tuple(parts), lambda result: result
    return as_array(IMAGES, data), lambda result: result


def leaves(data):
    """The parts of what `take_out` returns."""
    if isinstance(data, dict):
        return tuple(data.values())
    return data if isinstance(data, tuple) else (data,)


def as_array(name, value):
    """Returns a list of numbers, or of lists of numbers, as an array; all else as it is.

    Raises:
        ValueError: The value is an array of something else, which Keras would not name.
    """
    if isinstance(value, (list, tuple)) and _holds_numbers(value):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"`{name}` must have rows of one length. Received: {error}") from error
    if isinstance(value, np.ndarray):
        _check_numbers(name, value.dtype.name)
    return value


def _holds_numbers(value):
    if isinstance(value, (list, tuple)):
        return all(map(_holds_numbers, value))
    return isinstance(value, numbers.Number)
