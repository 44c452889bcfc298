"""`load` and `load_for_scoring`: any supported data set by its name."""

import warnings
from typing import Any

import numpy as np

from keras_patchmix.base import optional
from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.datasets import images
from keras_patchmix.datasets.folder import FolderSource
from keras_patchmix.datasets.scoring_data import ScoringData
from keras_patchmix.datasets.shapes_source import ShapesSource
from keras_patchmix.datasets.tfds_source import RecordsSource, TfdsSource


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
    - `"records:PATH"`: what `write_records` (or `keras-patchmix records`) has written to a
      directory, or any directory of TFDS with a dataset_info.json.

    Gray images become RGB, an alpha channel is dropped, and of several frames or pages the first is
    read. Pillow decodes what is neither JPEG nor PNG. The order is the same on every run unless
    `shuffle_files` is set.

    Without TensorFlow folders and "shapes" (its whole splits) are read by Pillow and Grain, in the
    same order. Pixels of JPEGs, and of what is resized, then differ by about one of 255 levels.

    Args:
        name: String, one of the above.
        split: String: `"train"`, `"validation"`, `"test"`, `"all"`; for TFDS sets any split string,
            such as `"train[:90%]"`. Defaults to `"train"`.
        image_size: Integer or pair `(height, width)`: images are resized (bilinear, antialiased,
            proportions kept) to cover this size and cut to it around the center. None keeps the
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
        shape `()`, not batched, its cardinality known; a `grain.MapDataset` of the same where
        TensorFlow is not installed. With `with_info=True` a tuple of that and a `DatasetInfo`.

    Raises:
        ValueError: An unknown name or split, a data set without exactly one image and one label,
            a folder with fewer than two classes or without images, of splits beside classes or
            with classes of their own, or of what looks like splits of other names, sizes that vary
            while `image_size` is None. A file that is not a readable image raises, when it is read,
            an error that names it.
        ImportError: Neither TensorFlow nor Grain is installed; or TensorFlow or TFDS is not, for a
            source that needs them.

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
    source = open_source(name, data_dir, download)
    dataset, info = source.load(split, size, shuffle_files, seed)
    return (dataset, info) if with_info else dataset


def load_for_scoring(
    name: str,
    split: str = "test",
    image_size: Size | None = None,
    data_dir: FilePath | None = None,
    batch_size: int = 64,
    download: bool = True,
) -> ScoringData:
    """Loads a data set to score models on, such as with `keras_patchmix.occlusion.evaluate`.

    The images are those of `load`, in its order, with one difference: a file of a folder that is
    missing by now, no image, damaged or above 100 million pixels does not end the scoring. It is
    left out, and named in `skipped`. The other examples keep their index, the position in the
    listing, and with it the way they are corrupted.

    Args:
        name: String, as in `load`.
        split: String, as in `load`. Defaults to `"test"`.
        image_size: Integer or pair `(height, width)`, as in `load`. Defaults to `None`.
        data_dir: String or path, as in `load`. Defaults to `None`.
        batch_size: Positive integer. Defaults to `64`.
        download: Boolean, as in `load`. Defaults to `True`.

    Returns:
        A `ScoringData`.

    Raises:
        ValueError: See `load`. A broken record of a TFDS set raises as it does in TFDS.
        ImportError: See `load`.

    Warns:
        UserWarning: See `load`.

    Example:
    ```python
    photos = keras_patchmix.datasets.load_for_scoring("folder:photos", image_size=224)
    report = keras_patchmix.occlusion.evaluate(model, photos)
    print(photos.skipped)
    ```
    """
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(
            f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}"
        )
    size = images.check_image_size(image_size)
    return open_source(name, data_dir, download).for_scoring(split, size, batch_size)


def split_names(name: str, data_dir: FilePath | None = None) -> list[str]:
    """Returns the names of a data set's splits.

    Args:
        name: As in `keras_patchmix.datasets.load`. A TFDS set that is not prepared is prepared.
        data_dir: As in `keras_patchmix.datasets.load`.

    Returns:
        Sorted list of strings. Folders have "test", "train" and "validation", whatever is on disk:
        `load` takes those that have no folder of their own out of the training images.

    Raises:
        ValueError: The name is unknown.
    """
    return parse_source(name, data_dir).split_names()


def parse_source(name: str, data_dir: FilePath | None = None, download: bool = True) -> Any:
    """Returns the `Source` that a name stands for; nothing is read yet.

    Args:
        name: As in `load`.
        data_dir: As in `load`. Defaults to `None`.
        download: As in `load`. Defaults to `True`.

    Raises:
        ValueError: The name is not a string, or empty.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(
            '`name` must be "shapes", a TensorFlow Datasets name, "folder:PATH" or "records:PATH". '
            f"Received: name={name!r}"
        )
    return _kind(name)(name, data_dir, download)


def open_source(name, data_dir=None, download=True):
    """Does the same for a public function, and warns its caller of the source's remarks."""
    source = parse_source(name, data_dir, download)
    for remark in source.remarks:
        warnings.warn(remark, UserWarning, stacklevel=3)
    return source


def name_and_split(text):
    """Parses "NAME" or "NAME:SPLIT", see `Source`."""
    return _kind(text).name_and_split(text)


def _kind(name):
    if ShapesSource.takes(name) and not optional.is_installed("tensorflow"):
        return ShapesSource
    kinds = (FolderSource, RecordsSource, TfdsSource)
    return next(kind for kind in kinds if name.startswith(kind.prefix))
