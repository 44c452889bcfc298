"""The record files of a data set that is being written: whole, or not there."""

import contextlib
import json
import os
import warnings
from pathlib import Path
from typing import TypedDict

from keras_patchmix import _atomic, _state_files
from keras_patchmix._optional import require
from keras_patchmix._schema import conform

RECORDS = "part-*.json"


class Record(TypedDict):
    """What the file of a finished shard holds."""

    labels: list[int]
    pixels: dict[str, list[int]]
    skipped: dict[str, str]
    bytes: dict[str, int]


class Shards:
    """All record files of a data set, cut at the same positions of the source in every split.

    A shard is written to hidden files, which then take their names, and is finished when its
    part-00000.json is there, with what it holds.

    Args:
        folder: Where the files go.
        name: Name of the data set.
        splits: Sequence of the names of the splits.
        count: Number of positions of the source, 1 or more.
        number: Number of shards, at most `count`.
    """

    def __init__(self, folder, name, splits, count, number):
        self.folder, self.name, self.splits = Path(folder), name, tuple(splits)
        self.count, self.number = count, number

    def of(self, index):
        """Returns the shard of a position; each has as many of them as the others, or one more."""
        return ((index + 1) * self.number - 1) // self.count

    def path(self, split, shard):
        """Returns the path of a record file, as TFDS names it."""
        return self.folder / f"{self.name}-{split}.tfrecord-{shard:05}-of-{self.number:05}"

    def finished(self):
        """Returns a dict from the finished shards to what they hold, see `write`.

        Warns:
            UserWarning: A shard is left out, since its record is damaged or cannot be read.
        """
        found = {}
        for shard in range(self.number):
            try:
                record = self._read(shard)
                sizes = {split: self.path(split, shard).stat().st_size for split in self.splits}
            except FileNotFoundError:
                continue
            except (OSError, _state_files.DamagedFile) as error:
                warnings.warn(f"A shard is left out. {error}", UserWarning, stacklevel=2)
                continue
            if record["bytes"] == sizes:
                found[shard] = record
        return found

    def remove_unfinished(self):
        """Removes the files of shards that are not finished, which a killed run left."""
        whole = self.finished()
        keep = {self._record(shard) for shard in whole}
        keep |= {self.path(split, shard) for shard in whole for split in self.splits}
        for pattern in (RECORDS, f"{self.name}-*.tfrecord-*", f".{self.name}-*.tmp"):
            for file in self.folder.glob(pattern):
                if file not in keep:
                    file.unlink()

    def remove_records(self):
        """Removes the part-00000.json of all shards: the data set is complete without them."""
        for file in self.folder.glob(RECORDS):
            file.unlink()

    @contextlib.contextmanager
    def write(self, shard):
        """Opens a shard for writing.

        Args:
            shard: Its number.

        Yields:
            A `ShardWriter`. Where the block ends without an error, the shard is finished.

        Raises:
            OSError: A file cannot be written.
        """
        paths = {split: self.path(split, shard) for split in self.splits}
        hidden = {split: path.with_name(f".{path.name}.tmp") for split, path in paths.items()}
        try:
            with contextlib.ExitStack() as files:
                writer = ShardWriter({s: files.enter_context(_Records(hidden[s])) for s in paths})
                yield writer
            for path in hidden.values():
                _flush(path)
            record = {
                **writer.record,
                "bytes": {split: path.stat().st_size for split, path in hidden.items()},
            }
            for split, path in paths.items():
                os.replace(hidden[split], path)
            _atomic.write_text(self._record(shard), json.dumps(record) + "\n")
        except BaseException:
            for path in hidden.values():
                path.unlink(missing_ok=True)
            raise

    def _read(self, shard):
        path, kind = self._record(shard), "a record of a shard"
        content = _state_files.read_json(path, kind)
        with _state_files.named(path, kind):
            return conform(content, Record)

    def _record(self, shard):
        return self.folder / RECORDS.replace("*", f"{shard:05}")


class ShardWriter:
    """Takes up the examples of one shard.

    Args:
        files: Dict from split to a `_Records`.

    Attributes:
        record: Dict with "labels", a list; "pixels", for each split a list of the pixels under the
            masks; "skipped", a dict from the names of broken files to reasons.
    """

    def __init__(self, files):
        self._files = files
        self.record = {"labels": [], "pixels": {split: [] for split in files}, "skipped": {}}

    def add(self, label, examples):
        """Adds an image in all splits.

        Args:
            label: Integer.
            examples: Sequence, for each split, of a serialized example and its hidden pixels.
        """
        self.record["labels"].append(label)
        for (split, file), (example, pixels) in zip(self._files.items(), examples, strict=True):
            file.write(example)
            self.record["pixels"][split].append(pixels)

    def skip(self, name, reason):
        """Notes a file that cannot be read."""
        self.record["skipped"][name] = reason


class _Records:
    """A TFRecord file that is being written, whose errors are those of files."""

    def __init__(self, path):
        self._tf = require("tensorflow", "Writing record files")
        self._path = path

    def __enter__(self):
        self._writer = self._try(self._tf.io.TFRecordWriter, os.fspath(self._path))
        return self

    def __exit__(self, *exception):
        self._try(self._writer.close)

    def write(self, example):
        self._try(self._writer.write, example)

    def _try(self, function, *arguments):
        try:
            return function(*arguments)
        except self._tf.errors.OpError as error:
            raise OSError(f"{str(self._path)!r} cannot be written: {error.message}") from error


def _flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
