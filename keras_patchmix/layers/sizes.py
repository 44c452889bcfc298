"""Sizes that must fit, looked at once where they are known and else when a graph runs."""

import functools
import operator


def check_sizes(ops, part, message, received, found, expected):
    """Raises where the sizes of a part of a batch are not those that the images ask for.

    Args:
        ops: The module of operations for the part.
        part: The part, a tensor.
        message: What must be.
        received: What is, as far as it is known now.
        found: The sizes of the part, each an integer or, where a graph learns it when it runs, a
            tensor.
        expected: What they must be, likewise.

    Returns:
        The part, which a graph has only once its sizes are right.

    Raises:
        ValueError: Sizes that are known differ.
    """
    later = []
    for one, other in zip(found, expected, strict=True):
        if hasattr(one, "dtype") or hasattr(other, "dtype"):
            later.append(one == other)
        elif one != other:
            raise ValueError(f"{message}. Received: {received}")
    if not later:
        return part
    fits = functools.reduce(operator.and_, later)
    message = f"{message}. Received sizes, then those of the images:"
    return ops.checked(part, fits, message, *found, *expected)


def check_size(batch, fits, message, height, width):
    """Raises where images have no right size: at once if it is known, else when a graph runs.

    Args:
        batch: A `structures.Batch`.
        fits: Boolean, or a scalar tensor where a side is one.
        message: What to say before the size.
        height: Integer or scalar int32 tensor.
        width: Integer or scalar int32 tensor.

    Raises:
        ValueError: `fits` is false.
    """
    if not isinstance(fits, bool):
        batch.ops.check_sizes(fits, message, height, width)
    elif not fits:
        raise ValueError(f"{message} {height} x {width} pixels")
