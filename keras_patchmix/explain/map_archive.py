"""Images and their maps in files: archives, and the state of a run that was interrupted."""

import base64
import binascii
import hashlib
import math

import numpy as np

from keras_patchmix.base import array_files, atomic, state_files
from keras_patchmix.base.schema import Mismatch, check, conform

KIND = "an archive of images and maps"
_MAX_BYTES = 2**30  # of the arrays of a file
_MAX_FILE_BYTES = _MAX_BYTES + _MAX_BYTES // 100  # arrays that do not compress grow by less
_MAX_IMAGES = 10_000  # keeps curves and names within the limits of JSON files


def max_images(height, width):
    """Returns the largest number of images of a size that fit into one archive."""
    return min(_MAX_IMAGES, _MAX_BYTES // _bytes_per_image(_specs((height, width))))


def write(path, arrays):
    """Writes an archive atomically.

    Args:
        path: Path of the file.
        arrays: Dict with "images" uint8 (N, H, W, 3), "maps" float32 (N, H, W) and, where it is
            known what is out of context, "masks" booleans (N, H, W).

    Returns:
        The SHA-256 of the file in hexadecimal digits.

    Raises:
        ValueError: There are more than `max_images`.
    """
    count, height, width = arrays["maps"].shape
    most = max_images(height, width)
    if count > most:
        raise ValueError(
            f"`arrays` must be of at most {most} images of {height}x{width}. Received: {count}"
        )
    data = array_files.to_bytes(arrays, compressed=True)
    atomic.write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def read(path, counts, sha256=None, masks=False):
    """Reads what `write` wrote.

    Args:
        path: Path of the file.
        counts: Range of the numbers of images that are allowed.
        sha256: What `write` returned. `None` accepts any file. Defaults to `None`.
        masks: Whether there must be masks. Defaults to `False`.

    Returns:
        Dict from names to arrays.

    Raises:
        keras_patchmix.base.state_files.DamagedFile: The file is damaged, or holds something else.
        OSError: It is missing, or cannot be read.
    """
    data = state_files.read_bytes(path, KIND, _MAX_FILE_BYTES)
    with state_files.named(path, KIND):
        same = sha256 in (None, hashlib.sha256(data).hexdigest())
        check(same, "", "the other files were written with another one")
        arrays = array_files.from_bytes(data, _MAX_BYTES)
        check("images" in arrays, "arrays", "must hold images")
        shape = arrays["images"].shape
        check(len(shape) == 4 and shape[0] in counts, "images", "not of as many images as rows")
        specs = _specs(shape[1:3])
        if not masks and "masks" not in arrays:
            del specs["masks"]
        _check_arrays(arrays, specs, shape[0])
    return arrays


class PartialResults:
    """Rows of all images so far, and arrays of the first ones, for a `Backup`.

    Args:
        row: The type of a row, see `keras_patchmix.base.schema.conform`.
        specs: Dict from names of arrays, "maps" among them, to (shape, dtype) of one image.
        max_arrays: Integer, how many images arrays are kept of.

    Attributes:
        rows: List of dicts of JSON values, one for each image.
    """

    def __init__(self, row, specs, max_arrays):
        self._row, self._specs, self._max_arrays = row, specs, max_arrays
        self.rows, self._arrays = [], {}

    @property
    def max_bytes(self):
        """The largest size of the arrays."""
        return self._max_arrays * _bytes_per_image(self._specs)

    def add(self, rows, arrays):
        """Adds the rows of images, and a dict from names to arrays of shape (len(rows), ...)."""
        self.rows += rows
        for name, values in arrays.items():
            kept = self._arrays.setdefault(name, [])
            kept.extend(values[: max(0, self._max_arrays - len(kept))])

    def arrays(self):
        """Returns a dict from names to arrays of shape (N, ...), empty where there are none."""
        return {name: np.stack(values) for name, values in self._arrays.items() if values}

    def state(self):
        """Returns everything as a dict of JSON values, arrays bit by bit."""
        data = array_files.to_bytes(self.arrays())
        return {"rows": self.rows, "arrays": base64.b64encode(data).decode()}

    def from_state(self, state):
        """Returns what `state` returned as results, or raises `Mismatch` for something else."""
        results = PartialResults(self._row, self._specs, self._max_arrays)
        check(sorted(state) == ["arrays", "rows"], "state", "must hold rows and arrays")
        results.rows = conform(state["rows"], list[self._row], "rows")
        text = conform(state["arrays"], str, "arrays")
        try:
            data = base64.b64decode(text.encode(), validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise Mismatch("arrays", "must be base64") from error
        arrays = array_files.from_bytes(data, self.max_bytes)
        count = min(len(results.rows), self._max_arrays)
        if count or arrays:
            _check_arrays(arrays, self._specs, count)
        results._arrays = {name: list(values) for name, values in arrays.items()}
        return results


def _specs(size):
    return {"images": ((*size, 3), np.uint8), "maps": (size, np.float32), "masks": (size, np.bool_)}


def _bytes_per_image(specs):
    return sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in specs.values())


def _check_arrays(arrays, specs, count):
    check(set(arrays) == set(specs), "arrays", f"must be {sorted(specs)}")
    for name, (shape, dtype) in specs.items():
        values, wanted = arrays[name], (count, *shape)
        same = values.shape == wanted and values.dtype == dtype
        check(same, name, f"must be {np.dtype(dtype).name} of shape {wanted}")
    check(bool(np.isfinite(arrays["maps"]).all()), "maps", "a number is not finite")
