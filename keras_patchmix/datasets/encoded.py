"""Images that stay encoded until they belong to a batch.

`EncodedFolder` and `EncodedRecords` have the same methods. An example is `(name, content, label)`,
three scalars: a file name or "", the encoded image or "" (of a file that is not read yet), and an
int64.
"""

import functools
import os

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.image_files import ImageFileError, decode, read_bytes
from keras_patchmix.datasets.substitutes import Substitutes

_FILES_TOGETHER = 16  # interleaved, a block of records each
_BLOCK = 16
_FILES_A_WORKER = 8  # at least, to shard by files: so shards are about equal


class EncodedFolder:
    """The images of a folder. An error names the file that cannot be decoded.

    Args:
        listed: List of (relative name, label, path).
        broken: As of `keras_patchmix.datasets.substitutes.Substitutes`.
    """

    def __init__(self, listed, broken=None):
        self._files = Substitutes(listed, broken)
        self._paths = [os.fsencode(path) for _, _, path in listed]
        self._labels = [label for _, label, _ in listed]

    @property
    def num_bytes(self):
        """Bytes of all encoded images; of files that cannot be read, none."""
        return sum(map(_file_size, self._paths))

    def in_order(self):
        """The examples in the order of `load`, their files read."""
        tf = require("tensorflow", "Loading a folder of images")

        @tf.autograph.experimental.do_not_convert
        def read(name, _, label):
            content = tf.py_function(lambda one: _content(one.numpy()), [name], tf.string)
            return name, tf.ensure_shape(content, ()), label

        return self._listed(tf).map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def shuffled(self, buffer, seeds, exact=True, shard=None):
        """The examples of one pass in a random order, no file of which is read yet.

        Args:
            buffer: Ignored: names are small, so that all of them are shuffled.
            seeds: Tensor of shape `(2,)` that decides the order.
            exact: Ignored: the order always follows from the seeds.
            shard: Pair (index, number of workers), to return a part of the examples. Defaults to
                `None`, all.
        """
        tf = require("tensorflow", "Loading a folder of images")
        listed = self._listed(tf)
        listed = listed.shuffle(len(self._paths), seed=seeds[0], reshuffle_each_iteration=False)
        return listed if shard is None else listed.shard(shard[1], shard[0])

    def decoded(self, example, decoder):
        """Reads and decodes an example; `decoder` is a function from bytes to a uint8 image."""
        tf = require("tensorflow", "Loading a folder of images")

        # Python decodes, since an error of the graph op would not say which file it read.
        def by_name(name, content, *arguments):
            place = self._files.place_of(name.numpy())

            def read(other):
                data = content.numpy() if other == place else b""
                data = data or read_bytes(self._paths[other])
                return decode(data, lambda data: compiled(tf.constant(data), *arguments))

            return self._files.read(place, read)

        compiled = tf.function(decoder.function, autograph=False)
        name, content, _ = example
        image = tf.py_function(by_name, [name, content, *decoder.arguments], tf.uint8)
        return tf.ensure_shape(image, decoder.shape)

    def _listed(self, tf):
        count = len(self._paths)
        parts = (self._paths, tf.fill((count,), ""), tf.constant(self._labels, tf.int64))
        return tf.data.Dataset.from_tensor_slices(parts)


class EncodedRecords:
    """The images of a TFDS set, or of a directory of records.

    Args:
        name: Name of the data set.
        builder: Its TFDS builder.
        split: Its split.
        image: Key of the image.
        label: Key of the label.

    Raises:
        ValueError: The files of the set are no TFRecords.
    """

    def __init__(self, name, builder, split, image, label):
        tfds = require("tensorflow_datasets", f"The data set {name!r}")
        self._builder, self._image, self._label = builder, image, label
        self._decoders = {image: tfds.decode.SkipDecoding()}
        info = builder.info
        if info.file_format != tfds.core.FileFormat.TFRECORD:
            raise ValueError(
                f"`name` must be a data set stored as TFRecords, to be read without being decoded. "
                f"Received: name={name!r}, stored as {info.file_format.value}"
            )
        self._split = split
        self._files = []
        for part in info.splits[split].file_instructions:
            # -1 means all after `skip`
            take = part.take if part.take >= 0 else part.examples_in_shard - part.skip
            share = take / part.examples_in_shard
            self._files.append((os.fspath(part.filename), part.skip, take, share))

    @functools.cached_property
    def num_bytes(self):
        """Bytes of the records of this split."""
        tf = require("tensorflow", "Loading records")
        return round(
            sum(tf.io.gfile.stat(file).length * share for file, _, _, share in self._files)
        )

    def in_order(self):
        """The examples in the order of `load`."""
        tf = require("tensorflow", "Loading records")
        dataset = self._builder.as_dataset(
            split=self._split, decoders=self._decoders, shuffle_files=False
        )

        @tf.autograph.experimental.do_not_convert
        def to_example(features):
            return "", features[self._image], tf.cast(features[self._label], tf.int64)

        return dataset.map(to_example)

    def shuffled(self, buffer, seeds, exact=True, shard=None):
        """The examples of one pass in a random order.

        Files are shuffled, 16 of them are interleaved, and a buffer shuffles their examples.

        Args:
            buffer: Integer, examples in the buffer.
            seeds: Tensor of shape `(2,)` that decides the order.
            exact: Boolean, whether the order follows from the seeds alone. If False, examples come
                in the order in which they are read. Defaults to `True`.
            shard: Pair (index, number of workers), to return a part of the files (of the examples,
                if there are fewer than 8 files a worker). Defaults to `None`, all.
        """
        tf = require("tensorflow", "Loading records")
        names, skips, takes, _ = zip(*self._files, strict=True)
        counts = (tf.constant(numbers, tf.int64) for numbers in (skips, takes))
        files = tf.data.Dataset.from_tensor_slices((list(names), *counts))
        count = len(self._files)
        files = files.shuffle(count, seed=seeds[1], reshuffle_each_iteration=False)
        by_file = shard is not None and count >= _FILES_A_WORKER * shard[1]
        if by_file:
            files = files.shard(shard[1], shard[0])

        @tf.autograph.experimental.do_not_convert
        def open_file(file, skip, take):
            return tf.data.TFRecordDataset(file, buffer_size=2**20).skip(skip).take(take)

        examples = files.interleave(
            open_file,
            cycle_length=_FILES_TOGETHER,
            block_length=_BLOCK,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=exact or (shard is not None and not by_file),
        )
        if shard is not None and not by_file:
            examples = examples.shard(shard[1], shard[0])
        examples = examples.shuffle(buffer, seed=seeds[0], reshuffle_each_iteration=False)
        parse = tf.autograph.experimental.do_not_convert(self._parse)
        return examples.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=exact)

    def decoded(self, example, decoder):
        """Decodes an example; see `EncodedFolder.decoded`."""
        return decoder.function(example[1], *decoder.arguments)

    def _parse(self, record):
        tf = require("tensorflow", "Loading records")
        features = {
            self._image: tf.io.FixedLenFeature((), tf.string),
            self._label: tf.io.FixedLenFeature((), tf.int64),
        }
        parsed = tf.io.parse_single_example(record, features)
        return "", parsed[self._image], parsed[self._label]


def _content(path):
    """Returns the bytes of a file; none where it cannot be read, which decoding tells."""
    try:
        return read_bytes(path)
    except ImageFileError:
        return b""


def _file_size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
