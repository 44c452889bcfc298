"""Named arrays in NumPy's archives, read within a bound of memory."""

import io
import math
import zipfile

import numpy as np

from keras_patchmix.base.schema import Mismatch, check

_BLOCK = 2**20


def to_bytes(arrays, compressed=False):
    """Returns a dict from names to arrays as the bytes of an archive."""
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def from_bytes(data, most, listed=2**17):
    """Returns a dict from names to the arrays of an archive. Python objects are refused.

    Args:
        data: Bytes of the archive.
        most: Maximum bytes of all arrays together.
        listed: Maximum bytes of the archive's directory, some 60 an array. Defaults to 128 KiB.

    Raises:
        Mismatch: It is something else, is damaged, or holds more.
    """
    file = _Bounded(data)
    file.most = listed
    try:
        with zipfile.ZipFile(file) as archive:
            file.most = None
            return _read(archive, most)
    except Mismatch:
        raise
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for damaged bytes
        raise Mismatch("", f"not an archive of arrays ({error})") from error


class _Bounded(io.BytesIO):
    """A file with bounded reads: `zipfile` makes objects of the whole directory at once."""

    most = None

    def read(self, size=-1):
        left = len(self.getbuffer()) - self.tell()
        length = left if size is None or size < 0 else min(size, left)
        check(self.most is None or length <= self.most, "", "too many arrays")
        return super().read(size)


def _read(archive, most):
    arrays, left = {}, most
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        known = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        check(known, name, "an unknown compression")
        check(name not in arrays, name, "two arrays have this name")
        with archive.open(member) as file:
            shape, fortran, dtype = _header(file)
            size = math.prod(shape) * dtype.itemsize
            check(not dtype.hasobject and min(shape, default=0) >= 0, name, "not a plain array")
            check(size <= left, name, f"all arrays have more than {most} bytes")
            values = _content(file, size, name).view(dtype)
        arrays[name] = values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
        left -= size
    return arrays


def _header(file):
    """Returns the shape, whether the order is Fortran's, and the dtype of an array's file."""
    # NumPy writes plain arrays in this version, with headers of at most 64 KiB. Headers of later
    # ones may claim 4 GiB, which NumPy reads before it checks the length.
    check(np.lib.format.read_magic(file) == (1, 0), "", "arrays of an unknown version")
    return np.lib.format.read_array_header_1_0(file)


def _content(file, size, name):
    content, done = np.empty(size, np.uint8), 0
    while block := file.read(min(_BLOCK, size - done + 1)):
        check(done + len(block) <= size, name, "its size is not that of its shape")
        content[done : done + len(block)] = np.frombuffer(block, np.uint8)
        done += len(block)
    check(done == size, name, "its size is not that of its shape")
    return content
