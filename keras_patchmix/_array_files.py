"""Arrays by name in NumPy's archives, read so that a file costs no more memory than was meant."""

import io
import math
import zipfile

import numpy as np

from keras_patchmix._schema import Mismatch, check


def to_bytes(arrays, compressed=False):
    """Returns arrays as the bytes of an archive.

    Args:
        arrays: Dict from names to arrays.
        compressed: Whether it is compressed. Defaults to `False`.
    """
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def from_bytes(data, most):
    """Reads the arrays of an archive. Python objects are refused.

    Args:
        data: Bytes of the archive.
        most: Bytes that all arrays may have together.

    Returns:
        Dict from names to arrays.

    Raises:
        Mismatch: It is something else, is damaged, or holds more.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, most)
    except Mismatch:
        raise
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for bytes that are damaged
        raise Mismatch("", f"no archive of arrays ({error})") from error


def _read(archive, most):
    arrays, left = {}, most
    for member in archive.infolist():
        with archive.open(member) as file:
            name = member.filename.removesuffix(".npy")
            shape, fortran, dtype = _header(file)
            size = math.prod(shape) * dtype.itemsize
            check(not dtype.hasobject and min(shape, default=0) >= 0, name, "no plain array")
            check(size <= left, name, f"all arrays have more than {most} bytes")
            content = file.read(size + 1)
        check(len(content) == size, name, "its size is not that of its shape")
        values = np.frombuffer(content, dtype).copy()
        arrays[name] = values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
        left -= size
    return arrays


def _header(file):
    """Returns the shape, whether it is in Fortran's order, and the dtype of a file of an array."""
    version = np.lib.format.read_magic(file)
    check(version in ((1, 0), (2, 0)), "", "arrays of an unknown version")
    one = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
    return read(file)
