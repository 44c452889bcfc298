"""Folders of images, one folder for each class."""

import hashlib
import os
from pathlib import Path

from keras_patchmix._optional import require
from keras_patchmix.datasets.image_files import ImageFileError, read_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
_SHARE = 0.1


def _hash(name):
    """Returns a number in [0, 1) that depends on a relative file name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _scan(root):
    """Returns a list of (relative name, class name, path) of the images in `root/<class>/...`."""
    found = []
    for class_folder in sorted(root.iterdir()):
        if not class_folder.is_dir() or class_folder.name.startswith("."):
            continue
        for path in class_folder.rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
                found.append((path.relative_to(root).as_posix(), class_folder.name, path))
    return found


def _assigned(name, without_folder):
    """Returns the split of a training image when some splits have no folder of their own."""
    place = _hash(name)
    for number, split in enumerate(("test", "validation")):
        if split in without_folder and number * _SHARE <= place < (number + 1) * _SHARE:
            return split
    return "train"


def list_images(path, split):
    """Lists the images of one split of a folder.

    Args:
        path: String or path of the folder.
        split: "train", "validation", "test" or "all".

    Returns:
        Tuple of the class names, sorted, and a list of (relative name, label, path) in the order of
        a hash of the relative name. Names are relative to the folder that holds the class folders;
        of "all", where splits have folders of their own, to `path`.

    Raises:
        ValueError: The folder does not exist, holds fewer than two classes or no images, or the
            split is unknown or empty.
    """
    received = f'Received: name="folder:{path}"'
    root = Path(path).expanduser()
    if split not in (*_SPLITS, "all"):
        raise ValueError(
            f"`split` must be one of {[*_SPLITS, 'all']} for a folder of images. "
            f"Received: split={split!r}"
        )
    if not path or not root.is_dir():
        raise ValueError(f'`name` must be "folder:PATH" with a folder that exists. {received}')
    folders = {"train": root}
    if (root / "train").is_dir():
        for key, names in _SPLITS.items():
            present = [root / name for name in names if (root / name).is_dir()]
            if present:
                folders[key] = present[0]
    images = {key: _scan(folder) for key, folder in folders.items()}
    classes = tuple(sorted({kind for found in images.values() for _, kind, _ in found}))
    if not classes:
        raise ValueError(
            f"`name` must be a folder with a folder of images ({', '.join(SUFFIXES)}) for each "
            f"class; there are no such images. {received}"
        )
    if len(classes) == 1:
        raise ValueError(
            f"`name` must be a folder with at least two classes; {classes[0]!r} is the only one. "
            f"{received}"
        )
    without_folder = set(_SPLITS) - set(folders)
    if split == "all":
        chosen = [
            (path.relative_to(root).as_posix(), kind, path)
            for found in images.values()
            for _, kind, path in found
        ]
    elif split == "train" or split in without_folder:
        chosen = [one for one in images["train"] if _assigned(one[0], without_folder) == split]
    else:
        chosen = images[split]
    if not chosen:
        raise ValueError(
            f"`split` holds no images: 10 % of the training images, chosen by a hash of their "
            f"names, make a split without a folder of its own. {received}, split={split!r}"
        )
    chosen = sorted(chosen, key=lambda one: (_hash(one[0]), one[0]))
    return classes, [(name, classes.index(kind), path) for name, kind, path in chosen]


def _decode(path):
    """Reads and decodes one file, eagerly; an error names the file."""
    try:
        return read_image(path.numpy())
    except ImageFileError as error:
        name = path.numpy().decode("utf-8", "surrogateescape")
        raise ValueError(f"Cannot decode the image file {name!r}: {error}") from None


def open_folder(path, split, size, shuffle, seed):
    """Opens one split of a folder of images.

    Args:
        path: String or path of the folder.
        split: "train", "validation", "test" or "all".
        size: (height, width) if images will be resized, None if they must share one size.
        shuffle: Boolean, whether every epoch has another order.
        seed: Integer or None, seed of that order.

    Returns:
        Tuple of a `tf.data.Dataset` of uint8 images (H, W, C) and labels, the class names and the
        number of images.

    Raises:
        ValueError: See `list_images`; or the first file is no image and `size` is None.
    """
    tf = require("tensorflow", "Loading a folder of images")
    classes, listed = list_images(path, split)
    paths = [os.fsencode(path) for _, _, path in listed]  # TensorFlow takes no surrogates
    shape = (None, None)
    if size is None:
        shape = tuple(_decode(tf.constant(paths[0])).shape[:2])

    def decode(path):
        image = _decode(path)
        if size is None and tuple(image.shape[:2]) != shape:
            name = path.numpy().decode("utf-8", "surrogateescape")
            raise ValueError(
                f"The image {name!r} has another size than {str(listed[0][2])!r}: "
                f"{tuple(image.shape[:2])} instead of {shape}. Give `image_size`. "
                "Received: image_size=None"
            )
        return image

    @tf.autograph.experimental.do_not_convert
    def read(path, label):
        # Python decodes, since an error of the graph op would not say which file it read.
        image = tf.py_function(decode, [path], tf.uint8)
        return tf.ensure_shape(image, (*shape, None)), label

    labels = [label for _, label, _ in listed]
    dataset = tf.data.Dataset.from_tensor_slices((paths, tf.constant(labels, tf.int64)))
    if shuffle:
        dataset = dataset.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset, classes, len(paths)
