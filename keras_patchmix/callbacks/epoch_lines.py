"""A file such as `occlusion.jsonl`: one JSON line for each epoch that was scored."""

import json
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
    """What a line holds; there may be more."""

    epoch: int
    values: dict[str, float]


class EpochLines:
    """Lines of a file, one an epoch; the file is always whole.

    Args:
        path: Where the file is or will be.
        owner: Name of the callback that writes it, for messages.
    """

    def __init__(self, path, owner):
        self.path = Path(path)
        self._owner = owner

    def before(self, epoch):
        """Returns the entries of earlier epochs, in order.

        Entries from this epoch on are of a time line that was given up.

        Raises:
            ValueError: The file is damaged, or holds something else; the message names it.
        """
        if not self.path.exists():
            return []
        try:
            entries = self._read()
        except state_files.DamagedFile as error:
            advice = "Move it away or choose another `directory`"
            raise error.advised(advice) from error
        return [entry for entry in entries if entry["epoch"] < epoch]

    def _read(self):
        kind = f"a file of {self._owner}"
        lines = state_files.read_text(self.path, kind).splitlines()
        with state_files.named(self.path, kind):
            entries = [
                conform(state_files.parse_json(line), Line, f"line {number}")
                for number, line in enumerate(lines, start=1)
            ]
            epochs = [entry["epoch"] for entry in entries]
            rising = epochs == sorted(set(epochs)) and min(epochs, default=0) >= 0
            check(rising, "", "the epochs of its lines do not rise")
        return entries

    def write(self, entries):
        """Writes all entries, atomically."""
        atomic.write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in entries))
