"""Image files that a pipeline cannot decode: of its errors TensorFlow keeps nothing but words."""

import contextlib
import os

from keras_patchmix.base.printable import printable, quoted

_listening: list[list] = []


class BrokenImageFile(ValueError):
    """An image file that cannot be decoded.

    Args:
        path: String, bytes or path of the file.
        reason: Why not.

    Attributes:
        path: The file's path, a string as the file system has it.
        reason: Why not, a string.
    """

    def __init__(self, path, reason):
        self.path, self.reason = os.fsdecode(path), printable(reason)
        super().__init__(f"Cannot decode the image file {quoted(self.path)}: {self.reason}")
        for found in _listening:
            found.append(self)


@contextlib.contextmanager
def noted():
    """Yields a list that every `BrokenImageFile` joins which is made meanwhile, in any thread."""
    found = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening.pop()
