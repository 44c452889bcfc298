"""The command that writes records: flags in, exit status out."""

import argparse
import sys
from collections.abc import Sequence

from keras_patchmix.base.printable import say
from keras_patchmix.cli.command_line import result_line
from keras_patchmix.cli.exit_status import exit_status
from keras_patchmix.cli.flags import Parser, named, whole
from keras_patchmix.datasets.records import write_records

# The flags of `write_records`' arguments, and of those of `load`, which it calls.
_FLAGS = {
    "source": "--dataset",
    "name": "--dataset",
    "data_dir": "--data-dir",
    "directory": "--output",
    "splits": "--splits",
    "split": "--splits",
    "image_size": "--image-size",
    "quality": "--quality",
    "shards": "--shards",
}


def main(argv: Sequence[str] | None = None, description: str | None = None) -> int:
    """Runs the command line of `recipes/make_records.py`.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        The exit status: 0; 1 after an error, which is printed in a line; 130 after Ctrl-C and 143
        after a signal to terminate.

    Raises:
        SystemExit: With status 2, where the flags are wrong.
    """
    parser = Parser(
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(argument, text, **settings):
        parser.add_argument(_FLAGS[argument], dest=argument, help=text, **settings)

    text = "a TensorFlow Datasets name, or folder:PATH"
    add("source", text, required=True, metavar="NAME")
    add("data_dir", "where prepared data sets are", metavar="DIR")
    text = "directory for the records, or an address such as gs://bucket/directory"
    add("directory", text, required=True, metavar="DIR")
    add("splits", "splits to write (default: all)", nargs="+", metavar="SPLIT")
    text = "the shorter side of larger images is brought to so many pixels"
    add("image_size", text, type=whole(1), metavar="N")
    text = "JPEG quality of what is encoded anew (default: 95)"
    add("quality", text, type=whole(1, 100), default=95, metavar="Q")
    add("shards", "files of each split (default: of 64 MiB to 1 GiB)", type=whole(1), metavar="N")
    arguments = vars(parser.parse_args(argv))
    return exit_status(
        lambda: _write(arguments),
        "; nothing is left, and the same command starts anew",
        named=lambda message: named(message, _FLAGS),
    )


def _write(arguments):
    """Writes the records, names on standard error what is left out, and prints the result."""
    written = write_records(**arguments)
    for split, part in written.items():
        for name, reason in part["skipped"].items():
            say(f"left out of {split}: {name}: {reason}", file=sys.stderr)
        part["skipped"] = len(part["skipped"])
    say(result_line({"output": arguments["directory"], "splits": written}))
