"""TensorFlow Datasets by name, and directories that TFDS has written."""
# ruff: noqa: D102 (methods are described by `Source`)

import functools
import os
import re
from pathlib import Path

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.suggestions import meant
from keras_patchmix.datasets import images
from keras_patchmix.datasets.encoded import EncodedRecords
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.folder import FolderSource
from keras_patchmix.datasets.source import Source

# A name of TFDS, which may end in a version (":1.0.0"), and a split, which may hold colons.
_NAME_AND_SPLIT = re.compile(
    r"(?P<name>[^:\[]+(?::(?:\d+|\*)\.(?:\d+|\*)\.(?:\d+|\*))?)(?::(?P<split>.+))?"
)
_NO_SPLIT = (KeyError, ValueError, AssertionError)  # what TFDS raises where there is none


class TfdsSource(Source):
    """A name of TensorFlow Datasets, such as `"cifar10"` or the built-in `"shapes"`."""

    @classmethod
    def name_and_split(cls, text):
        match = _NAME_AND_SPLIT.fullmatch(text)
        return match and (match["name"], match["split"])

    @functools.cached_property
    def builder(self):
        builder = self._open()
        if builder.data_path.exists():
            return builder
        if not self.download and not getattr(builder, "GENERATED", False):
            raise ValueError(
                f"The data set {self.name!r} is not prepared in {str(builder.data_path)!r} and may "
                f"not be downloaded. Received: data_dir={self.data_dir!r}, "
                f"download={self.download}"
            )
        config = self._tfds.download.DownloadConfig(try_download_gcs=False)
        try:
            builder.download_and_prepare(download_config=config)
        except Exception:
            # TFDS writes to a folder of its own and renames it: of two processes that prepare the
            # same data set one comes second, and then reads what the first has written.
            if not self._open().data_path.exists():
                raise
        return self._open()

    def split_names(self):
        return sorted(self.builder.info.splits)

    def test_split(self):
        names = self.split_names()
        return next((name for name in ("test", "validation", "val") if name in names), None)

    def occluded_splits(self):
        names = self.split_names()
        return ["test"] if "test" in names else sorted(names, key=_natural)

    def listing(self, split):
        builder = self.builder
        try:
            count = builder.info.splits[split].num_examples
        except _NO_SPLIT as error:
            raise ValueError(f"the data set {self.name!r} has no split {split!r}") from error
        return {"split": split, "images": count, "version": f"{builder.name} {builder.version}"}

    def encoded_images(self, split):
        tf, tfds = require("tensorflow", f"The data set {self.name!r}"), self._tfds
        count, image, label = self._parts(split)
        features = self.builder.info.features
        texts = [key for key in features if type(features[key]) is tfds.features.Text]
        named = next((key for key in ("file_name", "filename") if key in texts), None)

        def entries():
            decoders = {image: tfds.decode.SkipDecoding()}
            examples = self.builder.as_dataset(split, decoders=decoders).as_numpy_iterator()
            try:
                for number, example in enumerate(examples):
                    name = f"{split}/{number}"
                    if named is not None:
                        name = example[named].decode("utf-8", "surrogateescape")
                    yield name, int(example[label]), functools.partial(bytes, example[image])
            except tf.errors.OpError as error:
                raise ValueError(
                    f"`source` {self.name!r}, split {split!r}, cannot be read: {error.message}"
                ) from error

        return features[label].names, count, entries

    def encoded(self, split):
        _, image, label = self._parts(split)
        return EncodedRecords(self.name, self.builder, split, image, label)

    def examples(self, split, size=None):
        """Raises an ImportError, which names what is not installed."""
        del split, size
        for package in ("tensorflow_datasets", "tensorflow"):
            require(package, f"The data set {self.name!r}")

    @property
    def _tfds(self):
        # Who is trying the package out may have what needs no more.
        others = '"folder:PATH" and keras_patchmix.datasets.shapes.generate'
        return require("tensorflow_datasets", f"The data set {self.name!r} (unlike {others})")

    def _open(self):
        tfds = self._tfds
        try:
            return tfds.builder(self.name, data_dir=self.data_dir)
        except (tfds.core.DatasetNotFoundError, ValueError) as error:
            reason = str(error)
            if isinstance(error, tfds.core.DatasetNotFoundError):
                reason = reason.partition("\n")[0]  # what follows lists a thousand names
            raise ValueError(
                '`name` must be "shapes", "shapes/64px", "shapes/96px", "folder:PATH", '
                '"records:PATH" or a name that TensorFlow Datasets knows (tfds.list_builders()) '
                "or finds prepared in `data_dir`. "
                f"Received: name={self.name!r}, data_dir={self.data_dir!r}.{self._question()} "
                f"{reason}"
            ) from error

    def _question(self):
        """Returns the question whether another name was meant, "" where none is similar."""
        path = Path(self.name).expanduser()
        if path.is_dir():
            prepared = (path / "dataset_info.json").exists()
            prefix = (RecordsSource if prepared else FolderSource).prefix
            return f" Did you mean {prefix + self.name!r}?"
        known = self._tfds.list_builders(with_community_datasets=False)
        return meant(self.name, ["shapes", *known])

    def _parts(self, split):
        """Returns the number of images of a split, and the keys of the image and the label."""
        splits = self.builder.info.splits
        try:
            count = splits[split].num_examples
        except _NO_SPLIT as error:
            raise ValueError(
                f"`split` must be one of {sorted(splits)} of the data set {self.name!r}, or a part "
                f'such as "{min(splits, default="train")}[:90%]". Received: split={split!r}'
            ) from error
        if count == 0:
            raise EmptySplitError(
                f"`split` holds no images of {self.name!r}. Received: split={split!r}"
            )
        types, features = self._tfds.features, self.builder.info.features
        pictures, labels = (
            [key for key, feature in features.items() if type(feature) is kind]
            for kind in (types.Image, types.ClassLabel)
        )
        if len(pictures) != 1 or len(labels) != 1:
            raise ValueError(
                "`name` must be a data set with exactly one image and one class label. "
                f"Received: name={self.name!r} with images {pictures} and labels {labels} "
                f"among the features {sorted(features)}"
            )
        dtype = np.dtype(features[pictures[0]].get_tensor_info().np_dtype)
        if dtype != np.uint8:
            raise ValueError(
                f"`name` must be a data set of uint8 images. Received: name={self.name!r} with "
                f"images of type {dtype}"
            )
        return count, pictures[0], labels[0]

    def _images(self, split, size, shuffle_files, seed):
        tf, tfds = require("tensorflow", f"The data set {self.name!r}"), self._tfds
        count, image, label = self._parts(split)
        features = self.builder.info.features
        # Masks beside the image are not decoded, as nobody gets to see them; and the image is by
        # ours.
        encoded = [key for key in features if isinstance(features[key], tfds.features.Image)]
        shape = features[image].shape[:2]
        dataset = self.builder.as_dataset(
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
        return dataset, tuple(features[label].names), count


class RecordsSource(TfdsSource):
    """A directory of TFDS, such as `write_records` writes: `"records:PATH"`."""

    prefix = "records:"

    @classmethod
    def name_and_split(cls, text):
        path, _, split = text.removeprefix(cls.prefix).partition(":")
        if path and split and not Path(f"{path}:{split}").expanduser().exists():
            return cls.prefix + path, split
        return text, None

    @functools.cached_property
    def builder(self):
        path = os.path.expanduser(self.location)
        try:
            return self._tfds.builder_from_directory(path)
        except Exception as error:  # TFDS says it with errors of many kinds
            raise ValueError(
                '`name` must be "records:PATH" with a directory of TFDS, such as write_records '
                f'writes, with a dataset_info.json. Received: name="records:{path}"'
            ) from error


def _natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
