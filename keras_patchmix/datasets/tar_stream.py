"""A tar archive as a stream of entries, in constant memory; what lies about itself is refused."""

import tarfile

BLOCK = tarfile.BLOCKSIZE
# Bytes of the headers in front of one entry. Names and times need a few hundred.
MAX_HEADERS = 2**20
_CHUNK = 2**16
_LONG = {tarfile.GNUTYPE_LONGNAME: b"path", tarfile.GNUTYPE_LONGLINK: b"linkpath"}
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_KEYS = (b"path", b"linkpath", b"size")  # what a header may say that matters here
_SPARSE = b"GNU.sparse."


class TarStream:
    """The entries of a tar archive: ustar, and the long names of GNU and of pax.

    Iteration yields a `tarfile.TarInfo` for each entry; `read` then reads its data, before the next
    entry is asked for. A sparse file is of type `tarfile.GNUTYPE_SPARSE` in every form of it; its
    map is not read. `tarfile` itself keeps what headers claim, in any number and of any length.

    Args:
        stream: A binary file, read from its position on.

    Raises:
        tarfile.TarError: While it is iterated: a header is damaged, the headers of one entry exceed
            `MAX_HEADERS` or say something twice, a global header sets a path or a size, the archive
            is cut off, or it goes on after its end, as a second archive behind the first one does.
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
            block = self._stream.read(BLOCK)
            if block == bytes(BLOCK) and not spent:
                return self._check_end()
            if len(block) < BLOCK:
                raise tarfile.ReadError("it ends without the mark of a tar's end")
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if info.size < 0:
                raise tarfile.ReadError(f"a header claims {info.size} bytes")
            if info.type not in (*_PAX, *_LONG, tarfile.XGLTYPE):
                return _settled(info, said)
            self._left = _padded(info.size)
            spent += BLOCK + self._left
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
    return -(-size // BLOCK) * BLOCK


def _records(kind, data):
    """Yields pairs of bytes, what a header says of the entry that follows."""
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


def _settled(info, said):
    """Returns an entry as the headers in front of it have it."""
    if b"path" in said:
        info.name = said[b"path"].decode("utf-8", "surrogateescape")
    if b"size" in said:
        if not said[b"size"].isdigit():
            raise tarfile.ReadError("a pax header claims a size that is no number")
        info.size = int(said[b"size"])
    if _SPARSE in said:
        info.type = tarfile.GNUTYPE_SPARSE
    return info
