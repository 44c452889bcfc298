"""Images from files, with masks of what does not belong to them, on every Keras backend."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_patchmix.base.printable import distinct, quoted
from keras_patchmix.base.run_directory import file_digest
from keras_patchmix.datasets.image_files import (
    IMAGE_SUFFIXES,
    ImageFileError,
    open_image,
    read_bytes,
    rgb_of,
)
from keras_patchmix.datasets.images import resize_picture


class Picture(NamedTuple):
    """The files of an image.

    Attributes:
        name: Its name in the results.
        path: A `pathlib.Path`.
        mask: Path of the picture of what does not belong to it, or None.
    """

    name: str
    path: Path
    mask: Path | None = None


class Pictures(NamedTuple):
    """The images that could be read.

    Attributes:
        names: Tuple of N names.
        numbers: Tuple of their N indices among all pictures.
        images: uint8 array of shape (N, H, W, 3).
        masks: Booleans of shape (N, H, W), or None.
        skipped: Dict from the names of the others to reasons.
    """

    names: tuple
    numbers: tuple
    images: np.ndarray
    masks: np.ndarray | None
    skipped: dict


def list_pictures(images, masks=()):
    """Lists the files that `--image` and `--mask` name.

    Args:
        images: Sequence of paths of files and folders; of a folder all images within, by name.
        masks: Sequence of paths, as many, a folder where `images` has one; or none.

    Returns:
        List of `Picture`.

    Raises:
        ValueError: Something is not there, or masks do not match.
    """
    if masks and len(masks) != len(images):
        raise ValueError(
            f"--mask must be given once for each --image. Received: {len(images)} and {len(masks)}"
        )
    pairs = []
    for number, text in enumerate(images):
        mask = Path(masks[number]).expanduser() if masks else None
        path = Path(text).expanduser()
        if path.is_dir():
            pairs += _list_folder(path, mask)
        elif path.is_file():
            if mask is not None and not mask.is_file():
                raise ValueError(f"--mask: there is no file {str(mask)!r}")
            pairs.append((path, mask))
        else:
            raise ValueError(f"--image: there is no file or folder {text!r}")
    names = [path.name for path, _ in pairs]
    if len(set(names)) < len(names):
        names = [str(path) for path, _ in pairs]
    return [Picture(name, *pair) for name, pair in zip(distinct(names), pairs, strict=True)]


def describe_files(pictures):
    """Describes the content of files, as `keras_patchmix.cli.listing.data_listing` does.

    Args:
        pictures: List of `Picture`.
    """
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(f"{picture.name}\0{file_digest(picture.path)}\n".encode())
    return {"split": "images", "images": len(pictures), "sha256": digest.hexdigest()}


def read_pictures(pictures, size):
    """Reads images and brings them to one size, as data sets do.

    An image is scaled to cover the size and cropped to its center, and so is its mask. The EXIF
    orientation is applied, and alpha is dropped.

    Args:
        pictures: List of `Picture`.
        size: (height, width), or None for the images' own, which must then be the same.

    Returns:
        A `Pictures`.

    Raises:
        ValueError: No image can be read, sizes differ, or a mask does not fit its image.
        ImportError: Pillow is not installed.
    """
    read, skipped = [], {}
    for number, picture in enumerate(pictures):
        try:
            image = _open_rgb(picture.path)
        except ImageFileError as error:
            skipped[picture.name] = str(error)
            continue
        mask = None if picture.mask is None else _open_mask(picture.mask, image.size)
        read.append((picture.name, number, image, mask))
    if not read:
        name, reason = next(iter(skipped.items()))
        raise ValueError(
            f"--image: none of the {len(skipped)} files can be read; the first is {quoted(name)}: "
            f"{reason}"
        )
    if size is None:
        size = _common_size([(name, image.size) for name, _, image, _ in read])
    names, numbers, images, masks = zip(*read, strict=True)
    images = np.stack([np.asarray(resize_picture(image, size)) for image in images])
    if masks[0] is None:
        return Pictures(names, numbers, images, None, skipped)
    masks = np.stack([np.asarray(resize_picture(mask, size)) >= 128 for mask in masks])
    for name, mask in zip(names, masks, strict=True):
        if mask.all() or not mask.any():
            what = "white, and so out of context" if mask.any() else "black, and so in context"
            raise ValueError(
                f"--mask of {quoted(name)}: all of the part of the image that the models see is "
                f"{what}; it must hold both"
            )
    return Pictures(names, numbers, images, masks, skipped)


def _list_folder(folder, masks):
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not path.name.startswith(".")
    )
    if not paths:
        raise ValueError(
            f"--image: the folder {str(folder)!r} holds no images ({', '.join(IMAGE_SUFFIXES)})"
        )
    if masks is None:
        return [(path, None) for path in paths]
    if not masks.is_dir():
        raise ValueError(f"--mask must be a folder for the folder {str(folder)!r}")
    known = {}
    for path in sorted(masks.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            other = known.setdefault(path.stem, path)
            if other is not path:
                raise ValueError(f"--mask: both {other.name!r} and {path.name!r} are of one image")
    for path in paths:
        if path.stem not in known:
            raise ValueError(f"--mask: {str(masks)!r} holds no mask for {path.name!r}")
    return [(path, known[path.stem]) for path in paths]


def _open_rgb(path):
    """Returns an RGB image of Pillow."""
    return rgb_of(open_image(read_bytes(path)), upright=True)


def _open_mask(path, size):
    try:
        mask = _open_rgb(path).convert("L")
    except ImageFileError as error:
        raise ValueError(f"--mask {str(path)!r}: {error}") from error
    if mask.size != size:
        raise ValueError(
            f"--mask {str(path)!r} must be as large as its image, {size[0]} x {size[1]} "
            f"pixels. Received: {mask.size[0]} x {mask.size[1]}"
        )
    return mask


def _common_size(sizes):
    first, (width, height) = sizes[0]
    for name, size in sizes:
        if size != (width, height):
            raise ValueError(
                f"--image-size is needed: {quoted(first)} has {width} x {height} pixels, "
                f"{quoted(name)} has {size[0]} x {size[1]}"
            )
    return height, width
