"""Images and their maps in a file, and in the state of a run: what arrays there must be."""

import hashlib
import math

import numpy as np

from keras_patchmix.base import array_files, atomic, state_files
from keras_patchmix.base.schema import check

KIND = "an archive of images and maps"
_MOST_BYTES = 2**30  # of the arrays of a file
_MOST_FILE = _MOST_BYTES + _MOST_BYTES // 100  # what cannot be compressed grows by less than that
_MOST_IMAGES = 10_000  # so that curves and names stay within the limits of JSON files


def most_images(height, width):
    """Returns of how many images of a size there may be maps in one archive."""
    return min(_MOST_IMAGES, _MOST_BYTES // bytes_of(_kinds((height, width))))


def bytes_of(kinds):
    """Returns the bytes of the arrays of one image.

    Args:
        kinds: Dict from names to (shape, dtype) of one image.
    """
    return sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in kinds.values())


def check_arrays(arrays, kinds, count):
    """Checks arrays of images.

    Args:
        arrays: Dict from names to arrays.
        kinds: Dict from names to (shape, dtype) of one image.
        count: Of how many images they must be.

    Raises:
        keras_patchmix.base.schema.Mismatch: There are others, or they are something else.
    """
    check(set(arrays) == set(kinds), "arrays", f"must be {sorted(kinds)}")
    for name, (shape, dtype) in kinds.items():
        values, wanted = arrays[name], (count, *shape)
        same = values.shape == wanted and values.dtype == dtype
        check(same, name, f"must be {np.dtype(dtype).name} of shape {wanted}")
    check(bool(np.isfinite(arrays["maps"]).all()), "maps", "a number is not finite")


def write(path, arrays):
    """Writes an archive atomically.

    Args:
        path: Where to write.
        arrays: Dict with "images" uint8 (N, H, W, 3), "maps" float32 (N, H, W) and, where it is
            known what is out of context, "masks" booleans (N, H, W).

    Returns:
        The SHA-256 of the file in hexadecimal digits.

    Raises:
        ValueError: They are of more than `most_images`.
    """
    count, height, width = arrays["maps"].shape
    most = most_images(height, width)
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
        path: The file.
        counts: Range of integers: of how many images the arrays may be.
        sha256: What `write` returned. None takes any file.
        masks: Whether there must be masks. Defaults to `False`.

    Returns:
        Dict from names to arrays.

    Raises:
        keras_patchmix.base.state_files.DamagedFile: The file is damaged, or holds something else.
        OSError: It is not there, or cannot be read.
    """
    data = state_files.read_bytes(path, KIND, _MOST_FILE)
    with state_files.named(path, KIND):
        same = sha256 in (None, hashlib.sha256(data).hexdigest())
        check(same, "", "the other files were written with another one")
        arrays = array_files.from_bytes(data, _MOST_BYTES)
        check("images" in arrays, "arrays", "must hold images")
        shape = arrays["images"].shape
        check(len(shape) == 4 and shape[0] in counts, "images", "not of as many images as rows")
        kinds = _kinds(shape[1:3])
        if not masks and "masks" not in arrays:
            del kinds["masks"]
        check_arrays(arrays, kinds, shape[0])
    return arrays


def _kinds(size):
    return {"images": ((*size, 3), np.uint8), "maps": (size, np.float32), "masks": (size, np.bool_)}
