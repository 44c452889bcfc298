"""Files of a run's state: bounded, validated, with errors that name damaged ones."""

import contextlib
import hashlib
import json
import math
import os

from keras_patchmix.base import atomic
from keras_patchmix.base.printable import printable, printable_values, quoted
from keras_patchmix.base.schema import Mismatch, check

MAX_BYTES = 256 * 2**20
_MOST_VALUES = 2_000_000  # of one file: a Python object takes some hundred bytes
_DEEPEST = 50
_SEAL = "sha256"


class DamagedFile(ValueError):
    """A file that is damaged, or of another kind.

    Args:
        path: The file.
        kind: String, what it should be, such as "a report".
        reason: String, what is wrong.
        advice: String, what to do about it. Defaults to `""`.

    Attributes:
        path: The file's path, a string as the file system has it.
        kind: See above.
        reason: See above.
    """

    def __init__(self, path, kind, reason, advice=""):
        self.path, self.kind, self.reason = os.fspath(path), kind, printable(reason)
        message = f"The file {quoted(self.path)} is damaged or is not {kind}: {self.reason}"
        super().__init__(f"{message}. {advice}" if advice else message)

    def advised(self, advice):
        """Returns the same error with advice."""
        return DamagedFile(self.path, self.kind, self.reason, advice)


@contextlib.contextmanager
def named(path, kind):
    """Turns a `Mismatch` into the `DamagedFile` of a path and kind."""
    try:
        yield
    except Mismatch as error:
        raise DamagedFile(path, kind, str(error)) from error


def read_bytes(path, kind, most=None):
    """Reads a file of bounded size.

    Args:
        path: The file.
        kind: String, what it should be, such as "a report".
        most: Maximum size in bytes. Defaults to `MAX_BYTES` (256 MiB).

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
    """Reads a file of UTF-8, see `read_bytes`."""
    try:
        return read_bytes(path, kind, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(path, kind, f"not UTF-8 ({error.reason}, byte {error.start})") from error


def read_json(path, kind, most=None):
    """Reads a file of one JSON value of bounded depth and size, with finite numbers.

    See `read_bytes` for the arguments and errors.
    """
    text = read_text(path, kind, most)
    with named(path, kind):
        return parse_json(text)


def parse_json(text):
    """Parses JSON text as `read_json` does; raises `Mismatch`."""
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
    """Returns a dict of JSON values with a checksum."""
    content = json.loads(json.dumps(content, allow_nan=False))
    return {**content, _SEAL: _digest(content)}


def unsealed(content, needed=False):
    """Returns a dict without its checksum, which is verified.

    Args:
        content: Dict of JSON values.
        needed: Whether there has to be a checksum. Defaults to `False`.

    Raises:
        Mismatch: It is not a dict, or has another checksum.
    """
    check(isinstance(content, dict), "", "must be an object")
    rest = {key: value for key, value in content.items() if key != _SEAL}
    if needed or _SEAL in content:
        seal = content.get(_SEAL)
        check(seal == _digest(rest), _SEAL, "the checksum is not that of the content")
    return rest


def write_json(path, content, indent=None, most=None):
    """Writes a dict of JSON values atomically, with a checksum and printable strings.

    Args:
        path: The file.
        content: Dict of JSON values.
        indent: As in `json.dumps`.
        most: Maximum size in bytes. Defaults to `MAX_BYTES` (256 MiB).

    Raises:
        ValueError: `read_json` would refuse the file.
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
