"""Sets of occluded images as members of a suite, beside the corruptions.

What is needed of `keras_patchmix.datasets` is imported where a set has a name: importing that room
registers builders with TensorFlow Datasets, which imports TensorFlow.
"""

import copy
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_patchmix.base.printable import printable
from keras_patchmix.base.types import FilePath, Size
from keras_patchmix.corruptions.member import Condition, Member
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.scoring.class_map import ClassMap

# What other values of a report or of Keras' logs are called ("val_loss").
_RESERVED = re.compile(r"clean|loss|accuracy|occlusion_.*")


class DatasetOcclusion(Member):
    """Images that are occluded already, with labels of their own: a set that a model is scored on.

    It stands in a suite wherever a corruption does, and brings its own images: the Superimposed
    Masked Dataset or the Realistic Occlusion Dataset of Lee et al., arXiv 2306.17848 (2023), a set
    of your own. Each of its splits is a row of the report, with its own number of images, labels,
    classes and standard error. There is no clean counterpart, so such a row has no drop and is on
    no curve. Its share is the mean of the set's feature "coverage", the share of an image's pixels
    that is hidden, and None where the set does not have it.

    The batch size, `preprocess` and `value_range` are the benchmark's. Images of a named set are
    brought to that range and to the dtype of the benchmark's own images; ready data must come so.
    Only the bank, which such a set has no need of, and the counts are kept in memory: a benchmark
    that runs several times reads the images again each time.

    Args:
        dataset: Name of a data set as `keras_patchmix.datasets.load` takes it (TensorFlow Datasets,
            "shapes/...", "folder:PATH", "records:PATH"); or data in any form that
            `keras_patchmix.occlusion.evaluate` takes, in dicts also with a key "coverage".
        split: Split of a named set, or a list of splits. Defaults to `"test"`; ready data has none.
        image_size: Integer or (height, width) that images of a named set are resized to. The size
            of the benchmark's own images when None.
        data_dir: Where TensorFlow Datasets keeps prepared sets; None is its own default.
        class_map: Outputs of the model for each class of the set, as in `evaluate`. `"auto"`, the
            default, knows that of the Realistic Occlusion Dataset, for models with the 1,000
            outputs of ImageNet; for all others output i is class i, as with None. Where the names
            of the benchmark's own classes are known (`class_names`, or data of
            `load_for_scoring`), `"auto"` warns if those of the set differ, and None does not; the
            same names in another order are an error with both.
        max_examples: Score so many images of each split, chosen as in `evaluate`. The benchmark's
            own `max_examples` when None.
        name: Name in reports and logs: letters, digits, "_" and "-". Made of `dataset` when None.

    Raises:
        ValueError: An argument is not as described above.

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
                "`dataset` must be the name of a data set, or labelled images. In what a report "
                "says of its suite null stands for images that were given as an object, which have "
                f"to be given again. Received: dataset={dataset!r}"
            )
        self.dataset = dataset
        self._splits = _check_splits(split) if self.is_named else (None,)
        self.image_size = _check_size(image_size)
        self.data_dir = None if data_dir is None else os.fspath(data_dir)
        is_word = isinstance(class_map, str) or class_map is None
        if isinstance(class_map, str) and class_map != "auto":
            raise ValueError(
                '`class_map` must be "auto", None, or hold the outputs of each class. '
                f"Received: class_map={class_map!r}"
            )
        self.class_map = class_map if is_word else ClassMap(class_map).outputs
        if max_examples is not None and (
            isinstance(max_examples, bool)
            or not isinstance(max_examples, int | np.integer)
            or max_examples < 1
        ):
            raise ValueError(
                "`max_examples` must be a positive integer or None. "
                f"Received: max_examples={max_examples!r}"
            )
        self.max_examples = None if max_examples is None else int(max_examples)
        self._name = _default_name(dataset) if name is None else name
        if (
            not isinstance(self._name, str)
            or not re.fullmatch(r"[A-Za-z0-9_-]+", self._name)
            or _RESERVED.fullmatch(self._name)
        ):
            raise ValueError(
                '`name` must be of letters, digits, "_" and "-", and neither "clean", "loss", '
                '"accuracy" nor one that begins with "occlusion_". '
                f"Received: name={self._name!r}"
            )
        if not self.is_named:
            self._check_ready(split)

    def __deepcopy__(self, memo):
        # It is never changed, and data of tf.data cannot be copied.
        return copy.copy(self)

    def _check_ready(self, split):
        for name, given in (
            ("split", split != "test"),
            ("image_size", self.image_size is not None),
            ("data_dir", self.data_dir is not None),
        ):
            if given:
                raise ValueError(
                    f"`{name}` is for data sets by name; labelled images are taken as they are. "
                    f"Received: {name}={getattr(self, name, split)!r}"
                )
        ExampleSource(self.dataset, max_examples=1)  # raises where it is no data

    @property
    def name(self):
        """Name in reports; a row's name has the split too, where there are several."""
        return self._name

    @property
    def splits(self):
        """Tuple of the names of the splits; of None alone for ready data."""
        return self._splits

    @property
    def conditions(self):
        """Tuple of `Condition`, one for each split."""
        several = len(self._splits) > 1
        return tuple(
            Condition(
                self._name,
                part=_plain(split) if several else None,
                data=printable(f"{self.dataset}:{split}") if self.is_named else self._name,
            )
            for split in self._splits
        )

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values.

        Under "dataset" stands None for data that was given as an object.
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
        or len({_plain(one) for one in splits}) < len(splits)
    ):
        raise ValueError(
            "`split` must be the name of a split, or a list of different ones. "
            f"Received: split={split!r}"
        )
    return splits


def _check_size(size):
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int | np.integer) else size
    if (
        not isinstance(pair, list | tuple)
        or len(pair) != 2
        or not all(isinstance(side, int | np.integer) and side > 0 for side in pair)
    ):
        raise ValueError(
            "`image_size` must be a positive integer, a pair (height, width) of them, or None. "
            f"Received: image_size={size!r}"
        )
    return int(pair[0]), int(pair[1])


def _default_name(dataset):
    if not isinstance(dataset, str):
        return "occluded_images"
    from keras_patchmix.datasets.loading import parse_source

    return _plain(parse_source(dataset).title) or "occluded_images"


def _plain(text):
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
