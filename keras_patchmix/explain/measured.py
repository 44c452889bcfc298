"""What has been explained so far, in a form that a backup keeps."""

import base64
import io

import numpy as np


class Measured:
    """Rows of JSON values, and arrays of some of the images that they are about.

    It is what `keras_patchmix.occlusion.backup.Backup` saves: an object with a `state`.

    Attributes:
        rows: List of dicts of JSON values, one for each image.
        arrays: Dict from names to lists of arrays, of the first so many images.
    """

    def __init__(self):
        self.rows, self.arrays = [], {}

    def add(self, rows, arrays, most=None):
        """Takes in further images.

        Args:
            rows: List of dicts.
            arrays: Dict from names to arrays of shape (len(rows), ...).
            most: Of how many images arrays are kept in all; None is of all.
        """
        self.rows += rows
        for name, values in arrays.items():
            kept = self.arrays.setdefault(name, [])
            kept.extend(values if most is None else values[: max(0, most - len(kept))])

    def stacked(self):
        """Returns a dict from names to arrays of shape (N, ...), without those of no image."""
        return {name: np.stack(values) for name, values in self.arrays.items() if values}

    def state(self):
        """Returns everything as a dict of JSON values, arrays bit by bit."""
        file = io.BytesIO()
        np.savez(file, **self.stacked())
        return {"rows": self.rows, "arrays": base64.b64encode(file.getvalue()).decode()}

    @classmethod
    def of_state(cls, state):
        """Returns what `state` was taken of; nothing yet for None."""
        found = cls()
        if state is not None:
            found.rows = state["rows"]
            with np.load(io.BytesIO(base64.b64decode(state["arrays"]))) as arrays:
                found.arrays = {name: list(arrays[name]) for name in arrays.files}
        return found
