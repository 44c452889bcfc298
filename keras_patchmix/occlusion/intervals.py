"""The 95 % interval of an accuracy."""

import math

_Z = 1.959963984540054  # the normal distribution's 97.5 % point


def interval_of(row):
    """Returns the 95 % interval of a row: its own, or Wilson's; None where no image was scored."""
    if row.top1 is None or not row.n:
        return None
    return row.interval or wilson(row.top1, row.n)


def wilson(p, n):
    """Returns Wilson's 95 % interval of a share, which keeps its coverage near 0 and 1.

    Reference: Wilson, Journal of the American Statistical Association 22 (1927).

    Args:
        p: The share, in [0, 1].
        n: Number of trials, above 0.

    Returns:
        Two floats in [0, 1].
    """
    scale = 1 + _Z**2 / n
    middle = (p + _Z**2 / (2 * n)) / scale
    half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / scale
    # At 0 and 1 rounding would leave p itself outside.
    return max(min(middle - half, p), 0.0), min(max(middle + half, p), 1.0)
