"""The state of a benchmark in a file, so that one that was interrupted goes on where it was."""

import hashlib
import json
import time
from pathlib import Path

import keras
import numpy as np

from keras_patchmix import _atomic

INTERVAL_SECONDS = 30
_FORMAT = 1


class Backup:
    """A file with the counts of a run so far.

    Args:
        path: Where to keep it; None keeps nothing.
        settings: Dict of JSON values that decide what the counts mean.
    """

    def __init__(self, path, settings):
        self._path = None if path is None else Path(path)
        self._settings = json.loads(json.dumps(settings))
        self._saved = time.monotonic()

    def load(self):
        """Returns the state that an interrupted run left, or None.

        Raises:
            ValueError: The file is of other settings, which the message names, or no backup.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            data = json.loads(self._path.read_text("utf-8"))
            known = data["format"] == _FORMAT
            settings, state = data["settings"], data["state"]
        except (ValueError, TypeError, KeyError):
            known = False
        if not known:
            raise ValueError(
                f"`backup` must be a file that an interrupted evaluation left, or a new one. "
                f"Received: backup={str(self._path)!r}, which is something else"
            )
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
        return state

    def save(self, counts):
        """Writes the counts of a `Passes`, atomically."""
        if self._path is not None:
            data = {"format": _FORMAT, "settings": self._settings, "state": counts.state()}
            _atomic.write_text(self._path, json.dumps(data))
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
