"""Members of published tar archives, read in one pass: nothing is unpacked, nothing is trusted.

Two kinds of trouble are kept apart. An archive that is cut off, damaged or holds what no honest
archive of images holds (absolute names, "..", links, sparse files) raises `ArchiveError`. One file
that cannot be used raises `MemberError`: it is left out, counted and named.
"""

import dataclasses
import gzip
import re
import tarfile
import warnings
import zlib
from pathlib import Path

from keras_patchmix.base.printable import printable
from keras_patchmix.datasets import image_files
from keras_patchmix.datasets.image_files import MAX_BYTES
from keras_patchmix.datasets.tar_stream import TarStream

ARCHIVE_SUFFIXES = (".png", ".jpg", ".jpeg")
_KINDS = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class ArchiveError(ValueError):
    """An archive that is missing or cannot be read as a whole; the message names it."""


class MemberError(ValueError):
    """One file of an archive that cannot be used; the message is the reason, without its name."""


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
        """The name of the folder that it lies in, "" for none."""
        return self.name.rpartition("/")[0].rpartition("/")[2]

    @property
    def file_name(self):
        """Its name without folders."""
        return self.name.rpartition("/")[2]


def read_members(path, suffixes, name=None):
    """Yields the files of a tar archive, gzipped or not, in one pass and constant memory.

    Folders, hidden files (macOS puts a "._x.png" beside each "x.png") and files with other suffixes
    are passed over.

    Args:
        path: The archive: a path, or anything else with `open("rb")`.
        suffixes: Tuple of lower-case endings such as ".png".
        name: What messages call the archive. Defaults to the file's name.

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
            start = file.read(tarfile.BLOCKSIZE)
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if start.startswith(b"\x1f\x8b") else file
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
    if not start.startswith(b"\x1f\x8b") and not _begins_a_tar(start):
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


def decode_image(data):
    """Decodes a PNG or JPEG image to RGB, as TFDS does when it reads it back.

    The size is read off the head before anything is decoded, so that a small file which claims to
    be a huge image costs no memory.

    Args:
        data: Bytes of the file.

    Returns:
        uint8 array of shape (height, width, 3). An alpha channel is dropped; a tag that says how
        the camera was held (EXIF) is not applied.

    Raises:
        MemberError: It is no PNG or JPEG image, is damaged, or exceeds 100 million pixels.
    """
    if not data:
        raise MemberError("the file is empty")
    if not data.startswith((image_files.PNG, image_files.JPEG)):
        raise MemberError("no PNG or JPEG image")
    try:
        return image_files.decode(data)
    except image_files.ImageFileError as error:
        raise MemberError(str(error)) from error


def read_examples(archives, to_example, skipped):
    """Yields (key, example) for every image of some archives that can be used.

    Args:
        archives: Dict from the name of an archive to its path.
        to_example: Function of a `Member` that returns an example, or raises `MemberError`.
        skipped: Dict that takes up what is left out: "archive:name" to the reason.

    Yields:
        Pairs of "archive:name" and what `to_example` returned.

    Raises:
        ArchiveError: See `read_members`; or none of the images of an archive can be used.

    Warns:
        UserWarning: Some images were left out; at the end, with their number and the first of them.
    """
    total = 0
    for archive, path in archives.items():
        seen, before = set(), len(skipped)
        for member in read_members(path, ARCHIVE_SUFFIXES, archive):
            key = f"{archive}:{member.name}"
            try:
                if member.name in seen:
                    raise MemberError("its name comes twice; the first is kept")
                if member.problem:
                    raise MemberError(member.problem)
                example = to_example(member)
            except MemberError as error:
                skipped[key] = str(error)
                continue
            seen.add(member.name)
            yield key, example
        total += len(seen)
        if not seen:
            raise ArchiveError(_nothing(archive, dict(list(skipped.items())[before:])))
    if skipped:
        first, reason = next(iter(skipped.items()))
        warnings.warn(
            f"{len(skipped)} of {total + len(skipped)} images are left out; the first is "
            f"{first!r}: {reason}. All are named in `builder.info.metadata['skipped']`.",
            UserWarning,
            stacklevel=2,
        )


def _nothing(archive, skipped):
    if not skipped:
        return f"The archive {archive!r} holds no images ({', '.join(ARCHIVE_SUFFIXES)})."
    first, reason = next(iter(skipped.items()))
    return (
        f"None of the {len(skipped)} images of the archive {archive!r} can be used; the first is "
        f"{first!r}: {reason}."
    )
