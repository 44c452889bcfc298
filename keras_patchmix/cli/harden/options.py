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
Makes a trained image classifier robust to occlusion, within a limit on clean accuracy.

    keras-patchmix harden --model model.keras --dataset folder:photos
    keras-patchmix harden --model model.keras --dataset imagenette/160px-v2 --minutes 12
    keras-patchmix harden --model model.keras --dataset folder:photos --max-clean-drop 0

A copy of the model is fine-tuned with Patch Mixing. Then points on the line between its weights and
those of the original are scored, and the one with the best accuracy under occlusion is taken that
costs no more clean accuracy than allowed. hardened.keras is a model of the same kind. The last line
printed is RESULT and a JSON object. Interrupted, the same command with the same --output resumes
after the last epoch, or, once hardened.keras is written, with the reports.
"""
    EPILOG: ClassVar[str] = f"""\
{MODELS_HELP}
The data set is split three ways, each of at least 50 images: the model is trained on the first, the
point of the line is chosen on the second, and the reports before and after are of the third, on
which nothing is chosen.
"""

    model: tuple = option(
        help="the model to harden, see below", group="models", repeats=True, metavar="MODEL"
    )
    image_size: int | None = option(
        None,
        "resize images to N x N pixels, if the model does not fix the size; by default that of the "
        "images",
        group="data",
        kind=whole(8, 65535),
        metavar="N",
    )
    augmentation: str = option(
        "flip-shift",
        "augmentation of training images, before mixing",
        group="data",
        choices=AUGMENTATIONS,
    )
    epochs: int = option(
        3, "passes over the training images", group="training", kind=whole(1), metavar="N"
    )
    minutes: float | None = option(
        None,
        "time budget of training and the line, instead of --epochs",
        group="training",
        kind=positive,
        metavar="M",
    )
    learning_rate: float = option(
        3e-4, "peak of the schedule", group="training", kind=positive, metavar="RATE"
    )
    batch_size: int = option(64, "images in a batch", group="training", kind=whole(2), metavar="N")
    grid_size: int | None = option(
        None,
        "patches a side in Patch Mixing (default: by the image size)",
        group="training",
        kind=whole(1),
        metavar="N",
    )
    foreign: float = option(
        0.5,
        "probability that an image gets patches of another one; at most 1 with --black",
        group="training",
        kind=share,
        metavar="P",
    )
    black: float = option(
        0.25,
        "probability that it gets black patches instead",
        group="training",
        kind=share,
        metavar="P",
    )
    train_batch_norm: bool = option(
        False,
        "train batch normalization too, on mixed images; by default it is frozen",
        group="training",
    )
    max_clean_drop: float = option(
        0.5,
        "largest loss of clean accuracy on validation images, in percentage points",
        group="choice",
        kind=not_negative,
        metavar="POINTS",
    )
    confident: bool = option(
        False,
        "apply that limit to the low end of the 95 %% interval, not to the mean",
        group="choice",
    )
    line_examples: int = option(
        1000,
        "validation images on which each point of the line is scored",
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
