"""A file such as `occlusion.jsonl`: one JSON line for each epoch that was scored."""

import json
from pathlib import Path

from keras_patchmix import _atomic


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
            ValueError: The file holds something else.
        """
        if not self.path.exists():
            return []
        try:
            lines = [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]
            lines = sorted(lines, key=lambda entry: entry["epoch"])
            return [entry for entry in lines if entry["epoch"] < epoch]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self.path} is not a file of {self._owner}: move it away or choose "
                "another `directory`."
            ) from error

    def write(self, entries):
        """Writes all entries, atomically."""
        _atomic.write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in entries))
