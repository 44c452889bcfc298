"""Sizes that are given as one integer for both sides, or as a pair."""

import numbers
from typing import Any

import numpy as np


def size_pair(value: Any, name: str) -> tuple[int, int]:
    """Returns a size as a pair of integers.

    Args:
        value: Integer, for both sides, or a sequence of two integers.
        name: Name of the argument, for the message.

    Raises:
        ValueError: Not a positive integer or a pair of them.
    """
    pair = (value, value) if isinstance(value, numbers.Integral) else value
    is_pair = isinstance(pair, list | tuple | np.ndarray) and len(pair) == 2
    if not is_pair or not all(map(_is_positive, pair)):
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them, the vertical one first. "
            f"Received: {name}={value!r}"
        )
    return int(pair[0]), int(pair[1])


def _is_positive(side):
    return isinstance(side, numbers.Integral) and not isinstance(side, bool) and side > 0
