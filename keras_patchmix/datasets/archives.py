"""Members of tar archives, read in one pass: nothing is unpacked, nothing is trusted.

An archive that is cut off, damaged or has members that no archive of images needs (absolute names,
"..", links, sparse files) raises `ArchiveError`. A single file that cannot be used raises
`MemberError`: it is left out, counted and named.
"""

import dataclasses
import gzip
import re
import tarfile
import zlib
from pathlib import Path

from keras_patchmix.base.printable import printable
from keras_patchmix.datasets.image_files import MAX_BYTES

# Bytes of the headers of one entry. Names and times need a few hundred.
MAX_HEADERS = 2**20
_BLOCK, _CHUNK = tarfile.BLOCKSIZE, 2**16
_GZIP = b"\x1f\x8b"
_LONG = {tarfile.GNUTYPE_LONGNAME: b"path", tarfile.GNUTYPE_LONGLINK: b"linkpath"}
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_KEYS = (b"path", b"linkpath", b"size")  # other keys of pax headers do not matter here
_SPARSE = b"GNU.sparse."
_KINDS = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class ArchiveError(ValueError):
    """An archive is missing or cannot be read to its end; the message names it."""


class MemberError(ValueError):
    """One file of an archive cannot be used; the message is the reason, without its name."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One file of an archive.

    Args:
        name: String, its path in the archive, fit to be stored as UTF-8.
        data: Its bytes; empty where there is a `problem`.
        problem: String, why it was not read, or None.
    """

    name: str
    data: bytes
    problem: str | None = None

    @property
    def folder(self):
        """The name of its folder, "" for none."""
        return self.name.rpartition("/")[0].rpartition("/")[2]

    @property
    def file_name(self):
        """Its name without folders."""
        return self.name.rpartition("/")[2]


def read_members(path, suffixes, name=None):
    """Yields the files of a tar archive, gzipped or not, in one pass and constant memory.

    Folders, hidden files (macOS adds a "._x.png" to each "x.png") and files with other suffixes are
    skipped.

    Args:
        path: The archive: a path, or anything else with `open("rb")`.
        suffixes: Tuple of lower-case endings such as ".png".
        name: String, the archive's name in messages. Defaults to `None`, the file's name.

    Yields:
        `Member` objects in the order of the archive.

    Raises:
        ArchiveError: The archive cannot be read to its end or goes on after it, the headers of a
            member are longer than `MAX_HEADERS`, or a member has an absolute name, has ".." in it,
            or is a link, a device or a sparse file.
    """
    path = path if hasattr(path, "open") else Path(path)
    name = name or path.name
    start, count = b"", 0
    try:
        with path.open("rb") as file:
            start = file.read(_BLOCK)
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if start.startswith(_GZIP) else file
            tar = TarStream(stream)
            for info in tar:
                count += 1
                member = _member(tar, info, suffixes, name)
                if member is not None:
                    yield member
    except ArchiveError:
        raise
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError) as error:
        raise ArchiveError(_unreadable(path, name, start, count, error)) from error


def _member(tar, info, suffixes, archive):
    name = printable(info.name)
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or re.match("[A-Za-z]:", name):
        problem = "an absolute name" if ".." not in parts else "'..' in its name"
        raise ArchiveError(_hostile(archive, name, problem))
    if info.isdir():
        return None
    if not info.isreg() or info.type == tarfile.GNUTYPE_SPARSE:
        kind = _KINDS.get(info.type, "of an unknown kind")
        raise ArchiveError(_hostile(archive, name, f"no plain file but {kind}"))
    parts = [part for part in parts if part not in ("", ".")]
    name = "/".join(parts)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    if hidden or not name.lower().endswith(suffixes):
        return None
    if info.size > MAX_BYTES:
        return Member(name, b"", f"more than {MAX_BYTES // 2**20} MiB")
    return Member(name, tar.read(info.size))


def _hostile(archive, name, problem):
    return (
        f"The archive {archive!r} holds {name!r}, which is not safe to read ({problem}): it is not "
        "the published archive. Get it again from its page."
    )


def _unreadable(path, name, start, count, error):
    what = f"The archive {name!r} ({str(path)!r})"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{what} cannot be read: {error.strerror}."
    if not start.startswith(_GZIP) and not _begins_a_tar(start):
        found = start[:24]
        hint = " It is a Git LFS pointer, not the file." if start.startswith(b"version ") else ""
        return f"{what} is no tar archive; it begins with {found!r}.{hint} Get it again."
    return (
        f"{what} is cut off or damaged after {count} members ({error}). Delete it and get it again."
    )


def _begins_a_tar(start):
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


class TarStream:
    """The entries of a tar archive: ustar, and the long names of GNU and of pax.

    Iteration yields a `tarfile.TarInfo` for each entry; `read` reads its data before the next one.
    Sparse files of every form have the type `tarfile.GNUTYPE_SPARSE`, and their map is not read.
    `tarfile` itself stores headers of any number and length.

    Args:
        stream: A binary file, read from its position on.

    Raises:
        tarfile.TarError: During iteration: a header is damaged, the headers of one entry exceed
            `MAX_HEADERS` or repeat a key, a global header sets a path or a size, the archive is cut
            off, or it continues after its end.
    """

    def __init__(self, stream):
        self._stream = stream
        self._left = 0

    def __iter__(self):
        while (info := self._next()) is not None:
            self._left = _padded(info.size) if info.isreg() else 0
            yield info
            while self._left:
                self.read(min(self._left, _CHUNK))

    def read(self, size):
        """Reads `size` bytes of the data of the entry."""
        data = self._stream.read(size)
        if len(data) < size:
            raise tarfile.ReadError("it ends in the middle of a file")
        self._left -= size
        return data

    def _next(self):
        said, spent = {}, 0
        while True:
            block = self._stream.read(_BLOCK)
            if block == bytes(_BLOCK) and not spent:
                return self._check_end()
            if len(block) < _BLOCK:
                raise tarfile.ReadError("it ends without the mark of a tar's end")
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if info.size < 0:
                raise tarfile.ReadError(f"a header claims {info.size} bytes")
            if info.type not in (*_PAX, *_LONG, tarfile.XGLTYPE):
                return _with_headers(info, said)
            self._left = _padded(info.size)
            spent += _BLOCK + self._left
            if spent > MAX_HEADERS:
                raise tarfile.ReadError(f"the headers of one file claim {spent} bytes")
            data = self.read(self._left)[: info.size]
            for key, value in _records(info.type, data):
                if key.startswith(_SPARSE):
                    key = _SPARSE
                elif key not in _KEYS or not value:
                    continue
                elif info.type == tarfile.XGLTYPE:
                    raise tarfile.ReadError(
                        f"a global header sets the {key.decode()} of all files that follow"
                    )
                elif key in said:
                    raise tarfile.ReadError(f"headers say twice what the {key.decode()} is")
                said[key] = value

    def _check_end(self):
        while chunk := self._stream.read(_CHUNK):
            if chunk.strip(b"\0"):
                raise tarfile.ReadError("it goes on after the mark of its end")


def _padded(size):
    return -(-size // _BLOCK) * _BLOCK


def _records(kind, data):
    """Yields the keys and values, in bytes, of a header for the next entry."""
    if kind in _LONG:
        yield _LONG[kind], data.partition(b"\0")[0]
        return
    place = 0
    while place < len(data):
        # "LENGTH KEY=VALUE\n", the length that of the whole record
        digits, _, _ = data[place : place + 20].partition(b" ")
        end = place + (int(digits) if digits.isdigit() else 0)
        record = data[place + len(digits) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(data) or not equals or not record.endswith(b"\n"):
            raise tarfile.ReadError("a pax header is damaged")
        yield key, value
        place = end


def _with_headers(info, said):
    """Returns an entry with the values of the headers in front of it."""
    if b"path" in said:
        info.name = said[b"path"].decode("utf-8", "surrogateescape")
    if b"size" in said:
        if not said[b"size"].isdigit():
            raise tarfile.ReadError("a pax header claims a size that is no number")
        info.size = int(said[b"size"])
    if _SPARSE in said:
        info.type = tarfile.GNUTYPE_SPARSE
    return info
