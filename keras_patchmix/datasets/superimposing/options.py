"""The options of `recipes/make_smd.py`: a dataclass, and the strict command line that fills it."""

import argparse
import dataclasses
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from keras_patchmix._flags import Parser, named, whole
from keras_patchmix.datasets.loading import FOLDER_PREFIX
from keras_patchmix.datasets.superimposing.coverage import Coverage, check_coverage
from keras_patchmix.datasets.superimposing.encoding import FORMATS

VERSION = "1.0.0"
# What may differ between a command and the one that goes on with it.
_FREE = ("output", "jobs", "progress")
_MOST_JOBS = 8
# Further processes take seconds to start, in which one makes about so many images.
_ALONE = 1000
_EPILOG = f"""\
results, in OUTPUT/NAME/{VERSION}:
  *.tfrecord-*, *.json, *.txt       the data set: tfds.load(NAME, data_dir=OUTPUT), or
                                    keras_patchmix.datasets.load(NAME, SPLIT, data_dir=OUTPUT)
  manifest.json                     what it was made of, and its true coverage
  contact_sheet.png                 some images at every coverage, masks outlined
  A split for every coverage, such as coverage_20, each with every image.
  The same command again goes on where it was interrupted.
"""


@dataclass(frozen=True)
class SuperimposingOptions:
    """All settings of a superimposed data set.

    Attributes are described by `python recipes/make_smd.py --help`.
    """

    dataset: str
    split: str
    output: str
    name: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    max_examples: int | None = None
    occluders: str = "drawn"
    coverage: tuple = ("10", "20", "30", "40", "50")
    seed: int = 0
    format: str = "png"
    quality: int = 95
    shards: int | None = None
    jobs: int | None = None
    progress: str = "auto"

    def __post_init__(self):
        if not re.fullmatch("[a-z][a-z0-9_]*", self.called()):
            raise ValueError(
                "`name` must begin with a small letter and hold small letters, digits and _ only. "
                f"Received: name={self.name!r}"
            )
        check_coverage(self.coverage)

    def called(self):
        """The name of the data set: `name`, or one made of that of its source."""
        if self.name is not None:
            return self.name
        source = self.dataset
        if source.startswith(FOLDER_PREFIX):
            path = os.path.expanduser(source.removeprefix(FOLDER_PREFIX))
            source = os.path.basename(os.path.abspath(path))
        plain = re.sub("[^0-9a-z]+", "_", source.lower()).strip("_")
        return f"superimposed_{plain or 'images'}"

    def processes(self, images):
        """Returns `jobs`, or one for each CPU core, at most 8, where there is much to do.

        Args:
            images: How many images there are to do.
        """
        if self.jobs is not None:
            return self.jobs
        if images * len(self.coverage) < _ALONE:
            return 1
        cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
        return min(len(cores), _MOST_JOBS)

    def deciding(self):
        """Those that decide what the data set holds, as a dict of JSON values."""
        values = dataclasses.asdict(self)
        values.update(name=self.called(), coverage=[str(Coverage.parse(c)) for c in self.coverage])
        return {key: value for key, value in values.items() if key not in _FREE}

    def command(self):
        """The shortest command line that makes the same, without its directory."""
        parts = ["python", "recipes/make_smd.py"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in _FREE and value != field.default:
                several = list(value) if isinstance(value, tuple) else [value]
                parts += [flag(field.name), *map(str, several)]
        return shlex.join(parts)


def flag(field):
    """Returns the flag of an attribute of `SuperimposingOptions`, such as "--max-examples"."""
    return "--" + field.replace("_", "-")


def parse_options(
    argv: Sequence[str] | None = None, description: str | None = None
) -> "SuperimposingOptions":
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
    defaults = {f.name: f.default for f in dataclasses.fields(SuperimposingOptions)}

    def add(group, field, text, **arguments):
        if not arguments.get("required"):
            arguments["default"] = default = defaults[field]
            shown = " ".join(default) if isinstance(default, tuple) else default
            text += "" if default is None else f" (default: {shown})"
        group.add_argument(flag(field), dest=field, help=text, **arguments)

    data = parser.add_argument_group("images")
    text = "'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class"
    add(data, "dataset", text, required=True, metavar="NAME")
    text = "such as validation or 'test[:50%%]'; of a folder also all"
    add(data, "split", text, required=True, metavar="SPLIT")
    add(data, "data_dir", "where prepared data sets are", metavar="DIR")
    text = "pixels a side to resize to and cut; by default their own, if that is one size"
    add(data, "image_size", text, type=whole(16), metavar="N")
    add(data, "max_examples", "take the first N images only", type=whole(1), metavar="N")

    front = parser.add_argument_group("what stands in front")
    text = "drawn, the built-in ones, or a folder of PNG files with transparency"
    add(front, "occluders", text, metavar="drawn|DIR")
    text = (
        "per cent of the pixels to hide, 0 to 90, a split for each; 10-30 draws from that range "
        "for every image"
    )
    add(front, "coverage", text, type=_coverage, nargs="+", metavar="PERCENT")
    add(front, "seed", "of everything that is drawn", type=whole(0), metavar="N")

    files = parser.add_argument_group("files")
    text = "directory for data sets: a new one, or one that holds others, or an interrupted one"
    add(files, "output", text, required=True, metavar="DIR")
    text = "what to call the data set (default: superimposed_ and the name of its source)"
    add(files, "name", text, metavar="NAME")
    text = "how images are stored: png keeps every bit, jpeg is smaller; masks are png"
    add(files, "format", text, choices=FORMATS)
    text = "of jpeg, 1 to 100"
    add(files, "quality", text, type=whole(1, 100), metavar="N")
    text = "files for each split (default: one for 500 images)"
    add(files, "shards", text, type=whole(1), metavar="N")

    running = parser.add_argument_group("running")
    text = (
        f"processes; the files are the same (default: one for each CPU core, at most {_MOST_JOBS}, "
        f"and one alone below {_ALONE} images at all coverages)"
    )
    add(running, "jobs", text, type=whole(1), metavar="N")
    add(running, "progress", "a bar with the time left", choices=("auto", "on", "off"))

    values = vars(parser.parse_args(argv))
    values["coverage"] = tuple(values["coverage"])
    try:
        return SuperimposingOptions(**values)
    except ValueError as error:
        parser.error(with_flags(str(error)))


def with_flags(message):
    """Names flags where the library names its arguments."""
    flags = {field.name: flag(field.name) for field in dataclasses.fields(SuperimposingOptions)}
    return named(message, {**flags, "path": flag("occluders")})  # of `occluders.load_folder`


def _coverage(text):
    try:
        return str(Coverage.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
