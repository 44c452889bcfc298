"""Where the images of a data set come from, whatever its name says: folder, records or TFDS."""

import os
import re
from typing import Any

from keras_patchmix.base import optional
from keras_patchmix.base.optional import require
from keras_patchmix.datasets import images
from keras_patchmix.datasets.examples import grain_dataset
from keras_patchmix.datasets.scoring_data import DatasetInfo, ScoringData

_VERSION = re.compile(r"\d+\.\d+\.\d+")


class Source:
    """The images of one data set, with one label each.

    `keras_patchmix.datasets.loading.parse_source` returns the one that a name stands for. Nothing
    is read before it is needed. Subclasses implement

    - `name_and_split(text)`, a class method that parses "NAME" or "NAME:SPLIT" to a tuple of the
      name and the split, None for none; or returns None, where `text` is no name;
    - `split_names()`, the sorted splits; `test_split()`, the one to score models on, or None;
      `occluded_splits()`, those to score as sets of occluded images;
    - `listing(split)`, a dict of JSON values that tells the contents of a split from others without
      reading images: "split", "images" (their number), and "sha256" of the names and sizes of a
      folder's files, or "version" of a TFDS set;
    - `encoded_images(split)`, a tuple of the class names, the number of images, and a function that
      yields tuples of (name, label, function that returns the encoded bytes);
    - `encoded(split)`, an `EncodedFolder` or `EncodedRecords`;
    - `examples(split, size)`, a tuple of the class names and the examples by position, see
      `keras_patchmix.datasets.examples.FolderExamples`, where that needs no TensorFlow;
    - `_images(split, size, shuffle_files, seed)`, a tuple of a `tf.data.Dataset` of RGB images and
      labels, the class names, and the number of images.

    Args:
        name: String, the whole name, such as `"folder:photos"`.
        data_dir: As in `keras_patchmix.datasets.load`. Defaults to `None`.
        download: As in `load`. Defaults to `True`.

    Attributes:
        prefix: String that names of this kind begin with.
        location: String, the name without its prefix.
        builder: The TFDS builder, its files prepared; None for a folder.
        remarks: List of sentences about what may not be intended.
        broken: Dict that is filled with the reasons, by name, of files that cannot be read. In
            `load`, `encoded` and `examples` the next image of the class then takes the place of
            each. None, the default: the first one raises an error.
    """

    prefix = ""
    builder: Any = None
    remarks: Any = ()
    broken: Any = None

    def __init__(self, name, data_dir=None, download=True):
        self.name, self.data_dir, self.download = name, data_dir, download
        self.location = name.removeprefix(self.prefix)

    @property
    def title(self):
        """String, the name without prefix, folders and version."""
        if not self.prefix:
            return self.location
        folder, title = os.path.split(os.path.abspath(os.path.expanduser(self.location)))
        # TFDS writes a data set to name/version.
        return os.path.basename(folder) if _VERSION.fullmatch(title) else title

    def sampled_from(self, split):
        """Returns what a split without images of its own is sampled from, in words, or None."""
        del split

    def load(self, split, size, shuffle_files=False, seed=None):
        """Returns a split as a data set of (image, label), and a `DatasetInfo`.

        It is a `tf.data.Dataset`, or a `grain.MapDataset` where TensorFlow is not installed.

        Args:
            split: As in `keras_patchmix.datasets.load`.
            size: (height, width), or None for the images' own size.
            shuffle_files: As in `load`. Defaults to `False`.
            seed: As in `load`. Defaults to `None`.
        """
        if not isinstance(split, str):
            raise ValueError(f"`split` must be a string. Received: split={split!r}")
        if not optional.is_installed("tensorflow"):
            return self._load_grain(split, size, shuffle_files, seed)
        dataset, class_names, count = self._images(split, size, shuffle_files, seed)
        tf = require("tensorflow", "keras_patchmix.datasets.load")
        own = tuple(dataset.element_spec[0].shape[:2])
        if size is None and None in own:
            raise ValueError(
                f"The images of {self.name!r} have no common size: give `image_size`, an integer "
                "or a pair (height, width). Received: image_size=None"
            )

        @tf.autograph.experimental.do_not_convert
        def convert(image, label):
            if size is not None:
                image = images.resize(image, size)
            return image, tf.cast(label, tf.int64)

        dataset = dataset.map(convert, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
        shape = (*(size or own), 3)
        return dataset, DatasetInfo(self.name, split, len(class_names), class_names, count, shape)

    def _load_grain(self, split, size, shuffle_files, seed):
        class_names, examples = self.examples(split, size)
        dataset = grain_dataset(examples)
        if shuffle_files:
            dataset = dataset.seed(seed or 0).shuffle()
        return dataset, self._info(split, class_names, examples)

    def _info(self, split, class_names, examples):
        shape = examples.shape
        return DatasetInfo(self.name, split, len(class_names), class_names, len(examples), shape)

    def for_scoring(self, split, size, batch_size):
        """Returns a split as `ScoringData`; see `keras_patchmix.datasets.load_for_scoring`."""
        if optional.is_installed("tensorflow"):
            dataset, info = self.load(split, size)
            return ScoringData(info, batch_size, dataset)
        class_names, examples = self.examples(split, size)
        return ScoringData(self._info(split, class_names, examples), batch_size, examples)
