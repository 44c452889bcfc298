"""The options of `keras-patchmix score`."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from keras_patchmix.cli.options import OptionError, number, option, whole
from keras_patchmix.cli.shared_options import (
    MODELS_HELP,
    ModelOptions,
    ProgressOptions,
    SplitOptions,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreOptions(ProgressOptions, SplitOptions, ModelOptions):
    """All settings of an evaluation; `config.json` in its directory holds them."""

    COMMAND: ClassVar[str] = "score"
    PURPOSE: ClassVar[str] = "occlusion"
    NOTICE: ClassVar[str] = "stopping; what has been scored is saved"
    DESCRIPTION: ClassVar[str] = r"""
Scores saved image classifiers under occlusion: a table, a page, and every number as data.

    keras-patchmix score --model model.keras --dataset shapes
    keras-patchmix score --model model.keras --dataset folder:photos --split all
    keras-patchmix score --model keras.applications:ConvNeXtTiny \
        --dataset imagenette/160px-v2 --max-examples 500
    keras-patchmix score --model plain=a.keras --model mixed=b.keras \
        --dataset cifar10 --output runs/both
    keras-patchmix score --model model.keras --dataset shapes \
        --occluded shapes/32px_occluded --occluded folder:occluded_photos:all

The last line printed is RESULT and a JSON object. Interrupted, the same command with the same
--output resumes where it stopped.
""".lstrip()
    EPILOG: ClassVar[str] = f"""\
{MODELS_HELP}
results, in the directory of --output:
  report.html                       everything on one page
  report.json, report.csv           every number and setting; curves.png the curves
  config.json                       this command; several models have a folder each
"""

    max_examples: int | None = option(
        None,
        "score only N images, spread over the data set",
        group="data",
        kind=whole(1),
        metavar="N",
    )
    suite: str = option(
        "default",
        "default, extended, or a JSON file of corruptions (keras_patchmix.occlusion.serialize)",
        group="scoring",
        metavar="SUITE",
    )
    occluded: tuple = option(
        (),
        "also score a set of occluded images with labels of its own: NAME as in --dataset; by "
        "default its test split, else all splits (all images of a folder); repeat for several",
        group="scoring",
        repeats=True,
        metavar="NAME[:SPLIT]",
    )
    saliency: str | None = option(
        None,
        "function from images to saliency maps, for suites with salient patches",
        group="scoring",
        metavar="MODULE:FUNCTION",
    )
    selectivity: int | None = option(
        None,
        "also measure patch selectivity, on N of the images: 2,000 forward passes for each image "
        "and model",
        group="scoring",
        kind=whole(1),
        metavar="N",
    )
    batch_size: int = option(
        64, "images in a forward pass", group="scoring", kind=whole(1), metavar="N"
    )
    precision: float | None = option(
        None,
        "stop each row once its 95 %% interval is within POINTS percentage points, and score only "
        "as many images as that needs",
        group="scoring",
        kind=number(float, lambda x: 0 < x < 50, "a number above 0 and below 50"),
        metavar="POINTS",
    )
    compare_to: str | None = option(
        None,
        "report.json of another model on the same images, for --precision: rows stop once the sign "
        "of the difference is known, or it is known to be below POINTS",
        group="scoring",
        metavar="FILE",
    )
    per_class: bool = option(
        False, "print the classes that lose most, and write classes.csv", decides=False
    )

    def check_files(self):
        """Checks that models, class maps and the other report are there."""
        super().check_files()
        if self.compare_to is not None and not Path(self.compare_to).is_file():
            raise ValueError(f"--compare-to: there is no file {self.compare_to!r}")

    def check(self):
        """Raises an `OptionError` where options do not go together."""
        if self.compare_to is not None and self.precision is None:
            raise OptionError("--compare-to", "needs --precision, the difference that matters")
