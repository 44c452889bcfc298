"""The options of `keras-patchmix harden`."""

import dataclasses
from typing import ClassVar

from keras_patchmix.cli.options import OptionError, not_negative, option, positive, share, whole
from keras_patchmix.cli.shared_options import (
    MODELS_HELP,
    ModelOptions,
    ProgressOptions,
    ThreeSplitOptions,
)
from keras_patchmix.cli.train.options import AUGMENTATIONS


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardenOptions(ProgressOptions, ThreeSplitOptions, ModelOptions):
    """All settings of a hardening; `config.json` in its directory holds them."""

    COMMAND: ClassVar[str] = "harden"
    PURPOSE: ClassVar[str] = "hardened"
    DESCRIPTION: ClassVar[str] = """\
Makes a trained image classifier stand occlusion, within the clean accuracy that it may cost.

    keras-patchmix harden --model model.keras --dataset folder:photos
    keras-patchmix harden --model model.keras --dataset imagenette/160px-v2 --minutes 12
    keras-patchmix harden --model model.keras --dataset folder:photos --max-clean-drop 0

A copy of the model is trained a little further with Patch Mixing. Then the line between its weights
and those of the original is walked back, to the point that stands occlusion best at no more cost of
clean accuracy than allowed. hardened.keras is a model of the same kind. The last line printed is
RESULT and a JSON object. Interrupted, the same command with the same --output goes on after the
last epoch.
"""
    EPILOG: ClassVar[str] = f"""\
{MODELS_HELP}
The data set is split three ways, each of 50 images or more: the model is trained on one part, the
point of the line is chosen on the second, and the reports before and after are of the third, which
decides nothing.
"""

    model: tuple = option(
        help="the model to harden, see below", group="models", repeats=True, metavar="MODEL"
    )
    image_size: int | None = option(
        None,
        "pixels a side, where the model does not fix it; by default the images' own",
        group="data",
        kind=whole(8, 65535),
        metavar="N",
    )
    augmentation: str = option(
        "flip-shift", "of training images, before mixing", group="data", choices=AUGMENTATIONS
    )
    epochs: int = option(
        3, "passes over the training images", group="training", kind=whole(1), metavar="N"
    )
    minutes: float | None = option(
        None,
        "minutes that training and the line may take, in place of --epochs",
        group="training",
        kind=positive,
        metavar="M",
    )
    learning_rate: float = option(
        3e-4, "the highest one", group="training", kind=positive, metavar="RATE"
    )
    batch_size: int = option(64, "images a step", group="training", kind=whole(2), metavar="N")
    grid_size: int | None = option(
        None,
        "patches of Patch Mixing, N by N (default: by the image size)",
        group="training",
        kind=whole(1),
        metavar="N",
    )
    foreign: float = option(
        0.5,
        "how often an image gets patches of another one",
        group="training",
        kind=share,
        metavar="P",
    )
    black: float = option(
        0.25, "how often it gets black patches", group="training", kind=share, metavar="P"
    )
    train_batch_norm: bool = option(
        False,
        "let batch normalization follow the mixed images; by default it stays as it was",
        group="training",
    )
    max_clean_drop: float = option(
        0.5,
        "points of clean accuracy, in %%, that may be given on validation images",
        group="choice",
        kind=not_negative,
        metavar="POINTS",
    )
    confident: bool = option(
        False,
        "let the low end of the 95 %% interval keep to that, not only the mean",
        group="choice",
    )
    line_examples: int = option(
        1000,
        "validation images that each point of the line is scored on",
        group="choice",
        kind=whole(20),
        metavar="N",
    )
    test_examples: int | None = option(
        None, "test images of the reports (default: all)", kind=whole(20), metavar="N"
    )

    def check(self):
        """Raises an `OptionError` where options do not go together."""
        if len(self.model) > 1:
            raise OptionError("--model", f"one model is hardened at a time, got {len(self.model)}")
        if self.minutes is not None and self.epochs != self.defaults()["epochs"]:
            raise OptionError("--epochs and --minutes", "give one of them")
        if self.foreign + self.black > 1:
            raise OptionError(
                "--foreign and --black",
                f"their sum must be at most 1, got {self.foreign:g} and {self.black:g}",
            )
