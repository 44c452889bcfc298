"""What has been explained so far, in a form that a backup keeps."""

import base64

import numpy as np

from keras_patchmix.base import array_files
from keras_patchmix.base.schema import Mismatch, check, conform
from keras_patchmix.explain import map_archive


class Measured:
    """Rows of JSON values, and arrays of some of the images that they are about.

    It is what `keras_patchmix.occlusion.backup.Backup` saves: an object with a `state`.

    Args:
        row: The type of a row, see `keras_patchmix.base.schema.conform`.
        kinds: Dict from names of arrays, "maps" among them, to (shape, dtype) of one image.
        most: Of how many images, the first ones, arrays are kept.

    Attributes:
        rows: List of dicts of JSON values, one for each image.
        arrays: Dict from names to lists of arrays, of the first so many images.
    """

    def __init__(self, row, kinds, most):
        self._row, self._kinds, self._most = row, kinds, most
        self.rows, self.arrays = [], {}

    @property
    def most_bytes(self):
        """What the arrays in its state have at most, in bytes."""
        return self._most * map_archive.bytes_of(self._kinds)

    def add(self, rows, arrays):
        """Takes in further images.

        Args:
            rows: List of dicts.
            arrays: Dict from names to arrays of shape (len(rows), ...).
        """
        self.rows += rows
        for name, values in arrays.items():
            kept = self.arrays.setdefault(name, [])
            kept.extend(values[: max(0, self._most - len(kept))])

    def stacked(self):
        """Returns a dict from names to arrays of shape (N, ...), without those of no image."""
        return {name: np.stack(values) for name, values in self.arrays.items() if values}

    def state(self):
        """Returns everything as a dict of JSON values, arrays bit by bit."""
        data = array_files.to_bytes(self.stacked())
        return {"rows": self.rows, "arrays": base64.b64encode(data).decode()}

    def of_state(self, state):
        """Returns what `state` was taken of, where that was declared as this one is.

        Args:
            state: JSON values.

        Raises:
            keras_patchmix.base.schema.Mismatch: They are something else.
        """
        found = Measured(self._row, self._kinds, self._most)
        check(sorted(state) == ["arrays", "rows"], "state", "must hold rows and arrays")
        found.rows = conform(state["rows"], list[self._row], "rows")
        try:
            data = base64.b64decode(conform(state["arrays"], str, "arrays"), validate=True)
        except ValueError as error:
            raise Mismatch("arrays", str(error)) from error
        arrays = array_files.from_bytes(data, self.most_bytes)
        count = min(len(found.rows), self._most)
        if count or arrays:
            map_archive.check_arrays(arrays, self._kinds, count)
        found.arrays = {name: list(values) for name, values in arrays.items()}
        return found
