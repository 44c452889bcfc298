"""Small archives in the form of the published ones, for tests."""

import gzip
import io
import tarfile

import numpy as np


def noise(height, width, seed=0):
    """Returns a uint8 image of shape (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(image):
    import tensorflow as tf

    return tf.io.encode_png(image).numpy()


def jpg(image):
    import tensorflow as tf

    return tf.io.encode_jpeg(image).numpy()


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def png_that_claims(width, height):
    """Returns a small file whose head claims an image of any size."""
    data = bytearray(png(noise(2, 2)))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(data)


def tar_bytes(members):
    """Returns an uncompressed tar.

    Args:
        members: List of (name, bytes), or of (name, `tarfile.TarInfo`) for what is no file.
    """
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def write_tar_gz(path, members):
    """Writes an archive, see `tar_bytes`; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(tar_bytes(members), 1))
    return path


def checked(block):
    """Returns a header with the checksum that it should have."""
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def header(name, kind, size):
    """Returns the header of an entry, which may claim any size."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def long_name(name):
    """Returns the header by which GNU's format names the entry that follows."""
    name = name.encode("utf-8", "surrogateescape") + b"\0"
    block = header("././@LongLink", tarfile.GNUTYPE_LONGNAME, len(name))
    return block + name + bytes(-len(name) % 512)


def pax(records):
    """Returns the records of a pax header as bytes."""
    written = []
    for key, value in records.items():
        rest = f" {key}={value}\n".encode("utf-8", "surrogateescape")
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        written.append(str(length).encode() + rest)
    return b"".join(written)


def pax_header(records, kind=tarfile.XHDTYPE):
    """Returns a pax header of the entry that follows."""
    data = pax(records)
    return header("PaxHeaders/x", kind, len(data)) + data + bytes(-len(data) % 512)
