"""The splits that a data set has of its own."""

from keras_patchmix.base.optional import require
from keras_patchmix.base.types import FilePath
from keras_patchmix.datasets.loading import FOLDER_PREFIX, check_name, prepared_builder


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
    check_name(name)
    if name.startswith(FOLDER_PREFIX):
        return ["test", "train", "validation"]
    tfds = require("tensorflow_datasets", f"The data set {name!r}")
    return sorted(prepared_builder(tfds, name, data_dir).info.splits)
