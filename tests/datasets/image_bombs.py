"""Image files that are small, and meant to end the process, to fill the memory or to be misread."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

# What begins a frame of 1 x 1 pixels in a JPEG; but here no 0xFF precedes it.
FALSE_FRAME = bytes.fromhex("00c0000b080001000101011100")


def saved(image, form, **settings):
    """Returns the bytes of an image that Pillow writes."""
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def png_of(width, height):
    """A PNG file that claims a size, and holds next to nothing."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def gif_of_one_pixel(side):
    """A GIF file whose screen is 1 x 1, and whose frame is not."""
    data = bytearray(saved(Image.new("P", (16, 16)), "GIF"))
    frame = data.index(b"\x2c" + struct.pack("<HHHH", 0, 0, 16, 16))
    data[6:10] = struct.pack("<HH", 1, 1)
    data[frame + 5 : frame + 9] = struct.pack("<HH", side, side)
    return bytes(data)


def long_gif(side, frames):
    """A GIF file of many frames."""
    data = saved(Image.new("P", (side, side)), "GIF")
    start = data.index(b"\x2c" + struct.pack("<HHHH", 0, 0, side, side))
    return data[:start] + data[start:-1] * frames + data[-1:]


def jpeg_of(side):
    """A JPEG file that claims a size, with what looks like a smaller one between two markers."""
    data = bytearray(saved(Image.new("L", (16, 16)), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(data[:20] + FALSE_FRAME + data[20:])


def differing_webp(lossless=False):
    """An animated WebP file whose frames differ."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), np.uint8)
    first, *others = map(Image.fromarray, noise)
    return saved(first, "WEBP", save_all=True, append_images=others, lossless=lossless)


def tiff_of(tags, data, size=(16, 16)):
    """A gray TIFF file of one strip or tile.

    Args:
        tags: Dict from numbers of tags to values of 32 bits; "place" and "length" are those of the
            data.
        data: Bytes.
        size: (width, height).
    """
    tags = {256: size[0], 257: size[1], 258: 8, 259: 1, 262: 1, 277: 1} | tags
    place = 8 + 2 + 12 * len(tags) + 4
    found = {"place": place, "length": len(data)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, found.get(tags[tag], tags[tag])) for tag in sorted(tags)
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def tiff_of_one_tile(side):
    """A TIFF file of 16 x 16 pixels in a tile that is much larger."""
    data = zlib.compress(bytes(side * side))
    return tiff_of({259: 8, 322: side, 323: side, 324: "place", 325: "length"}, data)


def bmp_of(bits, compression, data, size, palette=(), masks=()):
    """A BMP file.

    Args:
        bits: Integer, bits of a pixel.
        compression: Integer: 0 none, 1 RLE8, 3 by masks.
        data: Bytes of the rows, from below.
        size: (width, height).
        palette: Sequence of (red, green, blue).
        masks: Integers, the bits of red, green and blue.
    """
    table = b"".join(struct.pack("<I", mask) for mask in masks)
    table += b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    place = 14 + 40 + len(table)
    sides = struct.pack("<iiHH", *size, 1, bits)
    info = sides + struct.pack("<IIiiII", compression, len(data), 0, 0, len(palette), 0)
    return (
        struct.pack("<2sIII", b"BM", place + len(data), 0, place)
        + struct.pack("<I", 40)
        + info
        + table
        + data
    )


def bombs():
    """Returns a dict from names to bytes; names say whether a file may be read."""
    thin = [Image.new("RGB", size, (10, 200, 30)) for size in ((2, 2500), (3000, 2))]
    return {
        "read-differing.webp": differing_webp(),
        "read-differing-lossless.webp": differing_webp(lossless=True),
        "read-long.gif": long_gif(3000, 40),
        "read-thin.png": saved(thin[0], "PNG"),
        "read-flat.png": saved(thin[1], "PNG"),
        "refused-claims.png": png_of(50_000, 50_000),
        "refused-side.png": png_of(100_000, 1),
        "refused-claims.jpg": jpeg_of(20_000),
        "refused-screen.gif": gif_of_one_pixel(16_000),
        "refused-tile.tif": tiff_of_one_tile(30_000),
    }
