"""The file `metrics.csv`: one row for each epoch, whatever happened in between."""

import re
from pathlib import Path

import keras

from keras_patchmix import _atomic, _csv_text, _state_files
from keras_patchmix._names import say
from keras_patchmix._schema import check

_NAMED = 5
_KIND = "a file of metrics, one row an epoch"
_NUMBER = re.compile(r"nan|-?inf|-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


class MetricsFile(keras.callbacks.Callback):
    """Writes the logs of every epoch as a row of a CSV file, which is always whole.

    Unlike `keras.callbacks.CSVLogger` it neither doubles nor loses rows in a run that goes on: rows
    from its first epoch on give way to those of the epochs that are run again.

    Args:
        path: Where the file is or will be.
        writes: Whether this process writes it. Defaults to `True`.
    """

    def __init__(self, path, writes=True):
        super().__init__()
        self._path, self._writes = Path(path), writes
        self._rows = None

    def on_epoch_begin(self, epoch, logs=None):
        """Takes up the rows of earlier epochs, and says where they are gone."""
        if self._rows is None:
            self._rows = [row for row in read(self._path) if row["epoch"] < epoch]
            missing = sorted(set(range(epoch)) - {row["epoch"] for row in self._rows})
            if missing and self._writes:
                which = ", ".join(map(str, missing[:_NAMED]))
                more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
                say(f"{self._path} has lost the lines of earlier epochs: {which}{more}")

    def on_epoch_end(self, epoch, logs=None):
        """Writes all rows, this epoch's the last."""
        values = {name: float(value) for name, value in sorted((logs or {}).items())}
        self._rows.append({"epoch": epoch, **values})
        if self._writes:
            names = dict.fromkeys(name for row in self._rows for name in row)
            _atomic.write_text(self._path, _csv_text.write(names, self._rows))


def read(path):
    """Reads the file.

    Args:
        path: Where it is or will be.

    Returns:
        List of dicts in the order of epochs: "epoch" is a whole number, the others are floats, or
        None where an epoch has no such value. An empty list if the file does not exist.

    Raises:
        ValueError: The file is damaged, or holds something else; the message names it.
    """
    if not Path(path).exists():
        return []
    text = _state_files.read_text(path, _KIND)
    with _state_files.named(path, _KIND):
        rows = [_numbers(row) for row in _csv_text.read(text)]
        epochs = [row["epoch"] for row in rows]
        check(epochs == sorted(set(epochs)), "epoch", "the epochs of its lines do not rise")
    return rows


def has_epoch(path, epoch):
    """Whether the file has a row of this epoch."""
    return any(row["epoch"] == epoch for row in read(path))


def _numbers(row):
    epoch = row.get("epoch", "")
    check(re.fullmatch("[0-9]{1,9}", epoch), "epoch", f"must be whole numbers, not {epoch[:20]!r}")
    values = {name: _number(name, cell) for name, cell in row.items() if name != "epoch"}
    return {"epoch": int(epoch), **values}


def _number(name, cell):
    if cell == "":
        return None
    check(_NUMBER.fullmatch(cell), name, f"must be numbers, not {cell[:20]!r}")
    return float(cell)
