"""The directory of a run: a new one, or the one that an interrupted command left."""

import contextlib
import datetime
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_patchmix.base import atomic, state_files

_KIND = "a file of the settings of a run"


class InUseError(OSError):
    """Another process writes its results to the same directory."""


def new_directory(subject: str, purpose: str) -> Path:
    """Makes a directory under `runs/` for the results of a command that was not told where.

    It is of this process alone: of two that ask in the same second the later one gets `-2`.

    Args:
        subject: What the results are of, such as the name of a data set.
        purpose: The last word of the name.
    """
    subject = re.sub(r"[^\w.-]+", "-", subject.rpartition(":")[2]).strip("-.")
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{now}-{subject[-40:]}-{purpose}"
    number = 1
    while True:
        path = Path("runs") / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path


class RunDirectory:
    """Where the results of a command go, and where the same command takes them up again.

    Its `config.json` holds the command, the options that decide the results, and digests of the
    files that they name.

    Args:
        path: The directory. It is made.
        recipe: Name of the command: the directory of another one is refused.
        options: Dict from options to JSON values, those that decide the results.
        files: Paths that the options name; None and paths that are not files are skipped.
        results: Names of files, patterns of `Path.rglob`, at least one of which is there once
            something has been computed. Until then the options may still change.
        flags: Dict from options to their flags, for messages.
        defaults: Dict from options to the values of directories that do not hold them, as they are
            older than the option.

    Raises:
        FileExistsError: It holds something else.
        ValueError: It holds the results of other options or files; the message names them. Or its
            `config.json` is damaged.
        OSError: It cannot be written to.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        recipe: str,
        options: Mapping[str, Any],
        files: Sequence[Any],
        results: Sequence[str],
        flags: Mapping[str, str],
        defaults: Mapping[str, Any] | None = None,
    ):
        self.path = Path(path)
        self._flags, self._results, self._defaults = flags, results, dict(defaults or {})
        self._options = json.loads(json.dumps(options))
        digests = {str(name): file_digest(name) for name in files if name is not None}
        self._files = {name: digest for name, digest in digests.items() if digest is not None}
        self._recipe = recipe
        self._file = self.path / "config.json"
        self._check()
        self._is_new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # A full disk still makes empty files.
            with contextlib.suppress(_Tried), atomic.replacing(self.path / "trial", 4096) as trial:
                trial.write_bytes(bytes(4096))
                raise _Tried
        except atomic.NoRoomError:
            raise
        except OSError as error:
            reason = f"--output {str(self.path)!r} cannot be written to: {error.strerror}"
            raise type(error)(reason) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out; the lock ends with the process, however that ends.

        What killed processes left half written is removed.

        Raises:
            InUseError: Another process holds it.
        """
        with locked(self.path):
            self._check()  # what another process has finished since
            atomic.remove_leftovers(self.path)
            try:
                yield
            finally:
                if self._is_new:
                    with contextlib.suppress(OSError):
                        self.path.rmdir()  # only one that is empty

    def begin(self) -> None:
        """Writes `config.json`, once everything that the command names has been found."""
        config = self._encode(self._recipe, self._options, self._files)
        atomic.write_text(self._file, json.dumps(config, indent=2) + "\n")

    def _encode(self, recipe, options, files):
        """Returns what `config.json` holds."""
        return {"recipe": recipe, "options": options, "files": files}

    def _decode(self, data):
        """Returns the command, the options and the files out of what `_encode` returned."""
        return data["recipe"], data["options"], data["files"]

    def _check(self):
        if not self.path.exists():
            return
        if not self.path.is_dir() or (any(self.path.iterdir()) and not self._is_ours()):
            raise FileExistsError(
                "--output must be a new or an empty directory, or that of the same command. "
                f"Received: {str(self.path)!r}, which holds something else"
            )
        there = self._read()
        if there is None or not any(any(self.path.rglob(name)) for name in self._results):
            return  # nothing was computed yet
        options, files = there
        options = {**self._defaults, **options}
        different = [
            f"{self._flags.get(name, name)} ({_text(options.get(name))} there, {_text(value)} now)"
            for name, value in self._options.items()
            if options.get(name) != value
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
        # A temporary file may be left of a process that was killed.
        names = [name for name in os.listdir(self.path) if not name.startswith(".")]
        return not names or self._read() is not None

    def _read(self):
        """Returns the options and the files of the command that was here, or None."""
        try:
            config = state_files.read_json(self._file, _KIND)
            with state_files.named(self._file, _KIND):
                recipe, options, files = self._decode(config)
        except (OSError, TypeError, KeyError, AttributeError):
            return None
        ours = recipe == self._recipe and isinstance(files, dict)
        return (options, files) if ours and isinstance(options, dict) else None


class _Tried(Exception):
    """Ends `atomic.replacing` without the file."""


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], shown: str | None = None) -> Iterator[None]:
    """Keeps other processes out of a directory while the block runs.

    Args:
        path: The directory.
        shown: What the error calls it. Defaults to `path`.

    Raises:
        InUseError: Another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # not a Unix
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        place = shown or os.fspath(path)
        raise InUseError(
            f"--output {place!r} is in use: another process writes its results there"
        ) from None
    except OSError:
        pass  # some network file systems cannot
    try:
        yield
    finally:
        os.close(descriptor)


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


def _text(value):
    if value is None or value is False or value == []:
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
