"""The options of an explanation: one dataclass, and the strict command line that fills it."""

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_patchmix.cli.command_line import new_directory
from keras_patchmix.cli.flags import Parser, named, number, whole
from keras_patchmix.cli.shared_options import (
    MODELS_HELP,
    PROGRESS,
    CommandOptions,
    add_dataset_flags,
    add_image_size_flag,
    add_model_flags,
    flag,
    flag_adder,
    parsed,
)
from keras_patchmix.datasets.image_files import FORMATS

_OF_DATA = {
    "split": None,
    "data_dir": None,
    "max_examples": 100,
    "corruption": "replacement",
    "patches": 7,
    "level": 0.4,
}
# Arguments of the library that no option is named after.
_ARGUMENTS = {
    "class_ids": "--class",
    "contrast_ids": "--contrast",
    "out_of_context_mask": "--level",
}
_OF_IMAGES = ("classes", "contrasts", "mask")
_EPILOG = f"""\
models:
{MODELS_HELP}\
  Differences are those of the first model less each further one.

results, in the directory of --output:
  explain.png                       images and the maps of all models, side by side
  selectivity.png                   patch selectivity of each image, for each model
  curves.png                        deletion and insertion: do the maps name what decides?
  rows.csv                          every image and model
  config.json                       this command; several models have a folder each, with
  selectivity.json, explanation.json, maps.npz    every number, and the maps as arrays
  The same command and --output again goes on where it was interrupted.
"""


@dataclass(frozen=True)
class ExplanationOptions(CommandOptions):
    """All settings of an explanation; `config.json` in its directory holds them.

    Attributes are described by `python recipes/explain.py --help`.
    """

    RECIPE = "recipes/explain.py"
    FREE = ("output", "progress")

    model: tuple
    image: tuple = ()
    dataset: str | None = None
    split: str | None = None
    data_dir: str | None = None
    max_examples: int | None = None
    corruption: str | None = None
    patches: int | None = None
    level: float | None = None
    classes: tuple = ()
    contrasts: tuple = ()
    mask: tuple = ()
    image_size: int | None = None
    weights: tuple = ()
    preprocess: tuple = ()
    class_map: tuple = ()
    imports: tuple = ()
    unsafe_load: bool = False
    scores: str = "auto"
    method: str = "c-rise"
    num_masks: int = 4000
    grid_size: int = 7
    keep_probability: float = 0.5
    tolerance: float | None = None
    seed: int = 0
    batch_size: int = 64
    figures: int = 4
    output: str | None = None
    progress: str = "auto"

    def directory(self):
        """The directory of the results: `output`, or a new name under `runs/`."""
        if self.output:
            return self.output
        return new_directory(self.dataset or Path(self.image[0]).stem, "explanation")

    def _defaults(self):
        """Dict from fields to the values that a command line need not name."""
        return super()._defaults() | _OF_DATA


@contextlib.contextmanager
def naming_flags(prefix="", **flags):
    """Names flags in the errors raised inside, where the library names its arguments.

    Args:
        prefix: String in front of the message. Defaults to `""`.
        **flags: Flags of arguments that are not those of the option of the same name.

    Raises:
        ValueError: In place of one raised inside.
    """
    options = {field.name: flag(field.name) for field in dataclasses.fields(ExplanationOptions)}
    try:
        yield
    except ValueError as error:
        raise ValueError(prefix + named(str(error), options | _ARGUMENTS | flags)) from error


def parse_options(
    argv: Sequence[str] | None = None, description: str | None = None
) -> "ExplanationOptions":
    """Reads options from a command line; unknown flags and values out of range are errors.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        An `ExplanationOptions`.

    Raises:
        SystemExit: With status 2, after a message that names the flag.
    """
    parser = Parser(
        usage="%(prog)s --model [NAME=]MODEL [--model ...] "
        "(--image FILE [--image ...] | --dataset NAME) [flags]",
        description=description,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = {f.name: f.default for f in dataclasses.fields(ExplanationOptions)}
    add = flag_adder(defaults)
    add_model_flags(parser, add)
    _add_image_flags(parser, add)
    _add_data_flags(parser, add)
    _add_map_flags(parser, add)
    _add_result_flags(parser, add)
    values = parsed(parser, argv, defaults)
    try:
        return ExplanationOptions(**_with_source(values))
    except ValueError as error:
        parser.error(str(error))


def _add_image_flags(parser, add):
    images = parser.add_argument_group("images, for --image")
    text = f"an image ({FORMATS}), or a folder of them; again for each further one"
    add(images, "image", text, action="append", metavar="FILE")
    text = (
        "the class to explain, by its number or its name; once for all images, or once for each; "
        "by default the model's own first choice. Names are known of --class-map FILE and of "
        "models with ImageNet weights"
    )
    add(images, "classes", text, action="append", metavar="CLASS")
    text = "the class to contrast it with; by default the model's next choice"
    add(images, "contrasts", text, action="append", metavar="CLASS")
    text = (
        "what does not belong to the image, white in a picture of the same size; once for each "
        "--image, a folder for a folder, with files of the same names before the dot. It is "
        "outlined, and patch selectivity is measured"
    )
    add(images, "mask", text, action="append", metavar="FILE")


def _add_data_flags(parser, add):
    data = parser.add_argument_group("a data set with foreign parts, for --dataset")
    add_dataset_flags(data, add, required=False)
    text = "explain N images only, spread over the data set (default: 100)"
    add(data, "max_examples", text, type=whole(1), metavar="N")
    text = (
        "foreign parts: patches of an image of another class (replacement, the default), or drawn "
        "objects in front (superimpose)"
    )
    add(data, "corruption", text, choices=("replacement", "superimpose"))
    text = "replacement: patches an image is divided into, N by N (default: 7)"
    add(data, "patches", text, type=whole(2), metavar="N")
    text = "share of the image that is foreign (default: 0.4)"
    add(data, "level", text, type=_between(0, 1), metavar="SHARE")


def _add_map_flags(parser, add):
    maps = parser.add_argument_group("maps")
    add_image_size_flag(maps, add)
    text = "c-rise: what speaks for a class rather than another; rise, for --image: for a class"
    add(maps, "method", text, choices=("c-rise", "rise"))
    add(maps, "num_masks", "random masks an image", type=whole(1), metavar="N")
    add(maps, "grid_size", "cells of a mask, N by N", type=whole(1), metavar="N")
    text = "expected share of the image that a mask shows"
    add(maps, "keep_probability", text, type=_between(0, 1), metavar="P")
    text = "finish a map early, once its standard error is below this part of its range"
    add(maps, "tolerance", text, type=_between(0, 1), metavar="PART")
    add(maps, "seed", "of everything that is drawn", type=whole(0), metavar="N")
    add(maps, "batch_size", "images a forward pass", type=whole(1), metavar="N")


def _add_result_flags(parser, add):
    results = parser.add_argument_group("results")
    add(results, "figures", "images in explain.png, the first N", type=whole(1), metavar="N")
    text = "directory for the results: a new one, or that of this command when it was interrupted"
    add(results, "output", text + " (default: runs/TIME-SOURCE-explanation)", metavar="DIR")
    add(results, "progress", "bars with the time left", choices=tuple(PROGRESS))


def _between(low, high):
    return number(float, lambda value: low < value < high, f"a number between {low} and {high}")


def _with_source(values):
    """Checks that flags fit to images or to a data set, whose defaults are filled in.

    Raises:
        ValueError: They do not; the message names them.
    """
    if bool(values["image"]) == (values["dataset"] is not None):
        raise ValueError("give either --image or --dataset")
    if values["image"]:
        other, needed = _OF_DATA, "--dataset"
        if values["contrasts"] and values["method"] == "rise":
            raise ValueError("--contrast is for --method c-rise")
    else:
        other, needed = _OF_IMAGES, "--image"
        if values["method"] == "rise":
            raise ValueError(
                "--method rise is for --image: patch selectivity is measured on maps of c-rise"
            )
        if values["corruption"] == "superimpose" and values["patches"] is not None:
            raise ValueError("--patches is for --corruption replacement")
    for field in other:
        if values[field] not in (None, ()):
            raise ValueError(f"{flag(field)} is for {needed}")
    if not values["image"]:
        given = {field: values[field] for field in _OF_DATA if values[field] is not None}
        values = {**values, **_OF_DATA, **given}
    if values["corruption"] == "superimpose":
        values = {**values, "patches": None}
    return values
