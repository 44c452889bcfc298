"""Image files from anywhere: read and decoded, or a short reason why they cannot be."""

import os
import struct

from keras_patchmix._optional import require

FORMATS = "PNG, JPEG, GIF, BMP, WebP"
# What the names of images end with, in lower case.
IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".gif",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
)
MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20
# What files begin with.
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# Start-of-frame markers of JPEG, which hold the size.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class ImageFileError(ValueError):
    """A file that is no readable image; the message is the reason, without the file's name."""


def read_image(path):
    """Reads and decodes one file, eagerly; of an animation the first picture.

    The size is read off the file's head before anything is decoded, so that a small file which
    claims to be a huge image costs no memory.

    Args:
        path: String, bytes or path of a PNG, JPEG, GIF, BMP or WebP file.

    Returns:
        uint8 tensor of shape (height, width, channels).

    Raises:
        ImageFileError: The file cannot be read, is no image, is damaged, or exceeds `MAX_PIXELS`
            (100 million) or `MAX_BYTES` (256 MiB).
    """
    return decode(read_bytes(path))


def read_bytes(path):
    """Reads one file as it is.

    Args:
        path: String, bytes or path.

    Returns:
        Bytes.

    Raises:
        ImageFileError: The file cannot be read, is empty, or exceeds `MAX_BYTES`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageFileError(f"cannot be read: {error.strerror}") from error
    if not data:
        raise ImageFileError("the file is empty")
    if len(data) > MAX_BYTES:
        raise ImageFileError(f"more than {MAX_BYTES // 2**20} MiB")
    return data


def file_size(path, gone=0):
    """Returns the bytes of a file, or `gone` where it cannot be looked at."""
    try:
        return os.stat(path).st_size
    except OSError:
        return gone


def decode(data, decoder=None):
    """Decodes the bytes of an image file, eagerly.

    Args:
        data: Bytes.
        decoder: Function from bytes to a tensor that does so in another way, or None.

    Returns:
        uint8 tensor of shape (height, width, channels), or what `decoder` returns.

    Raises:
        ImageFileError: See `read_image`.
    """
    tf = require("tensorflow", "Loading images")
    size = claimed_size(data)
    height, width = size or (0, 0)
    if height * width > MAX_PIXELS:
        raise ImageFileError(
            f"{width} x {height} pixels, above the limit of {MAX_PIXELS // 10**6} million"
        )
    try:
        if decoder is not None:
            return decoder(data)
        return tf.io.decode_image(data, expand_animations=False)
    except tf.errors.OpError as error:
        # TensorFlow's message speaks of its own functions.
        known = "damaged, or cut off" if size else f"no image of a known format ({FORMATS})"
        raise ImageFileError(known) from error


def claimed_size(data):
    """Reads the size off the head of an image file.

    Args:
        data: Bytes of the file.

    Returns:
        (height, width), or None where the head is of no known format or cut off.
    """
    try:
        if data.startswith(PNG):
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack_from("<HH", data, 6)
        elif data.startswith(b"BM"):
            width, height = map(abs, struct.unpack_from("<ii", data, 18))
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            width, height = _webp_size(data)
        elif data.startswith(JPEG):
            width, height = _jpeg_size(data)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return height, width


def _webp_size(data):
    if data[12:16] == b"VP8X":
        return tuple(1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return tuple(side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))


def _jpeg_size(data):
    place = 2
    while True:
        while data[place + 1] == 0xFF:  # bytes that fill up
            place += 1
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        bare = marker == 0x01 or 0xD0 <= marker <= 0xD8
        place += 2 if bare else 2 + struct.unpack_from(">H", data, place + 2)[0]
