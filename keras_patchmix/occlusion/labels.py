"""Labels of every form as class ids."""

import numbers

import numpy as np

_LARGEST = 2**53  # larger floats skip integers


def label_array(labels):
    """Returns labels in nested lists as a NumPy array, and other labels unchanged.

    Raises:
        ValueError: The inner lists differ in length.
    """
    if not _is_list_of_numbers(labels):
        return labels
    try:
        return np.asarray(labels)
    except ValueError as error:
        lengths = sorted({len(one) if isinstance(one, list | tuple) else 0 for one in labels})
        raise ValueError(
            "`labels` that are lists must have one length for all images. Received: lists of "
            f"lengths {', '.join(map(str, lengths))}"
        ) from error


def _is_list_of_numbers(value):
    return isinstance(value, list | tuple) and all(
        isinstance(one, numbers.Number) or _is_list_of_numbers(one) for one in value
    )


def class_ids(labels, positions=None):
    """Converts labels to class ids.

    Args:
        labels: Array of shape (B,) or (B, 1), whole numbers from 0 on; or one-hot or soft labels of
            shape (B, K), K at least 2. The largest entry of a row is its class.
        positions: int array of shape (B,): positions in the data set, for messages. Defaults to
            0, 1, ....

    Raises:
        ValueError: The labels are something else, or several entries of a row are the largest.
    """
    labels = np.asarray(labels)
    positions = np.arange(len(labels)) if positions is None and labels.ndim else positions
    # Extension types (bfloat16) have kind "V".
    if labels.dtype.kind not in "biufV" or labels.ndim not in (1, 2):
        raise _label_error(labels)
    # float64 holds every integer up to `_LARGEST`.
    values = labels.astype(np.float64)
    if values.ndim == 2 and values.shape[1] > 1:
        if not np.isfinite(values).all():
            raise _label_error(labels, ~np.isfinite(values).all(axis=1), positions)
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
        broken = ~((values >= 0) & (values < _LARGEST) & (values == np.floor(values)))
    if broken.any() or len(values) != len(labels):
        raise _label_error(labels, broken, positions)
    return values.astype(np.int64)


def _label_error(labels, broken=None, positions=None):
    received = f"labels of shape {labels.shape}, dtype {labels.dtype}"
    if broken is not None and broken.any():
        received += f", {_at(labels, broken, positions)}"
    return ValueError(
        "`labels` must be class ids (whole numbers from 0 on) of shape (batch,) or (batch, 1), or "
        f"one-hot or soft labels of shape (batch, classes). Received: {received}"
    )


def _at(labels, wrong, positions):
    place = int(np.argmax(wrong))
    row = labels[place]
    row = np.array2string(row, threshold=8, edgeitems=4) if row.ndim else row
    return f"{row} for the example at position {int(positions[place])}"
