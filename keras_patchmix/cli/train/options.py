"""The options of `keras-patchmix train`."""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import ClassVar

from keras_patchmix.base.run_directory import new_directory
from keras_patchmix.cli.options import (
    OptionError,
    below_one,
    not_negative,
    option,
    positive,
    share,
    whole,
)
from keras_patchmix.cli.shared_options import RunOptions, ThreeSplitOptions

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
XLA = ("auto", "on", "off")
ORDERS = ("exact", "fast")
AUGMENTATIONS = ("none", "flip", "flip-shift", "flip-crop")
CACHES = ("auto", "decoded", "encoded", "none")
STRATEGIES = ("auto", "cpu", "data_parallel", "mirrored", "multiworker", "tpu")
MIXINGS = ("none", "patchmix", "cutmix", "mixup")
_PRESETS = Path(__file__).parent / "presets"


def _mixing(text):
    from keras_patchmix.training.mixing_steps import parts_of

    try:
        parts_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _model_name(text):
    from keras_patchmix.models import names

    if text not in names():
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(names())}, got {text!r}")
    return text


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(RunOptions, ThreeSplitOptions):
    """All settings of a run; `config.json` in its directory holds them."""

    COMMAND: ClassVar[str] = "train"
    DESCRIPTION: ClassVar[str] = """\
Trains a classifier with Patch Mixing and measures it under occlusion every epoch.

With no flags: the built-in data set "shapes", a network sized for two CPU cores.

    keras-patchmix train
    keras-patchmix train --compare none
    keras-patchmix train --dataset cifar10 --data-dir ~/tensorflow_datasets
    keras-patchmix train --dataset folder:photos --image-size 96
    keras-patchmix train --init run/model.keras --epochs 3 --learning-rate 5e-4
    keras-patchmix train --config convnext_tiny_300 --dataset imagenet2012

The last line printed is RESULT and a JSON object. Interrupted or killed, the same command with the
same --output resumes after the last complete epoch.
"""
    RETIRED: ClassVar[dict[str, str]] = {
        "checkpoint_every": "steps_per_epoch, which makes epochs short: each is saved"
    }

    dataset: str = option(
        "shapes",
        "'shapes', a TensorFlow Datasets name, folder:PATH, or records:PATH",
        group="data",
        metavar="NAME",
    )
    image_size: int | None = option(
        None, "resize images to N x N pixels", group="data", kind=whole(8, 65535), metavar="N"
    )
    cache: str = option(
        "auto",
        "how training images are kept in memory; auto: the first of the three that takes at most a "
        "quarter of it",
        group="data",
        choices=CACHES,
    )
    shuffle_buffer: int | None = option(
        None,
        "images in the shuffle buffer; by default all if they are kept in memory, else 10000",
        group="data",
        kind=whole(1),
        metavar="N",
    )
    order: str = option(
        "exact",
        "exact: the same seed gives the same batches; fast: images as soon as they are read",
        group="data",
        choices=ORDERS,
    )
    augmentation: str = option(
        "flip-shift",
        "augmentation of single images, before mixing; crops have 8 to 100 %% of the area",
        group="data",
        choices=AUGMENTATIONS,
    )
    rand_augment: float | None = option(
        None,
        "factor of keras.layers.RandAugment; its operations are drawn for each batch",
        group="data",
        kind=share,
        metavar="FACTOR",
    )
    rand_augment_ops: int = option(
        2,
        "operations that RandAugment applies",
        group="data",
        kind=whole(1),
        metavar="N",
    )
    random_erasing: float = option(
        0.0,
        "share of images to which keras.layers.RandomErasing applies",
        group="data",
        kind=share,
        metavar="P",
    )
    model: str = option(
        "convnext_mini",
        "architecture, one of keras_patchmix.models.names(), such as vit_tiny16",
        group="model",
        kind=_model_name,
        metavar="NAME",
    )
    init: str | None = option(
        None,
        "a saved model to fine-tune, instead of random weights",
        group="model",
        metavar="MODEL.keras",
    )
    drop_path: float | None = option(
        None,
        "drop rate of stochastic depth in the last block, rising from 0 in the first",
        group="model",
        kind=below_one,
        metavar="RATE",
    )
    precision: str = option(
        "float32", "dtype policy of the layers", group="model", choices=PRECISIONS
    )
    xla: str = option(
        "auto",
        "compile training steps with XLA; auto: on accelerators only",
        group="model",
        choices=XLA,
    )
    mixing: str = option(
        "patchmix",
        f"how training images are mixed: {', '.join(MIXINGS)}, or several, such as "
        "patchmix+cutmix+mixup, of which each batch gets one",
        group="mixing",
        kind=_mixing,
        metavar="HOW",
    )
    compare: str | None = option(
        None,
        "also train a second model, with this mixing and the same budget",
        group="mixing",
        kind=_mixing,
        metavar="HOW",
    )
    grid_size: int | None = option(
        None,
        "patches a side in Patch Mixing; by default 7 or 8, whichever divides the image, else 7",
        group="mixing",
        kind=whole(1),
        metavar="N",
    )
    mixing_probability: float = option(
        0.5,
        "share of images that are mixed",
        group="mixing",
        kind=share,
        metavar="P",
    )
    mixing_weights: tuple | None = option(
        None,
        "relative frequency of each of several methods; equal by default",
        group="mixing",
        kind=positive,
        nargs="+",
        metavar="W",
    )
    mixing_alpha: float = option(
        1.0,
        "draw the mixing ratio from Beta(ALPHA, ALPHA)",
        group="mixing",
        kind=positive,
        metavar="ALPHA",
    )
    mixup_alpha: float | None = option(
        None,
        "alpha of MixUp; by default that of --mixing-alpha",
        group="mixing",
        kind=positive,
        metavar="ALPHA",
    )
    mixing_ratio: tuple | None = option(
        None,
        "draw the ratio of Patch Mixing from LOW to HIGH uniformly, instead of from Beta",
        group="mixing",
        kind=share,
        nargs=2,
        metavar=("LOW", "HIGH"),
    )
    mixing_start: float = option(
        0.0,
        "share of the training steps before mixing starts",
        group="mixing",
        kind=share,
        metavar="SHARE",
    )
    label_smoothing: float = option(
        0.1, "label smoothing, after mixing", group="mixing", kind=share, metavar="E"
    )
    epochs: int = option(
        12, "passes over the training images", group="training", kind=whole(1), metavar="N"
    )
    steps_per_epoch: int | None = option(
        None,
        "batches in an epoch, which ends with scores and a checkpoint; by default all training "
        "images",
        group="training",
        kind=whole(1),
        metavar="N",
    )
    batch_size: int = option(128, "images in a batch", group="training", kind=whole(1), metavar="N")
    learning_rate: float = option(
        3e-3,
        "peak of the cosine schedule",
        group="training",
        kind=positive,
        metavar="RATE",
    )
    weight_decay: float = option(
        0.05,
        "weight decay of AdamW, on kernels only",
        group="training",
        kind=not_negative,
        metavar="RATE",
    )
    warmup_epochs: float = option(
        1.0, "epochs of linear warmup", group="training", kind=not_negative, metavar="N"
    )
    gradient_clip: float = option(
        1.0,
        "clip the norm of each variable's gradient to NORM; 0: no clipping",
        group="training",
        kind=not_negative,
        metavar="NORM",
    )
    ema: float | None = option(
        None,
        "score and save a moving average of the weights with this momentum, such as 0.9999",
        group="training",
        kind=below_one,
        metavar="MOMENTUM",
    )
    strategy: str = option(
        "auto", "devices to train on, see docs/devices.md", group="training", choices=STRATEGIES
    )
    occlusion_every: int = option(
        1, "epochs between occlusion benchmarks", group="results", kind=whole(1), metavar="N"
    )
    occlusion_examples: int = option(
        500,
        "validation images in each benchmark",
        group="results",
        kind=whole(1),
        metavar="N",
    )
    test_examples: int | None = option(
        None,
        "test images scored at the end; by default all",
        group="results",
        kind=whole(1),
        metavar="N",
    )
    seed: int = option(1, "random seed", group="results", kind=whole(0), metavar="N")

    @classmethod
    def presets(cls):
        """Returns the published recipes: a dict from names to JSON files."""
        return {path.stem: path for path in sorted(_PRESETS.glob("*.json"))}

    def new_directory(self):
        """Makes a directory under `runs/`.

        Raises:
            ValueError: Several workers train the model, each of which would make another one.
        """
        from keras_patchmix.devices.workers import task_of_this_process

        several = os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", "1") != "1"
        if several or (os.environ.get("TF_CONFIG") and task_of_this_process()[0] > 1):
            raise ValueError("--output must be given, the same on all workers")
        return new_directory(self.dataset, self.mixing.replace("+", "-"))

    def check(self):
        """Raises an `OptionError` where options do not go together."""
        from keras_patchmix.training.mixing_steps import parts_of

        if self.mixing_ratio is not None and self.mixing_ratio[0] > self.mixing_ratio[1]:
            raise OptionError(
                "--mixing-ratio", f"LOW must not exceed HIGH, got {list(self.mixing_ratio)}"
            )
        if self.compare == self.mixing:
            raise OptionError("--compare", f"is what --mixing is already: {self.mixing}")
        parts = parts_of(self.mixing)
        if self.mixing_weights is not None and len(self.mixing_weights) != len(parts):
            raise OptionError(
                "--mixing-weights",
                f"must be one for each of {'+'.join(parts)}, got {len(self.mixing_weights)}",
            )
        if self.mixing_weights is not None and self.compare not in (None, *MIXINGS):
            raise OptionError("--mixing-weights", "--compare must be one way of mixing then")
