"""`load`: any supported data set by its name."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import distinct
from keras_patchmix.base.suggestions import meant
from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.datasets import images
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.folder import open_folder

FOLDER_PREFIX = "folder:"
RECORDS_PREFIX = "records:"


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What is known about a loaded data set.

    Args:
        name: Name as given to `load`.
        split: Split as given to `load`.
        num_classes: Number of classes.
        class_names: Tuple of class names; label `i` is `class_names[i]`. They are printable: what a
            terminal or a file cannot hold is escaped, and a number tells apart names that are the
            same then.
        num_examples: Number of images in the split.
        image_shape: (height, width, 3) of the images.
    """

    name: str
    split: str
    num_classes: int
    class_names: tuple
    num_examples: int
    image_shape: tuple

    def __post_init__(self):
        object.__setattr__(self, "class_names", tuple(distinct(self.class_names)))


def load(
    name: str,
    split: str = "train",
    image_size: Size | None = None,
    data_dir: FilePath | None = None,
    shuffle_files: bool = False,
    seed: int | None = None,
    download: bool = True,
    with_info: bool = False,
) -> Any:
    """Loads a data set of images with one label each.

    There are four sources:

    - `"shapes"`, also `"shapes/64px"` and `"shapes/96px"`: built in, generated on first use and
      kept in `data_dir`. See `keras_patchmix.datasets.shapes`.
    - Any TensorFlow Datasets name with one image and one class label, such as `"cifar10"` or
      `"imagenette/160px-v2"`. What is prepared in `data_dir` is read from there, without a network;
      anything else TFDS downloads first.
    - `"folder:PATH"`: one folder of images for each class, in PATH or in the folders `train`,
      `validation` and `test` in it (`Training`, `val`, `valid`, `testing` and the like mean the
      same). Class ids are the positions of the class folders of the training images in the order
      of their names, as in `keras.utils.image_dataset_from_directory`; a class without images
      keeps its id. A split without a folder of its own is taken out of the training images: 10 %
      each, by a hash of the file's name relative to the class folders, so that a file stays in its
      split whatever is added. The split `"all"` is all images together. The order is that of the
      hash: classes come mixed.
    - `"records:PATH"`: what `write_records` (or `recipes/make_records.py`) has written to a
      directory, or any directory of TFDS with a dataset_info.json.

    Grey images become RGB, an alpha channel is dropped, and of several frames or pages the first is
    read. Pillow decodes what is neither JPEG nor PNG. The order is the same on every run unless
    `shuffle_files` is set.

    Args:
        name: String, one of the above.
        split: String: `"train"`, `"validation"`, `"test"`, `"all"`; for TFDS sets any split string,
            such as `"train[:90%]"`. Defaults to `"train"`.
        image_size: Integer or pair `(height, width)`: images are resized (bilinear, antialiased,
            proportions kept) to cover this size and cut to it around the centre. None keeps the
            size, which must then be the same for all images. Defaults to `None`.
        data_dir: String or path, where TFDS keeps prepared data sets. None is TFDS' own default.
            Not used by folders and records. Defaults to `None`.
        shuffle_files: Boolean, whether to read in another order each epoch: shuffles the files of a
            TFDS set (use `Dataset.shuffle` as well) or all images of a folder. Defaults to `False`.
        seed: Integer or None, seed of `shuffle_files`. Defaults to `None`.
        download: Boolean. If False, a TFDS set that is not prepared raises an error instead of
            being downloaded; "shapes" is generated all the same. Defaults to `True`.
        with_info: Boolean, whether to return a `DatasetInfo` too. Defaults to `False`.

    Returns:
        `tf.data.Dataset` of `(image, label)`: uint8 of shape `(height, width, 3)` and int64 of
        shape `()`, not batched, its cardinality known. With `with_info=True` a tuple of that and a
        `DatasetInfo`.

    Raises:
        ValueError: An unknown name or split, a data set without exactly one image and one label,
            a folder with fewer than two classes or without images, of splits beside classes or
            with classes of their own, or of what looks like splits of other names, sizes that vary
            while `image_size` is None. A file that is not a readable image raises, when it is read,
            an error that names it.
        ImportError: TensorFlow, or TFDS for a source that needs it, is not installed.

    Warns:
        UserWarning: Classes of a folder hold no images, files are left out, with their number, or
            the name of a class may have another meaning.

    Example:
    ```python
    train, info = keras_patchmix.datasets.load("shapes", "train", with_info=True)
    train = train.shuffle(10_000).batch(128)
    ```
    """
    size = images.check_image_size(image_size)
    check_name(name)
    if not isinstance(split, str):
        raise ValueError(f"`split` must be a string. Received: split={split!r}")
    if name.startswith(FOLDER_PREFIX):
        source = open_folder(name[len(FOLDER_PREFIX) :], split, size, shuffle_files, seed)
    else:
        source = _open_tfds(name, split, data_dir, shuffle_files, seed, download)
    dataset, class_names, count = source
    dataset, shape = _to_size(dataset, name, size)
    tf = require("tensorflow", "keras_patchmix.datasets.load")
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    if not with_info:
        return dataset
    return dataset, DatasetInfo(name, split, len(class_names), class_names, count, shape)


def check_name(name):
    """Raises `ValueError` where a name of a data set is no string, or an empty one."""
    if not isinstance(name, str) or not name:
        raise ValueError(
            '`name` must be "shapes", a TensorFlow Datasets name, "folder:PATH" or "records:PATH". '
            f"Received: name={name!r}"
        )


def _to_size(dataset, name, size):
    """Brings (image, label) to RGB, one size and int64; returns the image shape too."""
    tf = require("tensorflow", "keras_patchmix.datasets.load")
    own = tuple(dataset.element_spec[0].shape[:2])
    if size is None and None in own:
        raise ValueError(
            f"The images of {name!r} have no common size: give `image_size`, an integer or a pair "
            "(height, width). Received: image_size=None"
        )

    @tf.autograph.experimental.do_not_convert
    def convert(image, label):
        if size is not None:
            image = images.resize(image, size)
        return image, tf.cast(label, tf.int64)

    dataset = dataset.map(convert, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset, (*(size or own), 3)


def _open_tfds(name, split, data_dir, shuffle_files, seed, download):
    # Who is trying the package out may have what needs no more.
    others = '"folder:PATH" and keras_patchmix.datasets.shapes.generate'
    tfds = require("tensorflow_datasets", f"The data set {name!r} (unlike {others})")
    tf = require("tensorflow", f"The data set {name!r}")
    builder, count, image, label = open_tfds_split(tfds, name, split, data_dir, download)
    # Masks beside the image are not decoded, as nobody gets to see them; and the image is by ours.
    encoded = [
        key
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
    ]
    shape = builder.info.features[image].shape[:2]
    dataset = builder.as_dataset(
        split=split,
        decoders=dict.fromkeys(encoded, tfds.decode.SkipDecoding()),
        shuffle_files=shuffle_files,
        read_config=tfds.ReadConfig(shuffle_seed=seed),
    )

    @tf.autograph.experimental.do_not_convert
    def to_pair(example):
        pixels = images.decode(example[image])
        return tf.ensure_shape(pixels, (*shape, 3)), example[label]

    dataset = dataset.map(to_pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset, tuple(builder.info.features[label].names), count


def open_tfds_split(tfds, name, split, data_dir, download):
    """Finds a split of a TFDS set.

    Returns:
        Tuple of the builder, the number of images and the keys of the image and the label.

    Raises:
        EmptySplitError: The split holds no images.
        ValueError: See `load`.
    """
    builder = prepared_builder(tfds, name, data_dir, download)
    splits = builder.info.splits
    try:
        count = splits[split].num_examples
    except (KeyError, ValueError, AssertionError) as error:
        raise ValueError(
            f"`split` must be one of {sorted(splits)} of the data set {name!r}, or a part such as "
            f'"{min(splits, default="train")}[:90%]". Received: split={split!r}'
        ) from error
    if count == 0:
        raise EmptySplitError(f"`split` holds no images of {name!r}. Received: split={split!r}")
    return builder, count, *_image_and_label(tfds, builder, name)


def prepared_builder(tfds, name, data_dir, download=True):
    """Returns a builder whose files are there; prepares them where they are not."""
    if name.startswith(RECORDS_PREFIX):
        return _open_directory(tfds, name.removeprefix(RECORDS_PREFIX))

    def open_builder():
        try:
            return tfds.builder(name, data_dir=data_dir)
        except (tfds.core.DatasetNotFoundError, ValueError) as error:
            reason = str(error)
            if isinstance(error, tfds.core.DatasetNotFoundError):
                reason = reason.partition("\n")[0]  # what follows lists a thousand names
            question = _folder_meant(name) or meant(name, _names(tfds))
            raise ValueError(
                '`name` must be "shapes", "shapes/64px", "shapes/96px", "folder:PATH", '
                '"records:PATH" or a name that TensorFlow Datasets knows (tfds.list_builders()) '
                "or finds prepared in `data_dir`. "
                f"Received: name={name!r}, data_dir={data_dir!r}.{question} {reason}"
            ) from error

    builder = open_builder()
    if builder.data_path.exists():
        return builder
    if not download and builder.name != "shapes":
        raise ValueError(
            f"The data set {name!r} is not prepared in {str(builder.data_path)!r} and may not be "
            f"downloaded. Received: data_dir={data_dir!r}, download={download}"
        )
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    except Exception:
        # TFDS writes to a folder of its own and renames it: of two processes that prepare the same
        # data set one comes second, and then reads what the first has written.
        if not open_builder().data_path.exists():
            raise
    return open_builder()


def _open_directory(tfds, path):
    path = os.path.expanduser(path)
    try:
        return tfds.builder_from_directory(path)
    except Exception as error:  # TFDS says it with errors of many kinds
        raise ValueError(
            '`name` must be "records:PATH" with a directory of TFDS, such as write_records writes, '
            f'with a dataset_info.json. Received: name="records:{path}"'
        ) from error


def _names(tfds):
    return ["shapes", *tfds.list_builders(with_community_datasets=False)]


def _folder_meant(name):
    """Returns the question whether a folder of that name was meant, "" where there is none."""
    path = Path(name).expanduser()
    if not path.is_dir():
        return ""
    prepared = (path / "dataset_info.json").exists()
    return f" Did you mean {(RECORDS_PREFIX if prepared else FOLDER_PREFIX) + name!r}?"


def _image_and_label(tfds, builder, name):
    """Returns the keys of the one image and the one class label."""
    features = builder.info.features
    kinds = {"images": tfds.features.Image, "labels": tfds.features.ClassLabel}
    found = {
        kind: [key for key, feature in features.items() if type(feature) is feature_type]
        for kind, feature_type in kinds.items()
    }
    if len(found["images"]) != 1 or len(found["labels"]) != 1:
        raise ValueError(
            "`name` must be a data set with exactly one image and one class label. "
            f"Received: name={name!r} with images {found['images']} and labels {found['labels']} "
            f"among the features {sorted(features)}"
        )
    image, label = found["images"][0], found["labels"][0]
    dtype = np.dtype(features[image].get_tensor_info().np_dtype)
    if dtype != np.uint8:
        raise ValueError(
            f"`name` must be a data set of uint8 images. Received: name={name!r} with images of "
            f"type {dtype}"
        )
    return image, label
