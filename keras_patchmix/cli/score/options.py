"""The options of an evaluation: one dataclass, and the strict command line that fills it."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from keras_patchmix.cli.command_line import new_directory
from keras_patchmix.cli.flags import Parser, whole
from keras_patchmix.cli.shared_options import (
    MODELS_HELP,
    PROGRESS,
    CommandOptions,
    add_dataset_flags,
    add_image_size_flag,
    add_model_flags,
    flag_adder,
    parsed,
)

_EPILOG = f"""\
models:
{MODELS_HELP}\
  MODULE is the name of a module, looked for in the current directory too, or a .py file.

results, in the directory of --output:
  report.html                       everything on one page, to read or print
  report.json, report.csv           every number and setting; curves.png the curves
  config.json                       this command; several models have a folder each
  The same command and --output again goes on where it was interrupted.
"""


@dataclass(frozen=True)
class EvaluationOptions(CommandOptions):
    """All settings of an evaluation; `config.json` in its directory holds them.

    Attributes are described by `python recipes/evaluate_occlusion.py --help`.
    """

    RECIPE = "recipes/evaluate_occlusion.py"
    FREE = ("output", "progress", "per_class")

    model: tuple
    dataset: str
    split: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    max_examples: int | None = None
    weights: tuple = ()
    preprocess: tuple = ()
    class_map: tuple = ()
    imports: tuple = ()
    unsafe_load: bool = False
    scores: str = "auto"
    suite: str = "default"
    occluded: tuple = ()
    saliency: str | None = None
    selectivity: int | None = None
    seed: int = 0
    batch_size: int = 64
    output: str | None = None
    per_class: bool = False
    progress: str = "auto"

    def directory(self):
        """The directory of the results: `output`, or a new name under `runs/`."""
        return self.output or new_directory(self.dataset, "occlusion")

    def deciding(self):
        """Those of `to_dict` that decide the numbers: the same ones are needed to go on."""
        values = super().deciding()
        for later in ("occluded", "selectivity", "scores"):
            if values[later] in ((), [], None, "auto"):
                del values[later]  # as in directories from before there was this flag
        return values


def parse_options(
    argv: Sequence[str] | None = None, description: str | None = None
) -> "EvaluationOptions":
    """Reads options from a command line; unknown flags and values out of range are errors.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        An `EvaluationOptions`.

    Raises:
        SystemExit: With status 2, after a message that names the flag.
    """
    parser = Parser(
        usage="%(prog)s --model [NAME=]MODEL [--model ...] --dataset NAME [flags]",
        description=description,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = {f.name: f.default for f in dataclasses.fields(EvaluationOptions)}

    add = flag_adder(defaults)
    add_model_flags(parser, add)

    data = parser.add_argument_group("data")
    add_dataset_flags(data, add, required=True)
    add_image_size_flag(data, add)
    add(
        data,
        "max_examples",
        "score N images only, spread over the data set",
        type=whole(1),
        metavar="N",
    )

    scoring = parser.add_argument_group("scoring")
    text = "default, extended, or a JSON file of corruptions (keras_patchmix.occlusion.serialize)"
    add(scoring, "suite", text, metavar="SUITE")
    text = (
        "a set of occluded images that is scored too, with labels of its own: NAME as of "
        "--dataset; by default its test split, else all splits (of a folder all images); again for "
        "each further one"
    )
    add(scoring, "occluded", text, action="append", metavar="NAME[:SPLIT]")
    text = "function from images to saliency maps, for suites with salient patches"
    add(scoring, "saliency", text, metavar="MODULE:FUNCTION")
    text = (
        "measure patch selectivity too, on N of the images: 2,000 passes through each model for "
        "each of them"
    )
    add(scoring, "selectivity", text, type=whole(1), metavar="N")
    add(scoring, "seed", "of everything that is drawn", type=whole(0), metavar="N")
    add(scoring, "batch_size", "images a forward pass", type=whole(1), metavar="N")

    results = parser.add_argument_group("results")
    text = "directory for the results: a new one, or that of this command when it was interrupted"
    add(results, "output", text + " (default: runs/TIME-DATASET-occlusion)", metavar="DIR")
    text = "print the classes that suffer most, and write classes.csv"
    add(results, "per_class", text, action="store_true")
    text = "bars with the time left"
    add(results, "progress", text, choices=tuple(PROGRESS))

    return EvaluationOptions(**parsed(parser, argv, defaults))
