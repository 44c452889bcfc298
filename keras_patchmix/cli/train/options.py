"""The options of a training run: one dataclass, and the strict command line that fills it."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras_patchmix.cli import flags
from keras_patchmix.cli.command_line import new_directory
from keras_patchmix.cli.flags import Parser
from keras_patchmix.cli.train.config_files import arguments_of, preset_names
from keras_patchmix.devices import strategies
from keras_patchmix.models import names
from keras_patchmix.training.augmentation import AUGMENTATIONS
from keras_patchmix.training.caching import CACHES
from keras_patchmix.training.mixing_steps import MIXINGS, parts_of

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
XLA = ("auto", "on", "off")
ORDERS = ("exact", "fast")


@dataclass(frozen=True)
class TrainOptions:
    """All settings of a run; `config.json` in the run directory holds them.

    Attributes are described by `python recipes/train_convnext.py --help`.
    """

    dataset: str = "shapes"
    data_dir: str | None = None
    train_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    image_size: int | None = None
    cache: str = "auto"
    shuffle_buffer: int | None = None
    order: str = "exact"
    augmentation: str = "flip-shift"
    rand_augment: float | None = None
    rand_augment_ops: int = 2
    random_erasing: float = 0.0
    model: str = "convnext_mini"
    init: str | None = None
    drop_path: float | None = None
    precision: str = "float32"
    xla: str = "auto"
    mixing: str = "patchmix"
    compare: str | None = None
    grid_size: int | None = None
    mixing_probability: float = 0.5
    mixing_weights: tuple | None = None
    mixing_alpha: float = 1.0
    mixup_alpha: float | None = None
    mixing_ratio: tuple | None = None
    mixing_start: float = 0.0
    label_smoothing: float = 0.1
    epochs: int = 12
    steps_per_epoch: int | None = None
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    gradient_clip: float = 1.0
    ema: float | None = None
    strategy: str = "auto"
    occlusion_every: int = 1
    occlusion_examples: int = 500
    test_examples: int | None = None
    seed: int = 1
    output: str | None = None

    def directory(self):
        """The run directory: `output`, or a new name under `runs/`."""
        return self.output or new_directory(self.dataset, self.mixing.replace("+", "-"))

    def to_dict(self):
        """The settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)

    def deciding(self):
        """Those of `to_dict` that decide the results: the same ones are needed to go on."""
        return {key: value for key, value in self.to_dict().items() if key != "output"}


def flag(field):
    """Returns the flag of an attribute of `TrainOptions`, such as "--batch-size"."""
    return "--" + field.replace("_", "-")


def parse_options(
    argv: Sequence[str] | None = None, description: str | None = None, **defaults: Any
) -> "TrainOptions":
    """Reads options from a command line; unknown flags and values out of range are errors.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.
        **defaults: Defaults that replace those of `TrainOptions`.

    Returns:
        A `TrainOptions`.

    Raises:
        SystemExit: With status 2, after a message that names the flag.
    """
    base = TrainOptions(**defaults)
    parser = Parser(
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = (
        "settings out of a JSON file, over which flags win: the config.json of a run, or one of "
        f"the published recipes {', '.join(preset_names())}"
    )
    parser.add_argument("--config", metavar="FILE", help=text)

    def add(group, name, text, **arguments):
        default = getattr(base, name.removeprefix("--").replace("-", "_"))
        shown = "" if default is None else f" (default: {default})"
        group.add_argument(name, help=text + shown, default=default, **arguments)

    for add_group in (_add_data, _add_model, _add_mixing, _add_training, _add_results):
        add_group(parser, add)
    argv = list(sys.argv[1:] if argv is None else argv)
    known, _ = _config_parser().parse_known_args(argv)
    if known.config is not None:
        fields = [field.name for field in dataclasses.fields(TrainOptions)]
        try:
            argv = [*arguments_of(known.config, fields), *argv]
        except ValueError as error:
            parser.error(f"argument --config: {error}")
    values = vars(parser.parse_args(argv))
    del values["config"]
    _check_together(values, parser)
    return TrainOptions(**values)


def _config_parser():
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config")
    return parser


def _add_data(parser, add):
    data = parser.add_argument_group("data")
    text = "'shapes', a TensorFlow Datasets name, folder:PATH, or records:PATH"
    add(data, "--dataset", text, metavar="NAME")
    add(data, "--data-dir", "where prepared data sets are", metavar="DIR")
    for split in ("train", "validation", "test"):
        text = f"{split} split, such as 'train[:90%%]'; found by itself where it can be"
        add(data, f"--{split}-split", text, metavar="SPLIT")
    add(data, "--image-size", "pixels a side to resize to", type=flags.whole(8), metavar="N")
    text = (
        "how training images are kept in memory; auto is the first of the three that takes at most "
        "a quarter of it"
    )
    add(data, "--cache", text, choices=CACHES)
    text = "images shuffled among each other; all where they are kept in memory, else 10000"
    add(data, "--shuffle-buffer", text, type=flags.whole(1), metavar="N")
    text = "exact repeats and goes on bit for bit; fast takes images as they are read"
    add(data, "--order", text, choices=ORDERS)
    text = "of single images, before mixing; crop is of 8 to 100 %% of the area"
    add(data, "--augmentation", text, choices=AUGMENTATIONS)
    text = "Keras' RandAugment, of this greatest strength; its operations are drawn for each batch"
    add(data, "--rand-augment", text, type=_fraction, metavar="FACTOR")
    text = "operations of RandAugment, one after the other"
    add(data, "--rand-augment-ops", text, type=flags.whole(1), metavar="N")
    text = "share of images of which a rectangle becomes noise"
    add(data, "--random-erasing", text, type=_fraction, metavar="P")


def _add_model(parser, add):
    model = parser.add_argument_group("model")
    text = "architecture, one of keras_patchmix.models.names(), such as vit_tiny16"
    add(model, "--model", text, type=_model_name, metavar="NAME")
    text = "a trained model to go on from, in place of random weights"
    add(model, "--init", text, metavar="MODEL.keras")
    text = "stochastic depth of the last block; 0 at the first"
    add(model, "--drop-path", text, type=_below_one, metavar="RATE")
    add(model, "--precision", "what layers compute in", choices=PRECISIONS)
    add(model, "--xla", "compile steps with XLA; auto does so on accelerators", choices=XLA)


def _add_mixing(parser, add):
    mixing = parser.add_argument_group("mixing")
    text = (
        f"how training images are mixed: {', '.join(MIXINGS)}, or several in turns, a batch each, "
        "such as patchmix+cutmix+mixup"
    )
    add(mixing, "--mixing", text, type=_mixing, metavar="HOW")
    text = "train a second model with this mixing, same budget"
    add(mixing, "--compare", text, type=_mixing, metavar="HOW")
    text = "how often each of several ways is drawn, in proportion; all alike by default"
    add(mixing, "--mixing-weights", text, type=_positive, nargs="+", metavar="W")
    text = "patches a side for Patch Mixing; by default 7 or 8, which divides the image, else 7"
    add(mixing, "--grid-size", text, type=flags.whole(1), metavar="N")
    text = "share of images that are mixed"
    add(mixing, "--mixing-probability", text, type=_fraction, metavar="P")
    text = "the ratio mixed follows Beta(alpha, alpha)"
    add(mixing, "--mixing-alpha", text, type=_positive, metavar="ALPHA")
    text = "alpha of MixUp, where another one"
    add(mixing, "--mixup-alpha", text, type=_positive, metavar="ALPHA")
    text = "for Patch Mixing, in place of alpha: the ratio is uniform from LOW to HIGH"
    add(mixing, "--mixing-ratio", text, type=_fraction, nargs=2, metavar=("LOW", "HIGH"))
    text = "share of the training that passes before mixing starts"
    add(mixing, "--mixing-start", text, type=_fraction, metavar="SHARE")
    add(mixing, "--label-smoothing", "after mixing", type=_fraction, metavar="E")


def _add_training(parser, add):
    training = parser.add_argument_group("training")
    add(training, "--epochs", "passes over the training images", type=flags.whole(1), metavar="N")
    text = (
        "batches an epoch, which ends with scores and a checkpoint; by default all training images"
    )
    add(training, "--steps-per-epoch", text, type=flags.whole(1), metavar="N")
    add(training, "--batch-size", "images a step", type=flags.whole(1), metavar="N")
    add(training, "--learning-rate", "peak of the cosine schedule", type=_positive, metavar="RATE")
    add(training, "--weight-decay", "of AdamW, on kernels only", type=_not_negative, metavar="RATE")
    add(training, "--warmup-epochs", "linear warm-up", type=_not_negative, metavar="N")
    text = "greatest norm of a variable's gradient; 0 does not clip"
    add(training, "--gradient-clip", text, type=_not_negative, metavar="NORM")
    text = "score and save a moving average of the weights, with this momentum, such as 0.9999"
    add(training, "--ema", text, type=_below_one, metavar="MOMENTUM")
    text = "devices to train on, see docs/distributed.md"
    add(training, "--strategy", text, choices=strategies.NAMES)
    add(training, "--seed", "of everything that is drawn", type=flags.whole(0), metavar="N")


def _add_results(parser, add):
    results = parser.add_argument_group("results")
    text = "epochs between benchmarks"
    add(results, "--occlusion-every", text, type=flags.whole(1), metavar="N")
    text = "validation images that each benchmark scores"
    add(results, "--occlusion-examples", text, type=flags.whole(1), metavar="N")
    text = "test images scored at the end, where not all"
    add(results, "--test-examples", text, type=flags.whole(1), metavar="N")
    text = (
        "directory for the results: a new one, or that of the same command, which then goes on "
        "after its last whole epoch (default: runs/TIME-DATASET-MIXING)"
    )
    add(results, "--output", text, metavar="DIR")


def _check_together(values, parser):
    """Makes tuples of lists, and finds values that do not go together."""
    for name in ("mixing_ratio", "mixing_weights"):
        if values[name] is not None:
            values[name] = tuple(values[name])
    ratio, weights = values["mixing_ratio"], values["mixing_weights"]
    if ratio is not None and ratio[0] > ratio[1]:
        parser.error(f"argument --mixing-ratio: LOW must not exceed HIGH, got {list(ratio)}")
    if values["compare"] == values["mixing"]:
        parser.error(f"argument --compare: is what --mixing is already: {values['mixing']}")
    parts = parts_of(values["mixing"])
    if weights is not None and len(weights) != len(parts):
        parser.error(
            f"argument --mixing-weights: must be one for each of {'+'.join(parts)}, "
            f"got {len(weights)}"
        )
    if weights is not None and values["compare"] not in (None, *MIXINGS):
        parser.error("argument --mixing-weights: --compare must be one way of mixing then")


def _mixing(text):
    try:
        parts_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _model_name(text):
    if text not in names():
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(names())}, got {text!r}")
    return text


_fraction = flags.number(float, lambda x: 0 <= x <= 1, "a number from 0 to 1")
_positive = flags.number(float, lambda x: 0 < x < float("inf"), "a positive number")
_not_negative = flags.number(float, lambda x: 0 <= x < float("inf"), "a number of at least 0")
_below_one = flags.number(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")
