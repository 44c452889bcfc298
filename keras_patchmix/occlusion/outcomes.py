"""The outcome of every single example: for paired comparisons and rows of classes."""

import base64
import dataclasses
import hashlib
import zlib

import numpy as np

from keras_patchmix.base.schema import Mismatch, check, conform

RIGHT, WRONG, NOT_SCORED, STOPPED = 1, 0, -1, -2
_MOST_BYTES = 2**30  # of the arrays of one report


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """The outcome for every example, in the order of the data set.

    Of a sequential evaluation they are those of the examples that were scored, in the random order
    in which they were taken.

    Attributes:
        labels: int64 array of shape (n,): class ids.
        index: int64 array of shape (n,): identifies each example.
        top1: Dict from a row's name to an int8 array of shape (n,): 1 if the class had the highest
            score, 0 if not, -1 if the model's output was not finite, -2 if the row had stopped.
        pixels: Dict from a row's name to an int64 array of shape (n,): the number of pixels
            affected.
        donors: int64 array of shape (n,): index of the example that foreign patches came from, -1
            once all rows with such patches had stopped; None if there were none.
    """

    labels: np.ndarray
    index: np.ndarray
    top1: dict
    pixels: dict
    donors: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    def to_dict(self):
        """Returns JSON values: little-endian integers, compressed by zlib, as base64 text."""
        return {
            "encoding": "base64 of zlib of little-endian integers of the type before the colon",
            "labels": _packed(self.labels, "int32"),
            "index": _packed(self.index, "int64"),
            "donors": None if self.donors is None else _packed(self.donors, "int64"),
            "top1": {name: _packed(values, "int8") for name, values in self.top1.items()},
            "pixels": {name: _packed(values, "int32") for name, values in self.pixels.items()},
        }

    @classmethod
    def from_dict(cls, data):
        """Reads what `to_dict` returned; raises ValueError for anything else."""
        return unpacked(data)


@dataclasses.dataclass(frozen=True)
class OccludedSet:
    """One split of a set of occluded images, as a model was scored on it.

    Attributes:
        settings: Dict of JSON values: which images were scored, and how. "dataset", "split",
            "version", "max_examples", "choice", "class_names", "class_map", "image_size",
            "num_classes", "n", and digests of the labels, the indices and the coverage.
        outcomes: `Outcomes` of its images. Their pixels are the coverage times the pixels of the
            image scored; empty if the set has no coverage.
        skipped: List of dicts with the "name" and the "reason" of files that could not be read.
    """

    settings: dict
    outcomes: Outcomes
    skipped: list

    def to_dict(self):
        """Returns JSON values."""
        return {
            "settings": self.settings,
            "skipped": self.skipped,
            "outcomes": self.outcomes.to_dict(),
        }


@dataclasses.dataclass(frozen=True)
class _Packed:
    """The JSON values that `Outcomes.to_dict` returns."""

    encoding: str
    labels: str
    index: str
    donors: str | None
    top1: dict[str, str]
    pixels: dict[str, str]


def unpacked(data, examples=None):
    """Returns the `Outcomes` of JSON values.

    Arrays are unpacked up to the number of examples only, so that a small file cannot take much
    memory.

    Args:
        data: As of `Outcomes.to_dict`.
        examples: Number of examples; None if it is unknown.

    Raises:
        Mismatch: The values are something else, arrays of other lengths, or out of range.
    """
    packed = conform(data, _Packed, "outcomes")
    columns = len(packed.top1) + len(packed.pixels)
    most = _MOST_BYTES // (3 * 8 + 8 * columns)
    check(examples is None or examples <= most, "outcomes", f"more than {most} examples")
    labels = _unpacked(packed.labels, "int32", "labels", examples, most).astype(np.int64)
    check(not np.any(labels < 0), "outcomes.labels", "a label is below 0")

    def column(text, dtype, name):
        return _unpacked(text, dtype, name, len(labels), most)

    top1, pixels = {}, {}
    for name, text in packed.top1.items():
        top1[name] = column(text, "int8", f"top1.{name}")
        known = np.isin(top1[name], (RIGHT, WRONG, NOT_SCORED, STOPPED))
        check(np.all(known), f"outcomes.top1.{name}", "must hold 1, 0, -1 and -2 alone")
    for name, text in packed.pixels.items():
        pixels[name] = column(text, "int32", f"pixels.{name}").astype(np.int64)
        check(not np.any(pixels[name] < 0), f"outcomes.pixels.{name}", "a number is below 0")
    check(not set(pixels) - set(top1), "outcomes.pixels", "has rows that top1 lacks")
    index = column(packed.index, "int64", "index")
    donors = None if packed.donors is None else column(packed.donors, "int64", "donors")
    return Outcomes(labels, index, top1, pixels, donors)


def common_examples(a, b):
    """Finds the examples of two `Outcomes` that are the same, by their index.

    Returns:
        Two int arrays: places in `a`, ascending, and in `b`. None if the same index has two labels,
        or stands for two examples.
    """
    order = np.argsort(b.index, kind="stable")
    known = b.index[order]
    if len(np.unique(a.index)) < len(a) or np.any(known[1:] == known[:-1]) or not len(b):
        return None
    places = np.searchsorted(known, a.index) % len(b)
    first = np.flatnonzero(known[places] == a.index)
    second = order[places[first]]
    return (first, second) if np.array_equal(a.labels[first], b.labels[second]) else None


def same_pixels(a, b, name, places):
    """Whether as many pixels of each example are affected in a row of two `Outcomes`.

    Args:
        a: `Outcomes`.
        b: `Outcomes`.
        name: Name of the row.
        places: What `common_examples` returned.
    """
    scored = [each.top1[name][place] >= WRONG for each, place in zip((a, b), places, strict=True)]
    both = scored[0] & scored[1]
    pixels = [each.pixels[name][place] for each, place in zip((a, b), places, strict=True)]
    return np.array_equal(pixels[0][both], pixels[1][both])


def examples_digest(labels, index):
    """Returns a digest of a set of examples, independent of their order, as hexadecimal text.

    Args:
        labels: int array of shape (n,).
        index: int array of shape (n,).
    """
    order = np.argsort(index, kind="stable")
    digest = hashlib.sha256()
    for part in (index, labels):
        digest.update(np.asarray(part)[order].astype("<i8").tobytes())
    return digest.hexdigest()


def _packed(values, dtype):
    data = np.asarray(values).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    return f"{dtype}:{base64.b64encode(zlib.compress(data, 9)).decode('ascii')}"


def _unpacked(text, dtype, name, count, most):
    """Returns an array of `count` numbers, or of up to `most` if `count` is None."""
    place, size = f"outcomes.{name}", np.dtype(dtype).itemsize
    kind, _, data = text.partition(":")
    check(kind == dtype, place, f"must begin with {dtype}:")
    limit = size * (most if count is None else count)
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(base64.b64decode(data, validate=True), limit + 1)
    except (ValueError, zlib.error) as error:
        raise Mismatch(place, f"cannot be unpacked ({error})") from error
    check(len(data) <= limit, place, f"must hold {limit // size} numbers, and holds more")
    check(reader.eof and not reader.unused_data, place, "is cut off, or goes on after its end")
    check(len(data) % size == 0, place, "holds a part of a number")
    check(count is None or len(data) == limit, place, f"must hold {limit // size} numbers")
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype)
