"""How much of an image is to be hidden: a share, or a range that each image draws its own from."""

import math
from typing import NamedTuple

from keras_patchmix.base import hashing
from keras_patchmix.occluders.covering import HIGHEST_LEVEL

_LOWEST = 0.01


class Coverage(NamedTuple):
    """A share of the pixels, or a range of shares.

    Attributes:
        low: Share, 0.01 to 0.9, or 0, which leaves images as they are.
        high: The same number; or the other end of the range.
    """

    low: float
    high: float

    @classmethod
    def parse(cls, text):
        """Reads such as "20" or "12.5", in per cent, or "10-30", a range.

        Raises:
            ValueError: The text is no such thing.
        """
        low, dash, high = str(text).partition("-")
        try:
            # Divided by 100, 30 becomes the very number that 0.3 is.
            low, high = float(low) / 100, float(high if dash else low) / 100
        except ValueError:
            low = high = math.nan
        fits = _LOWEST <= low <= high <= HIGHEST_LEVEL and (low < high) == bool(dash)
        if not fits and not (low == high == 0 and not dash):
            raise ValueError(
                "a coverage must be 0, a percentage from 1 to 90, or a range of such, as in "
                f"10-30. Received: {text!r}"
            )
        return cls(low, high)

    @property
    def is_range(self):
        """Whether each image has a share of its own."""
        return self.low != self.high

    @property
    def split(self):
        """Name of the split: "coverage_20", "coverage_12_5", "coverage_10_to_30"."""
        ends = (self.low, self.high) if self.is_range else (self.low,)
        return "coverage_" + "_to_".join(_percent(end).replace(".", "_") for end in ends)

    def __str__(self):
        ends = (self.low, self.high) if self.is_range else (self.low,)
        return "-".join(map(_percent, ends))

    def share(self, seed, index):
        """Returns the share to hide of one image, a pure function of the seed and its index."""
        if not self.is_range:
            return self.low
        key = hashing.stream(seed, "superimposing", str(self))
        place = hashing.uniform(key, index)[0]
        return float(self.low + (self.high - self.low) * place)


def check_coverage(values):
    """Turns what is asked for into a tuple of `Coverage`s, in its order.

    Args:
        values: Sequence of `Coverage`s, or of texts that `Coverage.parse` reads.

    Raises:
        ValueError: There is none, one is out of range, or two are the same.
    """
    if isinstance(values, str | int | float):
        values = (values,)
    found = [v if isinstance(v, Coverage) else Coverage.parse(v) for v in values]
    names = [one.split for one in found]
    if not found or len(set(names)) != len(names):
        raise ValueError(
            "`coverage` must be one or more percentages or ranges that differ from each other. "
            f"Received: coverage={[str(one) for one in found]}"
        )
    return tuple(found)


def _percent(share):
    return f"{100 * share:g}"
