"""The command that writes records."""

import sys

from keras_patchmix.base.printable import say
from keras_patchmix.cli.messages import result_line
from keras_patchmix.cli.records.options import RecordsOptions
from keras_patchmix.datasets.records import write_records


def run(options: RecordsOptions) -> None:
    """Writes the records, names on standard error what is left out, and prints the result.

    Args:
        options: A `RecordsOptions`.

    Raises:
        ValueError: An option does not fit the data.
        FileExistsError: The directory is not empty.
        OSError: It is not writable.
    """
    written = write_records(
        options.dataset,
        options.output,
        None if options.splits is None else list(options.splits),
        options.image_size,
        options.quality,
        options.shards,
        options.data_dir,
    )
    for split, part in written.items():
        for name, reason in part["skipped"].items():
            say(f"left out of {split}: {name}: {reason}", file=sys.stderr)
        part["skipped"] = len(part["skipped"])
    say(result_line({"output": options.output, "splits": written}))
