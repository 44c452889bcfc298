"""Image files, read and decoded eagerly, or refused with a short reason.

TensorFlow decodes JPEG and PNG, Pillow all else: `tf.io.decode_image` ends the process on some
animated WebP files, decodes every frame of a GIF, and takes palette indices of a BMP for colors.
Where TensorFlow is not installed, Pillow decodes everything.
"""

import io
import struct

import numpy as np

from keras_patchmix.base import optional
from keras_patchmix.base.optional import require

FORMATS = "JPEG, PNG, GIF, BMP, WebP, TIFF, PPM"
IMAGE_SUFFIXES = tuple(
    ".jpg .jpeg .jfif .png .gif .bmp .webp .tif .tiff .ppm .pgm .pbm .pnm".split()
)
MAX_PIXELS = 100_000_000
MAX_SIDE = 65_535  # as in JPEG
MAX_BYTES = 256 * 2**20
# Magic numbers.
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"

_PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_UNKNOWN = f"no image of a known format ({FORMATS})"
_DAMAGED = "damaged, or cut off"
# Modes that Pillow does not convert to RGB, and the modes in between.
_BY_WAY_OF = {"RGBa": "RGBA", "La": "LA", "PA": "RGBA"}
_MODES = frozenset(("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_BY_WAY_OF))
# Tags of TIFF files.
_BITS, _PHOTOMETRIC, _TILE_WIDTH, _TILE_LENGTH = 258, 262, 322, 323
_BLACK_IS_ZERO = 1


class ImageFileError(ValueError):
    """A file is no readable image; the message is the reason, without the file's name."""


def read_image(path):
    """Reads and decodes one file.

    Of an animation or several pages only the first picture is decoded. Gray images become RGB, 16
    bits become the upper 8, and alpha is dropped. The EXIF orientation is applied to TIFF files
    only.

    Args:
        path: String, bytes or path of a JPEG, PNG, GIF, BMP, WebP, TIFF or PPM file.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        ImageFileError: The file cannot be read, is no image, is damaged, or exceeds `MAX_PIXELS`,
            `MAX_SIDE` or `MAX_BYTES`; or it is neither JPEG nor PNG, and Pillow is not installed.
        ImportError: Neither TensorFlow nor Pillow is installed.
    """
    return decode(read_bytes(path))


def read_bytes(path):
    """Returns the bytes of one file; an `ImageFileError` says why it cannot be read."""
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


def decode(data, decoder=None):
    """Decodes the bytes of an image file.

    The size is read and checked first, so that a small file which claims to be a huge image costs
    no memory.

    Args:
        data: Bytes.
        decoder: Function from bytes to a tensor, in place of the usual decoders, for which
            TensorFlow is installed. Defaults to `None`.

    Returns:
        uint8 array of shape (height, width, 3), or what `decoder` returns.

    Raises:
        ImageFileError: See `read_image`.
    """
    if not optional.is_installed("tensorflow"):
        return np.asarray(rgb_of(open_image(data)))
    tf = require("tensorflow", "Loading images")
    plain = data.startswith((PNG, JPEG))
    try:
        if decoder is None and not plain:
            return np.asarray(rgb_of(open_image(data)))
        if plain:
            check_size(*_plain_size(data))
        else:
            open_image(data)
        if decoder is not None:
            return decoder(data)
        return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    except (tf.errors.OpError, struct.error) as error:
        # TensorFlow's message speaks of its own functions.
        raise ImageFileError(_DAMAGED) from error
    except ImportError as error:  # of Pillow, which JPEG and PNG do without
        raise ImageFileError("neither JPEG nor PNG, and Pillow is not installed") from error


def check_size(height, width):
    """Raises an `ImageFileError` for an image that is too large to decode."""
    if height * width > MAX_PIXELS:
        raise ImageFileError(
            f"{width} x {height} pixels, above the limit of {MAX_PIXELS // 10**6} million"
        )
    if max(height, width) > MAX_SIDE:
        raise ImageFileError(f"{width} x {height} pixels, above the limit of {MAX_SIDE} a side")


def open_image(data):
    """Opens the bytes of an image file with Pillow, without decoding.

    Returns:
        A `PIL.Image.Image` of a size within the limits.

    Raises:
        ImageFileError: See `read_image`.
        ImportError: Pillow is not installed.
    """
    pillow = require("PIL.Image", "Reading image files")
    try:
        image = pillow.open(io.BytesIO(data), formats=_PILLOW_FORMATS)
        check_size(image.height, image.width)
        if image.format == "PNG":  # compares the checksums, which decoding does not
            image.verify()
            image = pillow.open(io.BytesIO(data), formats=_PILLOW_FORMATS)
        elif image.format == "TIFF":
            _check_tiff(image)
    except pillow.UnidentifiedImageError as error:
        raise ImageFileError(_UNKNOWN) from error
    except pillow.DecompressionBombError as error:
        raise ImageFileError(f"above the limit of {MAX_PIXELS // 10**6} million pixels") from error
    except ImageFileError:
        raise
    except Exception as error:  # Pillow raises many kinds
        raise ImageFileError(_DAMAGED) from error
    return image


def rgb_of(image, upright=False):
    """Decodes an image of `open_image` to RGB; of 16 bits the upper 8 stay, alpha is dropped.

    Args:
        image: A `PIL.Image.Image`.
        upright: Boolean, whether to apply the EXIF orientation. Defaults to `False`.

    Returns:
        A `PIL.Image.Image` of mode "RGB".

    Raises:
        ImageFileError: It is damaged, or its values have no known range.
    """
    pillow = require("PIL.Image", "Reading image files")
    operations = require("PIL.ImageOps", "Reading image files")
    try:
        image.load()
        if upright:
            operations.exif_transpose(image, in_place=True)
    except Exception as error:  # Pillow raises many kinds
        raise ImageFileError(_DAMAGED) from error
    # Pillow gives the 16 bits of a PPM file as 32.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in _MODES:
        raise ImageFileError(f"values of the kind {image.mode!r}, not 0 to 255")
    if image.mode in _BY_WAY_OF:
        image = image.convert(_BY_WAY_OF[image.mode])
    return image.convert("RGB")


def _check_tiff(image):
    """Refuses what Pillow reads wrongly, and tiles larger than an image may be."""
    tags = image.tag_v2
    check_size(tags.get(_TILE_LENGTH, 1), tags.get(_TILE_WIDTH, 1))
    if image.mode.startswith("I;16") and (
        tags.get(_BITS) != (16,) or tags.get(_PHOTOMETRIC) != _BLACK_IS_ZERO
    ):
        raise ImageFileError("gray values of 16 bits that are not 0 for black to 65,535 for white")


def _plain_size(data):
    """Returns the (height, width) of a JPEG or PNG file."""
    if data.startswith(PNG):
        return struct.unpack_from(">II", data, 16)[::-1]
    tf = require("tensorflow", "Loading images")
    return tf.io.extract_jpeg_shape(data).numpy()[:2].tolist()
