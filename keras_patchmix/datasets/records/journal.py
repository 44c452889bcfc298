"""`records.json`: what a directory of records holds, and what is still to be written."""

import json
import os

from keras_patchmix import _atomic
from keras_patchmix._optional import require

NAME = "records.json"
_VERSION = 1


def place(directory, file):
    """Returns the path of a file, local or of an address such as "gs://bucket/directory"."""
    return os.path.join(os.fspath(directory), file)


def is_remote(path):
    """Whether a path is an address that only `tf.io.gfile` opens."""
    return "://" in os.fspath(path)


def read(directory):
    """Reads the journal of a directory.

    Args:
        directory: Path or address.

    Returns:
        Dict, or None where there is none.

    Raises:
        ValueError: The file is there, and is no journal of this version.
    """
    tf = require("tensorflow", "Records")
    path = place(directory, NAME)
    try:
        with tf.io.gfile.GFile(path, "r") as file:
            text = file.read()
    except tf.errors.NotFoundError:
        return None
    try:
        journal = json.loads(text)
        version = journal["version"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"The file {path!r} is damaged: it is no list of records") from error
    if version != _VERSION:
        raise ValueError(
            f"The file {path!r} is of version {version!r}; this package reads version {_VERSION}"
        )
    return journal


def write(directory, journal):
    """Writes the journal of a directory, whole or not at all."""
    path = place(directory, NAME)
    text = json.dumps({"version": _VERSION, **journal}, indent=1) + "\n"
    if not is_remote(path):
        _atomic.write_text(path, text)
        return
    tf = require("tensorflow", "Records")
    with tf.io.gfile.GFile(path, "w") as file:  # object stores replace an object as a whole
        file.write(text)


def shard_name(split, number, shards):
    """Returns the name of a shard, as TFDS wants it."""
    return f"records-{split}.tfrecord-{number:05d}-of-{shards:05d}"
