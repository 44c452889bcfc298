"""The command that writes a set of occluded images: flags in, exit status out."""

import argparse
import dataclasses
from collections.abc import Sequence

from keras_patchmix.base.printable import say
from keras_patchmix.cli.command_line import result_line
from keras_patchmix.cli.exit_status import exit_status
from keras_patchmix.cli.flags import Parser, named, whole
from keras_patchmix.cli.shared_options import flag
from keras_patchmix.datasets.superimposing.running import SuperimposingOptions, run
from keras_patchmix.datasets.superimposing.superimposer import Coverage

_FIELDS = {field.name: field for field in dataclasses.fields(SuperimposingOptions)}
# Of the arguments of what `run` calls: `load_for_scoring`, `load_folder`, `write_examples`.
_FLAGS = {field: flag(field) for field in _FIELDS}
_FLAGS |= {"name": flag("dataset"), "path": flag("occluders"), "directory": flag("output")}
_EPILOG = """\
results, in OUTPUT/NAME/1.0.0:
  *.tfrecord-*, *.json, *.txt       the data set: tfds.load(NAME, data_dir=OUTPUT), or
                                    keras_patchmix.datasets.load(NAME, SPLIT, data_dir=OUTPUT);
                                    metadata.json says what it was made of, and its true coverage
  contact_sheet.png                 some images at every coverage, masks outlined
  A split for every coverage, such as coverage_20, each with every image.
"""


def main(argv: Sequence[str] | None = None, description: str | None = None) -> int:
    """Runs the command line of `recipes/make_smd.py`.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        The exit status: 0; 1 after an error, which is printed in a line; 130 after Ctrl-C and 143
        after a signal to terminate.

    Raises:
        SystemExit: With status 2, where the flags are wrong.
    """
    options = parse_options(argv, description)
    return exit_status(
        lambda: say(result_line(run(options))),
        "; nothing is left, and the same command starts anew",
        named=lambda message: named(" ".join(message.split()), _FLAGS),
    )


def parse_options(
    argv: Sequence[str] | None = None, description: str | None = None
) -> SuperimposingOptions:
    """Reads options from a command line; unknown flags and values out of range are errors.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        A `SuperimposingOptions`.

    Raises:
        SystemExit: With status 2, after a message that names the flag.
    """
    parser = Parser(
        usage="%(prog)s --dataset NAME --split SPLIT --output DIR [flags]",
        description=description,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(field, text, **arguments):
        default = _FIELDS[field].default
        if default is dataclasses.MISSING:
            arguments["required"] = True
        elif default is not None:
            shown = " ".join(default) if isinstance(default, tuple) else default
            arguments["default"], text = default, f"{text} (default: {shown})"
        parser.add_argument(flag(field), dest=field, help=text, **arguments)

    text = "'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class"
    add("dataset", text, metavar="NAME")
    text = "such as validation or 'test[:50%%]'; of a folder also all"
    add("split", text, metavar="SPLIT")
    text = "directory for data sets: a new one, or one that holds others"
    add("output", text, metavar="DIR")
    text = "what to call the data set (default: superimposed_ and the name of its source)"
    add("name", text, metavar="NAME")
    add("data_dir", "where prepared data sets are", metavar="DIR")
    text = "pixels a side to resize to and cut; by default their own, if that is one size"
    add("image_size", text, type=whole(16), metavar="N")
    add("max_examples", "take the first N images only", type=whole(1), metavar="N")
    text = "drawn, the built-in ones, or a folder of PNG files with transparency"
    add("occluders", text, metavar="drawn|DIR")
    text = (
        "per cent of the pixels to hide, 0 to 90, a split for each; 10-30 draws from that range "
        "for every image"
    )
    add("coverage", text, type=_coverage, nargs="+", metavar="PERCENT")
    add("seed", "of everything that is drawn", type=whole(0), metavar="N")
    text = "how images are stored: png keeps every bit, jpeg is smaller; masks are png"
    add("format", text, choices=("png", "jpeg"))
    add("quality", "of jpeg, 1 to 100", type=whole(1, 100), metavar="N")
    add("progress", "a bar with the time left", choices=("auto", "on", "off"))

    values = vars(parser.parse_args(argv))
    values["coverage"] = tuple(values["coverage"])
    try:
        return SuperimposingOptions(**values)
    except ValueError as error:
        parser.error(named(str(error), {**_FLAGS, "name": flag("name")}))


def _coverage(text):
    try:
        return str(Coverage.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
