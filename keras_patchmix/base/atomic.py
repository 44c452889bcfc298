"""Files that are either as they were or complete, never half written."""

import contextlib
import errno
import io
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

_MEGABYTE = 1_000_000


class NoRoomError(OSError):
    """A file does not fit on its disk.

    Attributes:
        path: The file.
        needed: Bytes that it takes, or None where that is not known.
        free: Bytes that are free where it would stand.
    """

    def __init__(self, path: Path, needed: int | None = None):
        self.path, self.needed = path, needed
        self.free = shutil.disk_usage(path.parent).free
        if needed is None:
            size = f"{_megabytes(self.free)} MB are free"
        else:
            size = f"{_megabytes(needed)} MB are needed, {_megabytes(self.free)} MB are free"
        super().__init__(errno.ENOSPC, f"No room for {path.name} in {path.parent}: {size}")

    def __str__(self):
        return self.strerror


def _megabytes(count):
    return f"{count / _MEGABYTE:,.1f}" if count >= _MEGABYTE else f"{count / _MEGABYTE:.3f}"


@contextlib.contextmanager
def replacing(path: Path, needed: int | None = None) -> Iterator[Path]:
    """Gives a temporary path beside a file, which takes its name when the block ends.

    Missing parent directories are made. The temporary file keeps the ending of the name, by which
    writers such as Keras' know the format, and is gone where the block raises.

    Args:
        path: The file.
        needed: Bytes that it takes, for the message where there is no room. Defaults to `None`.

    Raises:
        NoRoomError: The disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(6)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoomError(path, needed) from error
        raise


def remove_leftovers(directory: Path) -> None:
    """Removes the temporary files that killed processes left in a directory, and below it."""
    for path in Path(directory).rglob(".*.tmp*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def write_bytes(path, data):
    """Writes a file atomically, see `replacing`.

    Args:
        path: Where to write.
        data: Bytes.
    """
    with replacing(path, len(data)) as temporary, open(temporary, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path, text):
    """Writes a UTF-8 text file atomically, see `write_bytes`. Line ends are written as given."""
    write_bytes(path, text.encode("utf-8"))


def write_figure(path, figure):
    """Writes a matplotlib figure atomically, in the format of the path's ending (PNG without one).

    Args:
        path: Where to write.
        figure: A `matplotlib.figure.Figure`.
    """
    file = io.BytesIO()
    figure.savefig(file, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_bytes(path, file.getvalue())


def save_model(path, model, writes=True):
    """Saves a Keras model atomically.

    Args:
        path: Where to write, with an ending that Keras knows, such as `.keras`.
        model: A `keras.Model`.
        writes: Whether the file is kept: workers that do not write read their variables all the
            same. Defaults to `True`.
    """
    variables = [*model.variables, *getattr(getattr(model, "optimizer", None), "variables", ())]
    needed = sum(math.prod(one.shape) * _size_of(one.dtype) for one in variables)
    if writes:
        with replacing(path, needed) as temporary:
            model.save(temporary)
        return
    with contextlib.suppress(_NotKept), replacing(path, needed) as temporary:
        model.save(temporary)
        raise _NotKept


class _NotKept(Exception):
    """Ends `replacing` without the file."""


def _size_of(dtype):
    return max(1, int("".join(filter(str.isdigit, str(dtype))) or 8) // 8)
