"""What a report says of the arguments it was made with."""

import collections
import hashlib

import keras
import numpy as np

from keras_patchmix.base.printable import distinct, printable
from keras_patchmix.scoring.preprocessing import OwnPreprocessing, as_they_are

_NAMED = 10


def check_range(value_range):
    """Returns (black, white) as floats; raises ValueError for what is no such pair."""
    values = tuple(value_range) if isinstance(value_range, list | tuple) else ()
    if len(values) != 2 or not np.all(np.isfinite(values)) or values[0] >= values[1]:
        raise ValueError(
            "`value_range` must be a pair (black, white) of numbers, black the lower one. "
            f"Received: value_range={value_range!r}"
        )
    return float(values[0]), float(values[1])


def digest(values):
    """Returns a digest of integers in their order, as hexadecimal text."""
    return hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()


def function_name(function):
    """Returns the dotted name of a function, the class of a layer, or None for None."""
    if function is None:
        return None
    if function is as_they_are:
        return "none, the images as they are"
    if isinstance(function, OwnPreprocessing):
        return function.name
    if isinstance(function, keras.Layer):
        return type(function).__name__
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return f"{getattr(function, '__module__', None) or ''}.{name}".lstrip(".")


def as_list(pair):
    """Returns a sequence as a list, or None for None."""
    return None if pair is None else list(pair)


def skipped_entries(skipped):
    """Returns what a report holds of images that could not be read.

    Args:
        skipped: Dict from names, as the file system has them, to reasons.

    Returns:
        List of dicts with the "name" and the "reason", printable, by name. Names differ: a number
        tells apart those that are the same as text.
    """
    names = sorted(skipped)
    return [
        {"name": shown, "reason": printable(skipped[name])}
        for shown, name in zip(distinct(names), names, strict=True)
    ]


def skipped_of(reports):
    """Returns a list of the (name, reason) of what could not be read.

    Args:
        reports: Iterable of `Report`s. What several of them name is there once; files of one name
            that one report names are there each.
    """
    found = collections.Counter()
    for report in reports:
        found |= collections.Counter((one["name"], one["reason"]) for one in report.all_skipped)
    return list(found.elements())


def skipped_line(reports):
    """Returns which files could not be read, or None.

    Args:
        reports: Dict from names to `keras_patchmix.occlusion.Report`s.
    """
    skipped = skipped_of(reports.values())
    if not skipped:
        return None
    named = [f"{name} ({reason})" for name, reason in skipped[:_NAMED]]
    rest = len(skipped) - len(named)
    more = f"; and {rest} more, named in report.html" if rest else ""
    return f"Could not be read: {'; '.join(named)}{more}"


def coverage_digest(coverage):
    """Returns a digest of the coverage of images in their order, as hexadecimal text."""
    return hashlib.sha256(coverage.astype("<f4").tobytes()).hexdigest()
