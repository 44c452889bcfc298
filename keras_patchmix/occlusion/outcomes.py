"""What happened to every single example: for paired comparisons, and for the rows of classes."""

import base64
import dataclasses
import hashlib
import zlib

import numpy as np

from keras_patchmix.base.schema import Mismatch, check, conform

RIGHT, WRONG, NOT_SCORED = 1, 0, -1
_MOST_BYTES = 2**30  # of the arrays of one report


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """The outcome for every example, in the order of the data set.

    Attributes:
        labels: int64 array of shape (n,): class ids.
        index: int64 array of shape (n,): what identifies each example.
        top1: Dict from a row's name to an int8 array of shape (n,): 1 where the class had the
            highest score, 0 where not, -1 where the model's output was not finite.
        pixels: Dict from a row's name to an int64 array of shape (n,): the pixels affected.
        donors: int64 array of shape (n,): the index of the example that foreign patches came from;
            None where there were none.
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
        """Reads what `to_dict` returned.

        Raises:
            ValueError: It is something else.
        """
        return unpacked(data)


@dataclasses.dataclass(frozen=True)
class Packed:
    """The JSON values that `Outcomes.to_dict` returns."""

    encoding: str
    labels: str
    index: str
    donors: str | None
    top1: dict[str, str]
    pixels: dict[str, str]


def unpacked(data, examples=None):
    """Returns the `Outcomes` that JSON values hold.

    No more is unpacked than the number of examples allows, so that a small file which claims much
    costs no memory.

    Args:
        data: As of `Outcomes.to_dict`.
        examples: Number of examples; None where only the data tell.

    Raises:
        Mismatch: Something else, arrays of other lengths, or values out of range.
    """
    packed = conform(data, Packed, "outcomes")
    columns = len(packed.top1) + len(packed.pixels)
    most = _MOST_BYTES // (3 * 8 + 8 * columns)
    check(examples is None or examples <= most, "outcomes", f"more than {most} examples")
    labels = _unpacked(packed.labels, "int32", "labels", examples, most)
    one = {"count": len(labels), "most": most}
    found = Outcomes(
        labels.astype(np.int64),
        _unpacked(packed.index, "int64", "index", **one),
        {
            name: _unpacked(text, "int8", f"top1.{name}", **one)
            for name, text in packed.top1.items()
        },
        {
            name: _unpacked(text, "int32", f"pixels.{name}", **one).astype(np.int64)
            for name, text in packed.pixels.items()
        },
        None if packed.donors is None else _unpacked(packed.donors, "int64", "donors", **one),
    )
    _check_values(found)
    return found


def _check_values(outcomes):
    check(not np.any(outcomes.labels < 0), "outcomes.labels", "a label is below 0")
    for name, values in outcomes.top1.items():
        known = np.isin(values, (RIGHT, WRONG, NOT_SCORED))
        check(np.all(known), f"outcomes.top1.{name}", "must hold 1, 0 and -1 alone")
    for name, values in outcomes.pixels.items():
        check(not np.any(values < 0), f"outcomes.pixels.{name}", "a number is below 0")
    check(
        not set(outcomes.pixels) - set(outcomes.top1), "outcomes.pixels", "has rows that top1 lacks"
    )


def examples_digest(labels, index):
    """Returns a digest of which examples these are, whatever their order, as hexadecimal text.

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
    """Returns an array of the type, and of `count` numbers, or up to `most` where that is None."""
    place, size = f"outcomes.{name}", np.dtype(dtype).itemsize
    kind, _, data = text.partition(":")
    check(kind == dtype, place, f"must begin with {dtype}:")
    limit = size * (most if count is None else count)
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(base64.b64decode(data, validate=True), limit + 1)
    except (ValueError, zlib.error) as error:
        raise Mismatch(place, f"cannot be unpacked ({error})") from error
    check(len(found) <= limit, place, f"must hold {limit // size} numbers, and holds more")
    check(reader.eof and not reader.unused_data, place, "is cut off, or goes on after its end")
    check(len(found) % size == 0, place, "holds a part of a number")
    check(count is None or len(found) == limit, place, f"must hold {limit // size} numbers")
    return np.frombuffer(found, np.dtype(dtype).newbyteorder("<")).astype(dtype)
