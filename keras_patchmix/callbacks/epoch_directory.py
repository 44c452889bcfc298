"""The directory that a callback keeps its files in, looked at before the first epoch."""

import os
from pathlib import Path


def check_directory(directory, names, to_write):
    """Raises where files could not be written to a directory, which is made by the first of them.

    Args:
        directory: Path of the directory.
        names: Names of the files.
        to_write: Whether this process writes them.

    Raises:
        ValueError: It, or one of its parents, is a file; or a directory stands where one of the
            files belongs.
        PermissionError: It may not be written to.
    """
    directory = Path(directory)
    found = next(
        path for path in (directory, *directory.absolute().parents) if os.path.lexists(path)
    )
    if not found.is_dir():
        raise ValueError(
            "`directory` must be that of the callback's files, or one that can be made. Received: "
            f"directory={str(directory)!r}, and {str(found)!r} is no directory"
        )
    for name in names:
        if (directory / name).is_dir():
            raise ValueError(
                f"`directory` must have room for a file {name!r}. "
                f"Received: directory={str(directory)!r}, where that is a directory"
            )
    if to_write and not os.access(found, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`directory` must be writable. Received: directory={str(directory)!r}, and "
            f"{str(found)!r} may not be written to"
        )
