"""Errors of data sets that callers catch."""

import contextlib
import os

from keras_patchmix.base.printable import printable, quoted

_listeners: list[list] = []


class EmptySplitError(ValueError):
    """A split of a data set holds no images."""


class ImageError(ValueError):
    """An image that ends what reads it; the message names the file."""

    def __init__(self, message):
        super().__init__(message)
        for errors in _listeners:
            errors.append(self)


class OtherImageSize(ImageError):
    """An image of another size than the others, where all must have one."""


class BrokenImageFile(ImageError):
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


@contextlib.contextmanager
def image_errors():
    """Yields a list of each `ImageError` that is made meanwhile, in any thread.

    What an error raised in `tf.data` carries out of the pipeline is its message alone.
    """
    errors = []
    _listeners.append(errors)
    try:
        yield errors
    finally:
        _listeners.pop()
