"""Files that hold the whole state of a training, each of them either complete or not there.

A file is a line of its format, a line of JSON, the bytes of all arrays one after the other, and
the SHA-256 of all that. Keras' own files would not do: they leave out the counters of
`SeedGenerator`s and the state of metrics.
"""

import hashlib
import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_patchmix import _atomic
from keras_patchmix._schema import check, conform
from keras_patchmix._state_files import parse_json

_FORMAT = b"keras_patchmix checkpoint 1\n"
_DIGEST = hashlib.sha256().digest_size
_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after some steps.

    Attributes:
        epoch: The epoch, counted from 0.
        step: Steps of that epoch that are done, from 0 to all of them.
        arrays: Dict from names to NumPy arrays.
        settings: Dict of JSON values, such as versions of packages.
    """

    epoch: int
    step: int
    arrays: dict
    settings: dict


@dataclass(frozen=True)
class _Array:
    name: str
    dtype: str
    shape: list[int]


@dataclass(frozen=True)
class _Header:
    epoch: int
    step: int
    settings: dict[str, Any]
    arrays: list[_Array]


class DamagedCheckpoint(ValueError):
    """A file that is no checkpoint, or not a whole one."""


class CheckpointFolder:
    """The checkpoints of one training; the last two are kept.

    Args:
        path: The folder, made when the first one is written.
    """

    def __init__(self, path):
        self.path = Path(path)

    def files(self):
        """Returns the paths of the checkpoints, newest first."""
        return sorted(self.path.glob("step-*.ckpt"), reverse=True)

    def save(self, checkpoint, global_step):
        """Writes a checkpoint atomically, then deletes those before the last two.

        Args:
            checkpoint: A `Checkpoint`.
            global_step: Steps of the whole training that are done.

        Returns:
            The path of the file.
        """
        path = self.path / f"step-{global_step:09d}.ckpt"
        _atomic.write_bytes(path, encode(checkpoint))
        for old in self.files()[_KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def load(self):
        """Returns the newest checkpoint that is whole, or None where there is none.

        Warns:
            UserWarning: A newer one is damaged; it is left out, and deleted.
        """
        for path in self.files():
            try:
                return decode(path.read_bytes())
            except DamagedCheckpoint as error:
                warnings.warn(
                    f"The checkpoint {str(path)!r} is damaged ({error}): training goes on from "
                    "the one before, or from the start.",
                    stacklevel=2,
                )
                path.unlink()
        return None

    def remove_leftovers(self):
        """Deletes half-written files that a process which was killed left."""
        for path in self.path.glob(".step-*.tmp"):
            path.unlink(missing_ok=True)


def encode(checkpoint):
    """Returns the bytes of a `Checkpoint`."""
    values = [np.ascontiguousarray(value) for value in checkpoint.arrays.values()]
    header = {
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "settings": checkpoint.settings,
        "arrays": [
            {"name": name, "dtype": value.dtype.name, "shape": np.shape(original)}
            for (name, original), value in zip(checkpoint.arrays.items(), values, strict=True)
        ],
    }
    parts = [_FORMAT, json.dumps(header).encode() + b"\n", *(value.tobytes() for value in values)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest()])


def decode(data):
    """Returns the `Checkpoint` that `encode` made bytes of.

    Raises:
        DamagedCheckpoint: The bytes are something else, or not all of them.
    """
    if not data.startswith(_FORMAT):
        raise DamagedCheckpoint("it does not begin as one")
    body = memoryview(data)[:-_DIGEST]
    if hashlib.sha256(body).digest() != data[-_DIGEST:]:
        raise DamagedCheckpoint("its content does not match its checksum")
    end = data.find(b"\n", len(_FORMAT)) + 1
    try:
        header = conform(parse_json(data[len(_FORMAT) : end].decode("utf-8")), _Header)
        arrays = {}
        for entry in header.arrays:
            check(min(entry.shape, default=0) >= 0, entry.name, "no shape of an array")
            dtype, size = _dtype(entry.dtype), math.prod(entry.shape)
            value = np.frombuffer(body, dtype, size, end)
            arrays[entry.name] = value.reshape(entry.shape)
            end += value.nbytes
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedCheckpoint(str(error)) from error
    return Checkpoint(header.epoch, header.step, arrays, header.settings)


def _dtype(name):
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes  # bfloat16 and its kind, which NumPy does not know by itself

        return np.dtype(getattr(ml_dtypes, name))
