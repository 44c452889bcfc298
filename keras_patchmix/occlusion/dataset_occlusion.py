"""Sets of occluded images as members of a suite.

`keras_patchmix.datasets` is imported only for sets by name, since it imports TensorFlow.
"""

import copy
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_patchmix.base.printable import printable
from keras_patchmix.base.sizes import size_pair
from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.corruptions.member import Condition, Member
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.scoring.class_map import ClassMap

# Names of other values in reports and Keras' logs ("val_loss").
_RESERVED = re.compile(r"clean|loss|accuracy|occlusion_.*")


class DatasetOcclusion(Member):
    """A labeled set of occluded images to score a model on.

    It is a member of a suite like a corruption, but has its own images: the Superimposed Masked
    Dataset or the Realistic Occlusion Dataset of Lee et al., arXiv 2306.17848 (2023), or your own
    set. Each split is a row of the report, with its own number of images, labels, classes and
    standard error.
    There is no clean counterpart, so the row has no drop and is on no curve. Its share is the mean
    of the feature "coverage", the share of an image's pixels that is hidden, or None without that
    feature.

    The batch size, `preprocess` and `value_range` are the benchmark's. Images of a named set are
    converted to that range and to the dtype of the benchmark's own images; other data must come in
    that form. The images are read again in each run of a benchmark.

    Args:
        dataset: Name of a data set as `keras_patchmix.datasets.load` takes it (TensorFlow Datasets,
            "shapes/...", "folder:PATH", "records:PATH"); or data in any form that
            `keras_patchmix.occlusion.evaluate` takes, in dicts also with a key "coverage".
        split: Split of a named set, or a list of splits. Defaults to `"test"`; other data has none.
        image_size: Integer or (height, width) that images of a named set are resized to. None is
            the size of the benchmark's own images.
        data_dir: Directory of prepared sets of TensorFlow Datasets. None is its default.
        class_map: Outputs of the model for each class of the set, as in `evaluate`. None takes
            output i for class i. `"auto"`, the default, knows the map of the Realistic Occlusion
            Dataset for models with the 1,000 outputs of ImageNet. If the names of the
            benchmark's own classes are known (`class_names`, or data of `load_for_scoring`),
            `"auto"` warns if those of the set differ; the same names in another order are an error
            with `"auto"` and None.
        max_examples: Number of images of each split, chosen as in `evaluate`. None is the
            benchmark's own `max_examples`.
        name: Name in reports and logs: letters, digits, "_" and "-". None derives it from
            `dataset`.

    Example:
        >>> suite = [
        ...     *default_suite(224),
        ...     DatasetOcclusion("superimposed_masked_dataset"),
        ...     DatasetOcclusion("realistic_occlusion_dataset", name="rod"),
        ... ]
    """

    def __init__(
        self,
        dataset: Any,
        split: str | Sequence[str] = "test",
        image_size: Size | None = None,
        data_dir: FilePath | None = None,
        class_map: str | Sequence[int | Sequence[int]] | None = "auto",
        max_examples: int | None = None,
        name: str | None = None,
    ):
        self.is_named = isinstance(dataset, str)
        if dataset is None or (self.is_named and not dataset):
            raise ValueError(
                "`dataset` must be the name of a data set, or labeled images. In what a report "
                "says of its suite null stands for images that were given as an object, which have "
                f"to be given again. Received: dataset={dataset!r}"
            )
        self.dataset = dataset
        self._splits = _check_splits(split) if self.is_named else (None,)
        self.image_size = None if image_size is None else size_pair(image_size, "image_size")
        self.data_dir = None if data_dir is None else os.fspath(data_dir)
        is_word = isinstance(class_map, str) or class_map is None
        if isinstance(class_map, str) and class_map != "auto":
            raise ValueError(
                '`class_map` must be "auto", None, or hold the outputs of each class. '
                f"Received: class_map={class_map!r}"
            )
        self.class_map = class_map if is_word else ClassMap(class_map).outputs
        if max_examples is not None and not _is_positive_integer(max_examples):
            raise ValueError(
                "`max_examples` must be a positive integer or None. "
                f"Received: max_examples={max_examples!r}"
            )
        self.max_examples = None if max_examples is None else int(max_examples)
        self._name = _default_name(dataset) if name is None else name
        is_plain = isinstance(self._name, str) and re.fullmatch(r"[A-Za-z0-9_-]+", self._name)
        if not is_plain or _RESERVED.fullmatch(self._name):
            raise ValueError(
                '`name` must be of letters, digits, "_" and "-", and neither "clean", "loss", '
                '"accuracy" nor one that begins with "occlusion_". '
                f"Received: name={self._name!r}"
            )
        if not self.is_named:
            self._check_data(split)

    def __deepcopy__(self, memo):
        # A tf.data.Dataset cannot be copied, and members never change.
        return copy.copy(self)

    def _check_data(self, split):
        for name, given in (
            ("split", split != "test"),
            ("image_size", self.image_size is not None),
            ("data_dir", self.data_dir is not None),
        ):
            if given:
                raise ValueError(
                    f"`{name}` is for data sets by name; labeled images are taken as they are. "
                    f"Received: {name}={getattr(self, name, split)!r}"
                )
        ExampleSource(self.dataset, max_examples=1)  # raises a ValueError for anything else

    @property
    def name(self):
        """Name in reports. With several splits the names of rows hold the split too."""
        return self._name

    @property
    def splits(self):
        """Tuple of the names of the splits; `(None,)` for data that is not given by name."""
        return self._splits

    @property
    def conditions(self):
        """Tuple of `Condition`, one for each split."""
        several = len(self._splits) > 1
        return tuple(
            Condition(
                self._name,
                part=_identifier(split) if several else None,
                data=printable(f"{self.dataset}:{split}") if self.is_named else self._name,
            )
            for split in self._splits
        )

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values.

        "dataset" is None for data that is not given by name.
        """
        return {
            "dataset": self.dataset if self.is_named else None,
            "split": list(self._splits) if len(self._splits) > 1 else self._splits[0] or "test",
            "image_size": None if self.image_size is None else list(self.image_size),
            "data_dir": self.data_dir,
            "class_map": self.class_map,
            "max_examples": self.max_examples,
            "name": self._name,
        }

    def __eq__(self, other):
        same = super().__eq__(other)
        return same and (self.is_named or self.dataset is other.dataset)

    __hash__ = Member.__hash__


def _check_splits(split):
    splits = (split,) if isinstance(split, str) else split
    splits = tuple(splits) if isinstance(splits, list | tuple) else ()
    if (
        not splits
        or not all(isinstance(one, str) and one for one in splits)
        or len({_identifier(one) for one in splits}) < len(splits)
    ):
        raise ValueError(
            "`split` must be the name of a split, or a list of different ones. "
            f"Received: split={split!r}"
        )
    return splits


def _default_name(dataset):
    if not isinstance(dataset, str):
        return "occluded_images"
    from keras_patchmix.datasets.loading import parse_source

    return _identifier(parse_source(dataset).title) or "occluded_images"


def _is_positive_integer(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0


def _identifier(text):
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
