"""Occluders from a folder of PNG files with transparency."""

from pathlib import Path

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.types import FilePath
from keras_patchmix.occluders.occluder import Occluder

# A small file can claim any size, so it is checked before decoding.
LARGEST_IMAGE = 8192 * 8192


def load_folder(path: FilePath) -> "tuple[Occluder, ...]":
    """Loads all PNG files with transparency in a folder and its subfolders, except hidden ones.

    Occluders are sorted by name. Their names are those of the files, relative to the folder and
    without the ending.

    Args:
        path: String or path of the folder.

    Returns:
        Tuple of `Occluder`s.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: There is no such folder, or no PNG file in it; or a file, which the message
            names, cannot be read, has no transparency, is too large, or shows nothing of 8 pixels
            or more.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise ValueError(
            f"`path` must be a folder that exists, of PNG files. Received: path={str(path)!r}"
        )
    files = {
        file.relative_to(root).as_posix(): file
        for file in root.rglob("*.[pP][nN][gG]")
        if file.is_file() and not any(part[0] == "." for part in file.relative_to(root).parts)
    }
    if not files:
        raise ValueError(
            "`path` must be a folder that holds PNG files with transparency; it holds no file "
            f"that ends in .png. Received: path={str(path)!r}"
        )
    occluders = []
    for name in sorted(files):
        try:
            occluders.append(Occluder(name.rpartition(".")[0], _read(files[name])))
        except ValueError as error:
            raise ValueError(
                f"The file {name!r} of `path` cannot be an occluder. {error} "
                f"Received: path={str(path)!r}"
            ) from error
    return tuple(occluders)


def _read(file):
    """Returns a PNG file as a uint8 array of shape (H, W, 4)."""
    pillow = require("PIL.Image", "reading occluders from PNG files")
    try:
        with pillow.open(file, formats=("PNG",)) as picture:
            width, height = picture.size
            if width * height > LARGEST_IMAGE:
                raise ValueError(f"It must have at most {LARGEST_IMAGE} pixels: {width} x {height}")
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                raise ValueError(
                    f"It has no transparency (an alpha channel), but mode {picture.mode}."
                )
            return np.asarray(picture.convert("RGBA"))
    # Pillow raises SyntaxError, struct.error and others for broken files.
    except (OSError, SyntaxError, EOFError, pillow.DecompressionBombError) as error:
        raise ValueError(f"It cannot be read as a PNG file: {error}.") from error
