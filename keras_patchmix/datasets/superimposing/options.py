"""The options of `recipes/make_smd.py`."""

import os
import re
from dataclasses import dataclass

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.loading import FOLDER_PREFIX
from keras_patchmix.datasets.superimposing.coverage import check_coverage


@dataclass(frozen=True)
class SuperimposingOptions:
    """All settings of a superimposed data set.

    Attributes are described by `python recipes/make_smd.py --help`.
    """

    dataset: str
    split: str
    output: str
    name: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    max_examples: int | None = None
    occluders: str = "drawn"
    coverage: tuple = ("10", "20", "30", "40", "50")
    seed: int = 0
    format: str = "png"
    quality: int = 95
    progress: str = "auto"

    def __post_init__(self):
        if not re.fullmatch("[a-z][a-z0-9_]*", self.called()):
            raise ValueError(
                "`name` must begin with a small letter and hold small letters, digits and _ only. "
                f"Received: name={self.name!r}"
            )
        if self.name is not None:
            tfds = require("tensorflow_datasets", "make_smd")
            if self.name in tfds.list_builders(with_community_datasets=False):
                raise ValueError(
                    "`name` must not be that of a data set that TensorFlow Datasets knows. "
                    f"Received: name={self.name!r}"
                )
        check_coverage(self.coverage)

    def called(self):
        """The name of the data set: `name`, or one made of that of its source."""
        if self.name is not None:
            return self.name
        source = self.dataset
        if source.startswith(FOLDER_PREFIX):
            path = os.path.expanduser(source.removeprefix(FOLDER_PREFIX))
            source = os.path.basename(os.path.abspath(path))
        plain = re.sub("[^0-9a-z]+", "_", source.lower()).strip("_")
        return f"superimposed_{plain or 'images'}"


def flag(field):
    """Returns the flag of an attribute of `SuperimposingOptions`, such as "--max-examples"."""
    return "--" + field.replace("_", "-")
