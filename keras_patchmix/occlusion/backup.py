"""The state of a benchmark in a file, so that one that was interrupted goes on where it was."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.printable import printable_values
from keras_patchmix.base.schema import check, conform

INTERVAL_SECONDS = 30
_FORMAT = 2
_KIND = "a backup of an evaluation that was interrupted"


@dataclasses.dataclass(frozen=True)
class Kept:
    """What the file holds."""

    format: int
    settings: dict[str, Any]
    state: dict[str, Any]


class Backup:
    """A file with the counts of a run so far.

    Args:
        path: Where to keep it; None keeps nothing.
        settings: Dict of JSON values that decide what the counts mean.

    Raises:
        ValueError: There can be no such file, since there is a directory.
    """

    def __init__(self, path, settings):
        self._path = None if path is None else Path(path)
        if self._path is not None and self._path.is_dir():
            raise ValueError(
                "`backup` must be the path of a file, new or left by an interrupted run; this is a "
                f"directory. Received: backup={str(path)!r}"
            )
        self._settings = printable_values(json.loads(json.dumps(settings)))
        self._saved = time.monotonic()
        self._most = state_files.MAX_BYTES

    def load(self, read, most_bytes=0):
        """Returns what an interrupted run left, or None.

        Args:
            read: Function from the state, JSON values, to what is returned. It raises
                `keras_patchmix.base.schema.Mismatch` for a state that is none.
            most_bytes: What arrays of the state have at most, where it holds them as base64. The
                file may be larger by twice as much, now and when it is saved. Defaults to `0`.

        Raises:
            keras_patchmix.base.state_files.DamagedFile: The file is damaged or is not a backup.
            ValueError: It is of other settings, which the message names.
        """
        self._most = state_files.MAX_BYTES + 2 * most_bytes
        if self._path is None or not self._path.exists():
            return None
        found = state_files.read_json(self._path, _KIND, self._most)
        with state_files.named(self._path, _KIND):
            known = isinstance(found, dict) and found.get("format") == _FORMAT
            check(known, "format", f"must be {_FORMAT}; other versions of the package have others")
            kept = conform(state_files.unsealed(found, needed=True), Kept)
        self._check_same_run(kept.settings)
        with state_files.named(self._path, _KIND):
            return read(kept.state)

    def _check_same_run(self, settings):
        differing = [
            f"{key}: {settings.get(key)!r} there, {self._settings.get(key)!r} now"
            for key in sorted({*settings, *self._settings})
            if settings.get(key) != self._settings.get(key)
        ]
        if differing:
            raise ValueError(
                f"The evaluation that left the backup {str(self._path)!r} was another one: use the "
                f"same arguments and images, or another `backup`. Received: {'; '.join(differing)}"
            )

    def save(self, counts):
        """Writes the counts of a `Passes`, atomically."""
        if self._path is not None:
            kept = Kept(_FORMAT, self._settings, counts.state())
            state_files.write_json(self._path, dataclasses.asdict(kept), most=self._most)
        self._saved = time.monotonic()

    def save_now_and_then(self, counts):
        """Writes the counts if the last time was `INTERVAL_SECONDS` ago."""
        if self._path is not None and time.monotonic() - self._saved >= INTERVAL_SECONDS:
            self.save(counts)

    def remove(self):
        """Deletes the file, once the report is made."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def digest_of(model):
    """Returns a digest of a Keras model's weights; None for a plain function."""
    if not isinstance(model, keras.Layer):
        return None
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def check_same(outcomes, batch, stop):
    """Raises if examples are not those that an interrupted run scored."""
    part = slice(stop - len(batch.labels), stop)
    same = np.array_equal(outcomes.labels[part], batch.labels) and np.array_equal(
        outcomes.index[part], batch.index
    )
    if not same:
        raise ValueError(
            "`dataset` must come in the order in which it came before the interruption. "
            f"Received: other labels or indices among the examples {part.start} to {part.stop - 1}"
        )
