"""Files that are either as they were or complete, never half written."""

import io
import os
import secrets
from pathlib import Path


def write_bytes(path, data):
    """Writes a file atomically: to a temporary file beside it, which then takes its name.

    Missing parent directories are made.

    Args:
        path: Where to write.
        data: Bytes.
    """
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
