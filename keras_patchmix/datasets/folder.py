"""Folders of images, one folder for each class."""

import hashlib
import os
import warnings
from pathlib import Path

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable, quoted
from keras_patchmix.datasets.broken_files import BrokenImageFile
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.folder_layout import SPLIT_FOLDERS, FolderError, read_layout
from keras_patchmix.datasets.image_files import ImageFileError, read_image

_SHARE = 0.1


def _hash(name):
    """Returns a number in [0, 1) that depends on a relative file name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _assigned(name, layout):
    """Returns the split of a training image when some splits have no folder of their own."""
    place = _hash(name)
    for number, split in enumerate(("test", "validation")):
        if not layout.has(split) and number * _SHARE <= place < (number + 1) * _SHARE:
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
        FolderError: See `read_layout`; or the folder of the split has no class folders.
        EmptySplitError: The split holds no images.
        ValueError: The split is unknown.
    """
    return choose_images(read_layout(path), path, split)


def choose_images(layout, path, split):
    """Does the same as `list_images` for a folder whose `FolderLayout` is known."""
    if split not in (*SPLIT_FOLDERS, "all"):
        raise ValueError(
            f"`split` must be one of {[*SPLIT_FOLDERS, 'all']} for a folder of images. "
            f"Received: split={split!r}"
        )
    received = f'Received: name="folder:{printable(path)}", split={split!r}'
    if split in layout.unlabelled:
        raise FolderError(
            f"`split` must have labels: the folder {quoted(layout.unlabelled[split])} must "
            "hold a folder for each class, or lie elsewhere, so that 10 % of the training images "
            f"take its place. {received}"
        )
    if split == "all":
        root = Path(path).expanduser()
        chosen = [
            (file.relative_to(root).as_posix(), label, file)
            for found in layout.images.values()
            for _, label, file in found
        ]
    elif split == "train" or not layout.has(split):
        chosen = [one for one in layout.images["train"] if _assigned(one[0], layout) == split]
    else:
        chosen = layout.images[split]
    if not chosen:
        raise EmptySplitError(
            f"`split` holds no images: 10 % of the training images, chosen by a hash of their "
            f"names, make a split without a folder of its own. {received}"
        )
    return layout.classes, sorted(chosen, key=lambda one: (_hash(one[0]), one[0]))


def open_layout(path):
    """Does the same as `read_layout`, and warns of what may not be meant.

    Warns:
        UserWarning: Classes hold no images, files are left out, or a name may have another meaning.
    """
    layout = read_layout(path)
    if layout.remarks:
        warnings.warn(
            f"The folder {quoted(path)}: {'. '.join(layout.remarks)}.",
            UserWarning,
            stacklevel=4,  # who called `load`
        )
    return layout


def _decode(path):
    """Reads and decodes one file, eagerly; an error names the file."""
    try:
        return read_image(path.numpy())
    except ImageFileError as error:
        raise BrokenImageFile(path.numpy(), error) from None


def open_folder(path, split, size, shuffle, seed):
    """Opens one split of a folder of images.

    Args:
        path: String or path of the folder.
        split: "train", "validation", "test" or "all".
        size: (height, width) if images will be resized, None if they must share one size.
        shuffle: Boolean, whether every epoch has another order.
        seed: Integer or None, seed of that order.

    Returns:
        Tuple of a `tf.data.Dataset` of uint8 images (H, W, 3) and labels, the class names and the
        number of images.

    Raises:
        ValueError: See `list_images`; or the first file is no image and `size` is None.

    Warns:
        UserWarning: See `open_layout`.
    """
    tf = require("tensorflow", "Loading a folder of images")
    classes, listed = choose_images(open_layout(path), path, split)
    paths = [os.fsencode(file) for _, _, file in listed]  # TensorFlow takes no surrogates
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
        return tf.ensure_shape(image, (*shape, 3)), label

    labels = [label for _, label, _ in listed]
    dataset = tf.data.Dataset.from_tensor_slices((paths, tf.constant(labels, tf.int64)))
    if shuffle:
        dataset = dataset.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset, classes, len(paths)
