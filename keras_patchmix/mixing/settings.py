"""How much is mixed, and how often: what all methods share."""

import numbers
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """How much is mixed, and how often.

    Attributes:
        alpha: Positive float: the ratio follows Beta(alpha, alpha), unless `ratio` is given.
        ratio: `None`, a number in [0, 1] (fixed), or `(low, high)` (uniform).
        probability: Float in [0, 1], how often a sample (a batch, in mode "batch") is mixed.
        mode: `"sample"`: coin, ratio and place are drawn for every sample. `"batch"`: one coin,
            one ratio and one place serve the whole batch. Partners differ in both.
        rounding: Of patches: `"nearest"`: round-half-even(r N) of the N patches are replaced;
            `"down"`: floor(r N), and never all of them.

    Raises:
        ValueError: A value is out of range.
    """

    alpha: float = 1.0
    ratio: Any = None
    probability: float = 1.0
    mode: str = "sample"
    rounding: str = "nearest"

    def __post_init__(self):
        if not (is_number(self.alpha) and 0 < self.alpha < float("inf")):
            raise ValueError(f"`alpha` must be a positive number. Received: alpha={self.alpha!r}")
        if isinstance(self.ratio, list):
            object.__setattr__(self, "ratio", tuple(self.ratio))
        if self.ratio is not None and not _is_ratio(self.ratio):
            raise ValueError(
                "`ratio` must be None, a number in [0, 1], or (low, high) with "
                f"0 <= low <= high <= 1. Received: ratio={self.ratio!r}"
            )
        if not (is_number(self.probability) and 0 <= self.probability <= 1):
            raise ValueError(
                "`probability` must be a number in [0, 1]. "
                f"Received: probability={self.probability!r}"
            )
        if self.mode not in ("sample", "batch"):
            raise ValueError(f"`mode` must be 'sample' or 'batch'. Received: mode={self.mode!r}")
        if self.rounding not in ("nearest", "down"):
            raise ValueError(
                f"`rounding` must be 'nearest' or 'down'. Received: rounding={self.rounding!r}"
            )


def is_number(value):
    """Whether `value` is a real number, which a bool is not meant to be."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_ratio(value):
    bounds = value if isinstance(value, tuple) else (value, value)
    return (
        len(bounds) == 2
        and all(is_number(bound) for bound in bounds)
        and 0 <= bounds[0] <= bounds[1] <= 1
    )
