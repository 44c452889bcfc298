"""The directory of a run: a new one, or that of an interrupted command."""

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

from keras_patchmix.base import atomic, state_files

_KIND = "a file of the settings of a run"


class RunDirectory:
    """The directory of a command's results, from which the same command resumes.

    Its `config.json` holds the recipe, the options that decide the results and digests of the
    files that they name. Subclasses may give that file another form, see `_encode`.

    Args:
        path: The directory. It is made, and tested for writing.
        recipe: Name of the recipe: the directory of another one is refused.
        options: Dict from fields to the JSON values that decide the results.
        files: List of paths that the options name; None and what is no file are left out.
        results: Patterns of `Path.rglob` for files with results. Other options are accepted until
            one of them exists.
        flag: Function of a field that returns its flag.

    Raises:
        FileExistsError: It holds something else.
        ValueError: It holds the results of other options or files; the message names them. Or its
            `config.json` is damaged.
        OSError: It cannot be written to.
    """

    def __init__(self, path, recipe, options, files, results, flag):
        self.path = Path(path)
        self._flag, self._results = flag, results
        self._options = json.loads(json.dumps(options))
        digests = {name: file_digest(name) for name in files if name is not None}
        self._files = {name: digest for name, digest in digests.items() if digest is not None}
        self._recipe = recipe
        self._file = self.path / "config.json"
        self._check()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _try_to_write(self.path)
        except OSError as error:
            reason = f"--output {str(self.path)!r} cannot be written to: {error.strerror}"
            raise type(error)(reason) from error

    def begin(self):
        """Writes `config.json`, once everything that the command names has been found."""
        config = self._encode(self._recipe, self._options, self._files)
        atomic.write_text(self._file, json.dumps(config, indent=2) + "\n")

    @contextlib.contextmanager
    def lock(self):
        """Locks the directory; the lock ends with the process.

        Raises:
            OSError: Another process holds the lock.
        """
        try:
            import fcntl
        except ImportError:  # not a Unix
            yield
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise OSError(
                f"--output {str(self.path)!r} is in use: another process writes its results there"
            ) from None
        except OSError:
            pass  # some network file systems cannot
        try:
            yield
        finally:
            os.close(descriptor)

    def _encode(self, recipe, options, files):
        """Returns what `config.json` holds."""
        return {"recipe": recipe, "options": options, "files": files}

    def _decode(self, data):
        """Returns the recipe, the options and the files out of what `_encode` returned."""
        return data["recipe"], data["options"], data["files"]

    def _check(self):
        if not self.path.exists():
            return
        if not self.path.is_dir() or (any(self.path.iterdir()) and not self._is_ours()):
            raise FileExistsError(
                "--output must be a new or an empty directory, or that of the same command. "
                f"Received: {str(self.path)!r}, which holds something else"
            )
        previous = self._read()
        if previous is None or not any(any(self.path.rglob(name)) for name in self._results):
            return  # nothing was computed yet
        options, files = previous
        different = [
            f"{self._flag(field)} ({_text(options.get(field))} there, {_text(value)} now)"
            for field, value in self._options.items()
            if options.get(field) != value
        ]
        different += [
            f"the file {name!r}, which has changed"
            for name, digest in self._files.items()
            if files.get(name, digest) != digest
        ]
        if different:
            raise ValueError(
                f"--output {str(self.path)!r} holds the results of another command; choose another "
                f"directory. Different: {'; '.join(different)}"
            )

    def _is_ours(self):
        # A killed process may leave a file of `_try_to_write`.
        names = [name for name in os.listdir(self.path) if not name.startswith(".")]
        return not names or self._read() is not None

    def _read(self):
        """Returns the options and the files in `config.json`, or None."""
        try:
            content = state_files.read_json(self._file, _KIND)
            with state_files.named(self._file, _KIND):
                recipe, options, files = self._decode(content)
        except (OSError, TypeError, KeyError, AttributeError):
            return None
        ours = recipe == self._recipe and isinstance(files, dict)
        return (options, files) if ours and isinstance(options, dict) else None


def file_digest(path):
    """Returns the SHA-256 of a file in hexadecimal digits, or None where there is none."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _try_to_write(path):
    trial = path / f".{secrets.token_hex(6)}.tmp"
    with open(trial, "wb") as file:
        file.write(bytes(4096))  # a full disk still makes empty files
    trial.unlink()


def _text(value):
    if value is None or value is False or value == []:
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
