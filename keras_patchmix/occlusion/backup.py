"""The state of a benchmark in a file, from which an interrupted one resumes."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.printable import printable_values
from keras_patchmix.base.schema import check, conform

INTERVAL_SECONDS = 30
_FORMAT = 2
_KIND = "a backup of an evaluation that was interrupted"


@dataclasses.dataclass(frozen=True)
class _Content:
    """The JSON values of the file."""

    format: int
    settings: dict[str, Any]
    state: dict[str, Any]


class Backup:
    """A file with the counts of a run so far.

    Args:
        path: Path of the file, or None for no file.
        settings: Dict of JSON values that the counts depend on.

    Raises:
        ValueError: The path is a directory.
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
        self._most_bytes = state_files.MAX_BYTES

    def load(self, read, most_bytes=0):
        """Returns the state that an interrupted run left, or None.

        Args:
            read: Function from the state, JSON values, to what is returned. It raises
                `keras_patchmix.base.schema.Mismatch` for a malformed state.
            most_bytes: Size limit of arrays in the state, which are base64 text. It raises the
                limit of the file by twice as much, also for `save`. Defaults to `0`.

        Raises:
            keras_patchmix.base.state_files.DamagedFile: The file is damaged or is not a backup.
            ValueError: The backup is of other settings; the message lists them.
        """
        self._most_bytes = state_files.MAX_BYTES + 2 * most_bytes
        if self._path is None or not self._path.exists():
            return None
        values = state_files.read_json(self._path, _KIND, self._most_bytes)
        with state_files.named(self._path, _KIND):
            known = isinstance(values, dict) and values.get("format") == _FORMAT
            check(known, "format", f"must be {_FORMAT}; other versions of the package have others")
            content = conform(state_files.unsealed(values, needed=True), _Content)
        differing = [
            f"{key}: {content.settings.get(key)!r} there, {self._settings.get(key)!r} now"
            for key in sorted({*content.settings, *self._settings})
            if content.settings.get(key) != self._settings.get(key)
        ]
        if differing:
            raise ValueError(
                f"The evaluation that left the backup {str(self._path)!r} was another one: use the "
                f"same arguments and images, or another `backup`. Received: {'; '.join(differing)}"
            )
        with state_files.named(self._path, _KIND):
            return read(content.state)

    def save(self, counts):
        """Writes the counts, atomically.

        Args:
            counts: An object whose method `state` returns a dict of JSON values.
        """
        if self._path is not None:
            content = _Content(_FORMAT, self._settings, counts.state())
            state_files.write_json(self._path, dataclasses.asdict(content), most=self._most_bytes)
        self._saved = time.monotonic()

    def save_now_and_then(self, counts):
        """Writes the counts if `INTERVAL_SECONDS` have passed since the last time."""
        if self._path is not None and time.monotonic() - self._saved >= INTERVAL_SECONDS:
            self.save(counts)

    def remove(self):
        """Deletes the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def digest_of(model):
    """Returns the SHA-256 digest of a model's weights, or None for a plain function.

    Args:
        model: A Keras model, a `torch.nn.Module`, or a function.
    """
    if isinstance(model, keras.Layer):
        weights = map(keras.ops.convert_to_numpy, model.weights)
    elif hasattr(model, "state_dict"):
        weights = (to_numpy(value) for value in model.state_dict().values())
    else:
        return None
    digest = hashlib.sha256()
    for weight in weights:
        value = np.ascontiguousarray(weight)
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
