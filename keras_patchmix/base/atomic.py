"""Atomic writes: a file is as it was or complete, never half written."""

import io
import os
import secrets
from pathlib import Path


def write_bytes(path, data):
    """Writes a file atomically, by a temporary file beside it; makes parent directories."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        # "x" leaves the permissions to the umask, which tempfile.mkstemp would not.
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path, text):
    """Writes a UTF-8 text file atomically, with line ends as given."""
    write_bytes(path, text.encode("utf-8"))


def write_figure(path, figure):
    """Writes a matplotlib figure atomically, in the format of the path's ending or as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_bytes(path, file.getvalue())
