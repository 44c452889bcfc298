"""The directory of a callback: a file such as `occlusion.jsonl`, one JSON line an epoch."""

import contextlib
import itertools
import json
import os
from pathlib import Path
from typing import TypedDict

from keras_patchmix.base import atomic, state_files
from keras_patchmix.base.schema import check, conform


class _Measured(TypedDict, total=False):
    seconds: float
    share_of_epoch: float | None
    n: int
    n_nonfinite: int
    seed: int
    labels_sha256: str
    examples_sha256: str
    sets_sha256: dict[str, str]
    finite: bool
    noise: float | None


class Line(_Measured):
    """The content of a line. Other keys are allowed."""

    epoch: int
    values: dict[str, float]


class EpochLines:
    """A file of one line an epoch, written as a whole.

    Args:
        path: Path of the file.
        owner: Name of the callback that writes it, for messages.
    """

    def __init__(self, path, owner):
        self.path = self._first = Path(path)
        self._kind = f"a file of {owner}"

    def before(self, epoch):
        """Returns the entries of earlier epochs, in order.

        Raises:
            ValueError: The file is damaged, or is of another kind; the message names it.
        """
        if not self.path.exists():
            return []
        try:
            lines = state_files.read_text(self.path, self._kind).splitlines()
            with state_files.named(self.path, self._kind):
                entries = [
                    conform(state_files.parse_json(line), Line, f"line {number}")
                    for number, line in enumerate(lines, start=1)
                ]
                epochs = [entry["epoch"] for entry in entries]
                rising = epochs == sorted(set(epochs)) and min(epochs, default=0) >= 0
                check(rising, "", "the epochs of its lines do not rise")
        except state_files.DamagedFile as error:
            raise error.advised("Move it away or choose another `directory`") from error
        return [entry for entry in entries if entry["epoch"] < epoch]

    def claim(self):
        """Moves to the first folder `copy_1`, `copy_2`, ... without such a file, and returns it."""
        for number in itertools.count(1):
            path = self._first.parent / f"copy_{number}" / self._first.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                path.touch(exist_ok=False)  # of several processes one has it
                self.path = path
                return path.parent

    def write(self, entries):
        """Writes all entries, atomically."""
        atomic.write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in entries))


def check_directory(directory, names, to_write):
    """Raises if files cannot be written to a directory. The directory need not exist.

    Args:
        directory: Path of the directory.
        names: Names of the files.
        to_write: Whether this process writes them.

    Raises:
        ValueError: The directory, or one of its parents, is a file; or one of the files is a
            directory.
        PermissionError: It may not be written to.
    """
    directory = Path(directory)
    parents = (directory, *directory.absolute().parents)
    existing = next(path for path in parents if os.path.lexists(path))
    if not existing.is_dir():
        raise ValueError(
            "`directory` must be that of the callback's files, or one that can be made. Received: "
            f"directory={str(directory)!r}, and {str(existing)!r} is no directory"
        )
    for name in names:
        if (directory / name).is_dir():
            raise ValueError(
                f"`directory` must have room for a file {name!r}. "
                f"Received: directory={str(directory)!r}, where that is a directory"
            )
    if to_write and not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`directory` must be writable. Received: directory={str(directory)!r}, and "
            f"{str(existing)!r} may not be written to"
        )
