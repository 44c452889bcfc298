"""What has been explained so far, in a form that a backup keeps."""

import base64
from typing import Any

import numpy as np

from keras_patchmix import _array_files
from keras_patchmix._schema import Mismatch, check, conform


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
        data = _array_files.to_bytes(self.stacked())
        return {"rows": self.rows, "arrays": base64.b64encode(data).decode()}

    @classmethod
    def of_state(cls, state, row=dict[str, Any]):
        """Returns what `state` was taken of.

        Args:
            state: JSON values.
            row: The type of a row, see `keras_patchmix._schema.conform`.

        Raises:
            keras_patchmix._schema.Mismatch: They are something else.
        """
        found = cls()
        check(sorted(state) == ["arrays", "rows"], "state", "must hold rows and arrays")
        found.rows = conform(state["rows"], list[row], "rows")
        try:
            data = base64.b64decode(conform(state["arrays"], str, "arrays"), validate=True)
        except ValueError as error:
            raise Mismatch("arrays", str(error)) from error
        arrays = _array_files.from_bytes(data, len(data))  # it is not compressed
        lengths = {len(values) if values.ndim else -1 for values in arrays.values()}
        within = len(lengths) <= 1 and all(0 <= n <= len(found.rows) for n in lengths)
        check(within, "arrays", "must be of the first so many rows")
        found.arrays = {name: list(values) for name, values in arrays.items()}
        return found
