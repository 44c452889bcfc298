"""Opening of a directory of records, where what is missing or cut off is named at once."""

import os
from concurrent.futures import ThreadPoolExecutor

from keras_patchmix._optional import require
from keras_patchmix.datasets.records import journal as journals


def open_records(tfds, path):
    """Opens a directory of records, or any directory that TFDS has prepared.

    Args:
        tfds: The module `tensorflow_datasets`.
        path: String, a directory or an address such as "gs://bucket/directory".

    Returns:
        A `tfds.core.DatasetBuilder` that reads it.

    Raises:
        ValueError: There is no such directory; it was not written to its end; a shard is missing,
            is of another size than was written, or counts of images do not agree. The message
            names the file.
    """
    tf = require("tensorflow", "Records")
    path = os.path.expanduser(path)
    received = f'Received: name="records:{path}"'
    journal = journals.read(path) if path else None
    if journal is not None and not journal["complete"]:
        raise ValueError(
            f"The records were not written to their end: run the command that writes them again, "
            f"and it goes on where it was. {received}"
        )
    try:
        builder = tfds.builder_from_directory(path)
    except Exception as error:  # TFDS says it with errors of many kinds
        raise ValueError(
            '`name` must be "records:PATH" with a directory that write_records has written, or one '
            f"of TFDS, with a dataset_info.json. {received}"
        ) from error
    if journal is not None:
        _check_counts(builder, journal, path)
        _check_files(tf, journal, path)
    return builder


def _check_counts(builder, journal, path):
    for split, part in journal["splits"].items():
        written = [shard["examples"] for shard in part["shards"]]
        known = (
            list(builder.info.splits[split].shard_lengths) if split in builder.info.splits else []
        )
        if written != known:
            raise ValueError(
                f"The file {journals.place(path, 'dataset_info.json')!r} speaks of {sum(known)} "
                f"images in {len(known)} files of the split {split!r}, and {journals.NAME} of "
                f"{sum(written)} in {len(written)}: one of the two was changed"
            )


def _check_files(tf, journal, path):
    shards = [shard for part in journal["splits"].values() for shard in part["shards"]]

    def problem(shard):
        file = journals.place(path, shard["file"])
        try:
            size = tf.io.gfile.stat(file).length
        except tf.errors.NotFoundError:
            return f"The file {file!r} is missing"
        if size == shard["bytes"]:
            return None
        what = "cut off" if size < shard["bytes"] else "not what was written"
        return f"The file {file!r} is {what}: it has {size} bytes instead of {shard['bytes']}"

    with ThreadPoolExecutor(16) as threads:
        found = [text for text in threads.map(problem, shards) if text is not None]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ValueError(
            f"{found[0]}{more}. Write the records again, with the same arguments: the other files "
            "stay as they are"
        )
