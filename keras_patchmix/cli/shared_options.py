"""Options that commands share, a dataclass for each group of flags."""

import dataclasses
from typing import Any

from keras_patchmix.cli.options import Options, option, whole

# Values of --progress as the library takes them.
PROGRESS: dict[str, Any] = {"auto": "auto", "on": True, "off": False}
SCORES = ("auto", "logits", "probabilities")
MODELS_HELP = """\
models:
  model.keras, model.h5             a saved model; the results call it "model"
  small=runs/a/model.keras          the same, called "small"
  keras.applications:ConvNeXtTiny   built by Keras, with its ImageNet weights and preprocessing
  --weights, --preprocess and --class-map hold for all models; with NAME= in front for that one.
  MODULE is the name of a module, looked for in the current directory too, or a .py file.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Which saved models are loaded, and how."""

    model: tuple = option(
        help="a model, see below; again for each further one, to be set side by side",
        group="models",
        repeats=True,
        metavar="[NAME=]MODEL",
    )
    weights: tuple = option(
        (),
        "of keras.applications models: imagenet (the default), none, or a .weights.h5 file",
        group="models",
        repeats=True,
        metavar="[NAME=]WHERE",
    )
    preprocess: tuple = option(
        (),
        "what a model needs done to images of 0..255: none (default for files), unit (division by "
        "255), a module of keras.applications such as resnet50 (default for its models), or "
        "MODULE:FUNCTION",
        group="models",
        repeats=True,
        metavar="[NAME=]HOW",
    )
    class_map: tuple = option(
        (),
        'JSON file, {"class name": output or [outputs]}, where outputs are not the data set\'s '
        "classes in their order; imagenet finds them by WordNet ids or names (the default for "
        "ImageNet weights where it is needed); none",
        group="models",
        repeats=True,
        metavar="[NAME=]FILE",
    )
    scores: str = option(
        "auto", "what the models return; auto asks them", group="models", choices=SCORES
    )
    imports: tuple = option(
        (),
        "import a module, or a .py file, before models are loaded: it registers their classes",
        group="models",
        repeats=True,
        metavar="MODULE",
        flag="--import",
    )
    unsafe_load: bool = option(
        False,
        "trust the model files: they may hold Python code, which loading then runs",
        group="models",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """Which data set is read."""

    dataset: str = option(
        help="'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class",
        group="data",
        metavar="NAME",
    )
    data_dir: str | None = option(None, "where prepared data sets are", group="data", metavar="DIR")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitOptions(DataOptions):
    """Which part of a data set is read, and at which size, to be scored."""

    split: str | None = option(
        None,
        "such as validation, 'test[:50%%]' or all; by default test (of a folder without a folder "
        "test: 10 %% of the images), else validation",
        group="data",
        metavar="SPLIT",
    )
    image_size: int | None = option(
        None,
        "pixels a side to resize to, where the model does not fix it; by default what it was built "
        "with, else the images' own",
        group="data",
        kind=whole(8, 65535),
        metavar="N",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ThreeSplitOptions(DataOptions):
    """Which parts of a data set a model is trained on, chosen on, and reported on."""

    train_split: str | None = option(
        None,
        "split to train on, such as 'train[:90%%]'; by default the set's own",
        group="data",
        metavar="SPLIT",
    )
    validation_split: str | None = option(
        None,
        "split to choose on; by default the set's own, or a tenth of the training split",
        group="data",
        metavar="SPLIT",
    )
    test_split: str | None = option(
        None,
        "split to report on; by default the set's own, or a tenth of another one",
        group="data",
        metavar="SPLIT",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """What is drawn, and where results go."""

    seed: int = option(
        0, "of everything that is drawn", group="results", kind=whole(0), metavar="N"
    )
    output: str | None = option(
        None,
        "directory for the results: a new one, or that of this command when it was interrupted, "
        "which then goes on (default: a new one under runs/)",
        group="results",
        metavar="DIR",
        decides=False,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgressOptions(RunOptions):
    """What is shown on the way."""

    progress: str = option(
        "auto",
        "bars with the time left",
        group="results",
        choices=tuple(PROGRESS),
        decides=False,
    )
