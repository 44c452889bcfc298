"""The options of the hardening command: a dataclass, and the strict command line for it."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from keras_patchmix.cli.command_line import new_directory
from keras_patchmix.cli.flags import Parser, number, whole
from keras_patchmix.cli.shared_options import (
    PROGRESS,
    CommandOptions,
    add_model_flags,
    flag_adder,
    parsed,
)
from keras_patchmix.training.augmentation import AUGMENTATIONS

_EPILOG = """\
The data set is split three ways: the model is trained on the first part, the point of the line is
chosen on the second, and the reports before and after are of the third.
The same command with the same --output resumes an interrupted run.
"""


@dataclass(frozen=True)
class HardenOptions(CommandOptions):
    """All settings of a hardening; `config.json` in its directory holds them.

    Attributes are described by `python recipes/harden.py --help`.
    """

    RECIPE = "recipes/harden.py"
    FREE = ("output", "progress")

    model: tuple
    dataset: str
    data_dir: str | None = None
    train_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    image_size: int | None = None
    weights: tuple = ()
    preprocess: tuple = ()
    class_map: tuple = ()
    imports: tuple = ()
    unsafe_load: bool = False
    scores: str = "auto"
    max_clean_drop: float = 0.5
    confident: bool = False
    epochs: int = 3
    minutes: float | None = None
    learning_rate: float = 3e-4
    batch_size: int = 64
    grid_size: int | None = None
    foreign: float = 0.5
    black: float = 0.25
    augmentation: str = "flip-shift"
    train_batch_norm: bool = False
    line_examples: int = 1000
    test_examples: int | None = None
    seed: int = 0
    output: str | None = None
    progress: str = "auto"

    def directory(self):
        """The directory of the results: `output`, or a new name under `runs/`."""
        return self.output or new_directory(self.dataset, "hardened")


def parse_options(
    argv: Sequence[str] | None = None, description: str | None = None
) -> "HardenOptions":
    """Reads options from a command line; unknown flags and values out of range are errors.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        A `HardenOptions`.

    Raises:
        SystemExit: With status 2, after a message that names the flag.
    """
    parser = Parser(
        usage="%(prog)s --model MODEL.keras --dataset NAME [flags]",
        description=description,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fields = dataclasses.fields(HardenOptions)
    defaults = {f.name: None if f.default is dataclasses.MISSING else f.default for f in fields}
    add = flag_adder(defaults)
    positive = number(float, lambda x: x > 0, "a number above 0")
    share = number(float, lambda x: 0 <= x <= 1, "a number from 0 to 1")
    points = number(float, lambda x: x >= 0, "a number of at least 0")

    add_model_flags(parser, add)

    data = parser.add_argument_group("data")
    text = "'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class"
    add(data, "dataset", text, required=True, metavar="NAME")
    add(data, "data_dir", "where prepared data sets are", metavar="DIR")
    for part, what in (("train", "train on"), ("validation", "choose on"), ("test", "report on")):
        text = f"what to {what}; by default the set's own split, or a tenth of another one"
        add(data, f"{part}_split", text, metavar="SPLIT")
    text = "pixels a side, where the model does not fix it; by default the images' own"
    add(data, "image_size", text, type=whole(8), metavar="N")
    add(data, "augmentation", "of training images, before mixing", choices=AUGMENTATIONS)

    training = parser.add_argument_group("training")
    add(training, "epochs", "passes over the training images", type=whole(1), metavar="N")
    text = "minutes for training and the line, in place of --epochs"
    add(training, "minutes", text, type=positive, metavar="M")
    add(training, "learning_rate", "peak of the cosine schedule", type=positive, metavar="RATE")
    add(training, "batch_size", "images a step", type=whole(2), metavar="N")
    text = "patches of Patch Mixing, N by N (default: by the image size)"
    add(training, "grid_size", text, type=whole(1), metavar="N")
    text = "how often an image gets patches of another one"
    add(training, "foreign", text, type=share, metavar="P")
    add(training, "black", "how often it gets black patches", type=share, metavar="P")
    text = "train batch normalization on the mixed images; by default it is frozen"
    add(training, "train_batch_norm", text, action="store_true")
    add(training, "seed", "of everything that is drawn", type=whole(0), metavar="N")

    choice = parser.add_argument_group("choice")
    text = "allowed drop of clean accuracy on validation images, in percentage points"
    add(choice, "max_clean_drop", text, type=points, metavar="POINTS")
    text = "require it of the lower bound of the 95 %% interval, not only of the mean"
    add(choice, "confident", text, action="store_true")
    text = "validation images that each point of the line is scored on"
    add(choice, "line_examples", text, type=whole(20), metavar="N")

    results = parser.add_argument_group("results")
    text = "test images of the reports (default: all)"
    add(results, "test_examples", text, type=whole(20), metavar="N")
    text = "directory for the results: a new one, or that of this command when it was interrupted"
    add(results, "output", text + " (default: runs/TIME-DATASET-hardened)", metavar="DIR")
    add(results, "progress", "bars with the time left", choices=tuple(PROGRESS))
    options = HardenOptions(**parsed(parser, argv, defaults))
    if len(options.model) > 1:
        parser.error(f"argument --model: one model is hardened at a time, got {len(options.model)}")
    if options.foreign + options.black > 1:
        parser.error(
            "arguments --foreign and --black: their sum must be at most 1, "
            f"got {options.foreign:g} and {options.black:g}"
        )
    return options
