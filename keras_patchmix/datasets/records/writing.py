"""`write_records`: a data set as a few large files, which disks and networks read fast."""

import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from keras_patchmix._names import distinct, quoted
from keras_patchmix._optional import require
from keras_patchmix._progress import Progress
from keras_patchmix._types import FilePath
from keras_patchmix.datasets.errors import EmptySplitError
from keras_patchmix.datasets.image_files import JPEG, PNG, ImageFileError, decode
from keras_patchmix.datasets.loading import RECORDS_PREFIX
from keras_patchmix.datasets.records import journal as journals
from keras_patchmix.datasets.records.sources import open_source
from keras_patchmix.datasets.splits import split_names

SHARD_BYTES = 128 * 2**20
_TOGETHER = 256  # images that are in memory at a time


def write_records(
    source: Any,
    directory: FilePath,
    splits: Sequence[str] | None = None,
    image_size: int | None = None,
    quality: int = 95,
    shards: int | None = None,
    seed: int = 0,
    data_dir: FilePath | None = None,
    download: bool = True,
    verbose: bool | Literal["auto"] = "auto",
) -> dict[str, Any]:
    """Writes a data set as sharded TFRecords, to load with `load("records:DIRECTORY")`.

    Images stay encoded as they are, byte by byte. Only what is neither JPEG nor PNG, and with
    `image_size` what is larger, is encoded anew. Each image is decoded once to see that it can be;
    one that cannot is left out, and named in what is returned and in `records.json`.

    A folder's images are shuffled by `seed` before they are divided into shards, so that a shard is
    not one class. Images of TFDS sets were shuffled when TFDS prepared them, and keep their order.

    Killed and started again with the same arguments, it goes on after the last shard that was
    finished. The directory is one of TFDS: `tfds.builder_from_directory(directory)` opens it too.

    Args:
        source: String: `"folder:PATH"` or a TensorFlow Datasets name, as in `load`.
        directory: Path of a directory, or an address such as "gs://bucket/directory"; new, empty,
            or left by the same call.
        splits: List of names of splits. Defaults to `None`, all that hold images.
        image_size: Integer, pixels: the shorter side of larger images is brought to it (bilinear,
            antialiased; the proportions stay, nothing is cut off). Defaults to `None`.
        quality: Integer from 1 to 100, JPEG quality of what is encoded anew. Defaults to `95`.
        shards: Integer, files of each split. Defaults to `None`, as many as make files of about
            128 MiB.
        seed: Integer of at least 0. Defaults to `0`.
        data_dir: As in `load`. Defaults to `None`.
        download: As in `load`. Defaults to `True`.
        verbose: Boolean or `"auto"`, whether to show a progress bar. Defaults to `"auto"`, in a
            terminal.

    Returns:
        Dict from a split to a dict of "images" and "bytes" written, "shards", their number, and
        "skipped", a dict from the names of images that were left out to the reasons.

    Raises:
        ValueError: An argument is not what it must be, no image can be read, or the directory
            holds records of other arguments or of a folder that was different.
        FileExistsError: The directory holds something else.
        OSError: It cannot be written to.

    Example:
    ```python
    keras_patchmix.datasets.write_records("folder:photos", "photos-records")
    train = keras_patchmix.datasets.load("records:photos-records", "train", image_size=224)
    ```
    """
    tf = require("tensorflow", "write_records")
    tfds = require("tensorflow_datasets", "write_records")
    _check(source, splits, image_size, quality, shards, seed)
    directory = os.path.expanduser(os.fspath(directory))
    names = list(splits or split_names(source, data_dir))
    if "all" in names:
        raise ValueError(
            '`splits` must not hold "all", a name that TensorFlow Datasets keeps for itself. Leave '
            f"`splits` out: all images are then in the splits of the source. Received: {names}"
        )
    sources = _open_all(names, splits is None, source, seed, data_dir, download)
    settings = {"source": source, "image_size": image_size, "quality": quality, "seed": seed}
    settings |= {"shards": shards, "splits": list(sources)}
    settings |= {f"images of {split}": one.digest for split, one in sources.items()}
    journal = _begin(tf, directory, settings)
    total = sum(one.count for one in sources.values())
    with ThreadPoolExecutor() as threads, Progress(verbose, "Writing records") as progress:
        encode = _Encoder(tf, image_size, quality, threads)
        _plan(journal, sources, shards, encode)
        try:
            tf.io.gfile.makedirs(directory)
            journals.write(directory, journal)
            for split, one in sources.items():
                for number in range(len(journal["splits"][split]["shards"])):
                    written = _write_shard(tf, directory, journal, split, number, one, encode)
                    progress.start(total)
                    progress.add(written)
            _finish(tfds, directory, journal, sources)
        except tf.errors.OpError as error:
            raise OSError(f"{directory!r} cannot be written to: {error.message}") from error
    return {split: _summary(part) for split, part in journal["splits"].items()}


def _check(source, splits, image_size, quality, shards, seed):
    if not isinstance(source, str) or not source or source.startswith(RECORDS_PREFIX):
        raise ValueError(
            '`source` must be "folder:PATH" or a TensorFlow Datasets name. '
            f"Received: source={source!r}"
        )
    if isinstance(splits, str):  # a list of its letters otherwise
        raise ValueError(f"`splits` must be a list of names. Received: splits={splits!r}")
    for name, value, lowest in (("image_size", image_size, 1), ("shards", shards, 1)):
        if value is not None and (not isinstance(value, int) or value < lowest):
            raise ValueError(
                f"`{name}` must be an integer of at least {lowest}, or None. "
                f"Received: {name}={value!r}"
            )
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        raise ValueError(
            f"`quality` must be an integer from 1 to 100. Received: quality={quality!r}"
        )
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"`seed` must be an integer of at least 0. Received: seed={seed!r}")


def _open_all(names, may_be_empty, source, seed, data_dir, download):
    """Opens all splits; of those that nobody asked for, empty ones are left out."""
    sources, first = {}, None
    for split in names:
        try:
            sources[split] = open_source(source, split, seed, data_dir, download)
        except EmptySplitError as error:
            if not may_be_empty:
                raise
            first = first or error
    if not sources:
        raise first
    for name in next(iter(sources.values())).class_names:
        if len(name.splitlines()) != 1:  # TFDS writes a class a line
            raise ValueError(
                f"`source` must have names of classes of one line. Received: {quoted(name)}"
            )
    return sources


def _begin(tf, directory, settings):
    """Returns the journal of the directory, a new one or that of the same call."""
    journal = journals.read(directory)
    if journal is None:
        there = tf.io.gfile.listdir(directory) if tf.io.gfile.isdir(directory) else []
        if any(not name.startswith(".") for name in there):
            raise FileExistsError(
                "`directory` must be new or empty, or hold what the same call has left. "
                f"Received: {directory!r}, which holds something else"
            )
        return {"complete": False, "settings": settings, "splits": {}}
    old = journal["settings"]
    different = [key for key in {**old, **settings} if old.get(key) != settings.get(key)]
    if different:
        found = [
            f"{_argument(key)} ({old.get(key)!r} there, {settings.get(key)!r} now)"
            for key in different
        ]
        raise ValueError(
            f"`directory` holds records of another call: choose another one. Different: "
            f"{'; '.join(found)}. Received: directory={directory!r}"
        )
    del journal["version"]
    return {**journal, "complete": False}


def _argument(setting):
    """Returns how a message names a setting: an argument, or such as "images of train"."""
    return f"`{setting}`" if setting.isidentifier() else setting


def _plan(journal, sources, shards, encode):
    """Decides on the number of shards of each split, unless a call before has."""
    for split, source in sources.items():
        if split not in journal["splits"]:
            number = shards or math.ceil(_expected_bytes(source, encode) / SHARD_BYTES)
            number = max(1, min(number, source.count))
            journal["splits"][split] = {"listed": source.count, "shards": [None] * number}


def _expected_bytes(source, encode):
    if not encode.resizes:
        return source.num_bytes()
    sample = [len(data) for _, _, data, _, _ in encode(source.entries(0, 64)) if data]
    return source.count * sum(sample) / max(len(sample), 1)


def _write_shard(tf, directory, journal, split, number, source, encode):
    """Writes a shard that is not there yet, and notes it; returns how many images it is of."""
    part = journal["splits"][split]
    count = len(part["shards"])
    start, stop = (source.count * k // count for k in (number, number + 1))
    file = journals.shard_name(split, number, count)
    path = journals.place(directory, file)
    known = part["shards"][number]
    if known is not None and _length(tf, path) == known["bytes"]:
        return stop - start
    temporary = journals.place(directory, f".{file}.tmp")
    examples, skipped, sizes = 0, {}, set()
    with tf.io.TFRecordWriter(temporary) as writer:
        for name, label, data, size, reason in encode(source.entries(start, stop)):
            if reason is not None:
                skipped[name] = reason
                continue
            writer.write(_example(tf, name, label, data))
            sizes.add(size)
            examples += 1
    if not journals.is_remote(temporary):
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
    tf.io.gfile.rename(temporary, path, overwrite=True)
    part["shards"][number] = {
        "file": file,
        "examples": examples,
        "bytes": tf.io.gfile.stat(path).length,
        "image_shapes": [list(size) for size in itertools.islice(sorted(sizes), 2)],
        "skipped": skipped,
    }
    journals.write(directory, journal)
    return stop - start


def _length(tf, path):
    return tf.io.gfile.stat(path).length if tf.io.gfile.exists(path) else None


def _example(tf, name, label, data):
    def feature(**arguments):
        return tf.train.Feature(**arguments)

    features = {
        "image": feature(bytes_list=tf.train.BytesList(value=[data])),
        "label": feature(int64_list=tf.train.Int64List(value=[label])),
        "file_name": feature(bytes_list=tf.train.BytesList(value=[name.encode()])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


class _Encoder:
    """Reads, checks and where needed encodes images, several at a time, in their order."""

    def __init__(self, tf, image_size, quality, threads):
        self._tf, self._image_size, self._quality = tf, image_size, quality
        self._threads = threads
        self.resizes = image_size is not None

    def __call__(self, entries):
        """Yields `(name, label, bytes, (height, width), None or why it cannot be read)`."""
        entries = iter(entries)
        while together := list(itertools.islice(entries, _TOGETHER)):
            yield from self._threads.map(self._one, together)

    def _one(self, entry):
        name, label, read = entry
        try:
            data = read()
            image = decode(data)
        except ImageFileError as error:
            return name, label, None, None, str(error)
        size = tuple(image.shape[:2])
        larger = self.resizes and min(size) > self._image_size
        if larger:
            size = tuple(round(side * self._image_size / min(size)) for side in size)
            image = self._tf.image.resize(image, size, antialias=True)
            image = self._tf.saturate_cast(self._tf.round(image), self._tf.uint8)
        if larger or not data.startswith((JPEG, PNG)):
            data = self._tf.io.encode_jpeg(image, quality=self._quality).numpy()
        return name, label, data, size, None


def _finish(tfds, directory, journal, sources):
    """Writes what TFDS needs to know, and last that all is there."""
    parts = journal["splits"]
    if not any(shard["examples"] for part in parts.values() for shard in part["shards"]):
        skipped = next(iter(_summary(next(iter(parts.values())))["skipped"].items()))
        raise ValueError(
            f"None of the images of `source` can be read; the first is {skipped[0]!r}: {skipped[1]}"
        )
    shapes = {
        tuple(shape)
        for part in parts.values()
        for shard in part["shards"]
        for shape in shard["image_shapes"]
    }
    height, width = shapes.pop() if len(shapes) == 1 else (None, None)
    template = tfds.core.ShardedFileTemplate(
        data_dir=directory, dataset_name="records", filetype_suffix="tfrecord"
    )
    tfds.folder_dataset.write_metadata(
        data_dir=directory,
        filename_template=template,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(height, width, 3)),
                "label": tfds.features.ClassLabel(
                    names=distinct(next(iter(sources.values())).class_names)
                ),
                "file_name": tfds.features.Text(),
            }
        ),
        split_infos=[
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[shard["examples"] for shard in part["shards"]],
                num_bytes=sum(shard["bytes"] for shard in part["shards"]),
                filename_template=template.replace(split=split),
            )
            for split, part in parts.items()
        ],
        check_data=False,
        description=f"Written by keras_patchmix.datasets.write_records from {journal['settings']}",
    )
    journal["complete"] = True
    journals.write(directory, journal)


def _summary(part):
    shards = [shard for shard in part["shards"] if shard is not None]
    skipped = {name: reason for shard in shards for name, reason in shard["skipped"].items()}
    return {
        "images": sum(shard["examples"] for shard in shards),
        "bytes": sum(shard["bytes"] for shard in shards),
        "shards": len(shards),
        "skipped": skipped,
    }
