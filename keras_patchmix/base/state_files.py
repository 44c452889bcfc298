"""Files that a run leaves and reads again: bounded, checked, and named where they are damaged."""

import contextlib
import hashlib
import json
import math
import os

from keras_patchmix.base import atomic
from keras_patchmix.base.printable import printable, printable_values, quoted
from keras_patchmix.base.schema import Mismatch, check

MAX_BYTES = 256 * 2**20
_MOST_VALUES = 2_000_000  # of one file: a value of Python takes some hundred bytes
_DEEPEST = 50
_SEAL = "sha256"


class DamagedFile(ValueError):
    """A file that is damaged, or not what it is taken for.

    Args:
        path: The file.
        kind: What it should be, such as "a report".
        reason: What is wrong.
        advice: What to do about it, a sentence without a full stop. Defaults to `""`.

    Attributes:
        path: The file's path, a string as the file system has it.
        kind: What it should be, a string.
        reason: What is wrong, a string.
    """

    def __init__(self, path, kind, reason, advice=""):
        self.path, self.kind, self.reason = os.fspath(path), kind, printable(reason)
        said = f"The file {quoted(self.path)} is damaged or is not {kind}: {self.reason}"
        super().__init__(f"{said}. {advice}" if advice else said)

    def advised(self, advice):
        """Returns the same error, with what to do about it at the end of its message."""
        return DamagedFile(self.path, self.kind, self.reason, advice)


@contextlib.contextmanager
def named(path, kind):
    """Gives `Mismatch`es that are raised inside the name of their file.

    Args:
        path: The file.
        kind: What it should be, such as "a report".

    Raises:
        DamagedFile: In place of a `Mismatch`.
    """
    try:
        yield
    except Mismatch as error:
        raise DamagedFile(path, kind, str(error)) from error


def read_bytes(path, kind, most=None):
    """Reads a file of bounded size.

    Args:
        path: The file.
        kind: What it should be, for messages, such as "a report".
        most: Bytes that it may have, `MAX_BYTES` (256 MiB) when None.

    Raises:
        DamagedFile: It is larger.
        OSError: It is not there, or cannot be read.
    """
    most = MAX_BYTES if most is None else most
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most else file.read(size + 1)
    if max(size, len(data)) > most:
        raise DamagedFile(path, kind, _too_large(most))
    return data


def read_text(path, kind, most=None):
    """Reads a file of UTF-8, see `read_bytes`.

    Raises:
        DamagedFile: It is larger, or is not UTF-8.
        OSError: It is not there, or cannot be read.
    """
    try:
        return read_bytes(path, kind, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(path, kind, f"not UTF-8 ({error.reason}, byte {error.start})") from error


def read_json(path, kind, most=None):
    """Reads a file of one JSON value: not deep, not of millions of values, numbers finite.

    Args:
        path: The file.
        kind: What it should be, for messages, such as "a report".
        most: Bytes that it may have, `MAX_BYTES` (256 MiB) when None.

    Returns:
        The JSON values.

    Raises:
        DamagedFile: It is something else.
        OSError: It is not there, or cannot be read.
    """
    text = read_text(path, kind, most)
    with named(path, kind):
        return parse_json(text)


def parse_json(text):
    """Parses JSON text as `read_json` does.

    Raises:
        Mismatch: It is something else.
    """
    _check_values(text)
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else str(error)
        raise Mismatch("", f"not JSON ({reason})") from error
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in _parts(one)]
    check(not level, "", f"more than {_DEEPEST} values one inside another")
    return value


def sealed(content):
    """Returns a dict of JSON values as a file will hold it, with a checksum of the rest.

    Args:
        content: Dict of JSON values.
    """
    content = json.loads(json.dumps(content, allow_nan=False))
    return {**content, _SEAL: _digest(content)}


def unsealed(content, needed=False):
    """Returns what `sealed` was given, out of what a file holds.

    Args:
        content: Dict of JSON values.
        needed: Whether there has to be a checksum. Defaults to `False`.

    Raises:
        Mismatch: It is not a dict, or the checksum is that of something else.
    """
    check(isinstance(content, dict), "", "must be an object")
    rest = {key: value for key, value in content.items() if key != _SEAL}
    if needed or _SEAL in content:
        seal = content.get(_SEAL)
        check(seal == _digest(rest), _SEAL, "the checksum is not that of the content")
    return rest


def write_json(path, content, indent=None, most=None):
    """Writes JSON values atomically, sealed and with all strings printable.

    Args:
        path: Where to write.
        content: Dict of JSON values.
        indent: As in `json.dumps`.
        most: Bytes that the file may have, `MAX_BYTES` (256 MiB) when None.

    Raises:
        ValueError: The file would be one that `read_json` refuses.
    """
    atomic.write_text(path, sealed_text(content, indent, most))


def sealed_text(content, indent=None, most=None):
    """Returns the text that `write_json` writes."""
    most = MAX_BYTES if most is None else most
    content = sealed(printable_values(content))
    text = json.dumps(content, indent=indent, allow_nan=False) + "\n"  # of ASCII
    try:
        check(len(text) <= most, "", _too_large(most))
        _check_values(text)
    except Mismatch as error:
        raise ValueError(f"The content is too large to be read again as a file: {error}") from error
    return text


def _too_large(most):
    return f"it has more than {most // 2**20} MiB"


def _check_values(text):
    check(sum(map(text.count, ",[{")) <= _MOST_VALUES, "", f"more than {_MOST_VALUES} values")


def _digest(content):
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _parts(value):
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refused(constant):
    raise ValueError(f"the number {constant} is not finite")


def _finite(text):
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:20]} is not finite")
    return value
