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
        help="a model, see below; repeat the flag to compare several",
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
        "preprocessing of images of 0..255: none (default for files), unit (division by 255), a "
        "module of keras.applications such as resnet50 (default for its models), or "
        "MODULE:FUNCTION",
        group="models",
        repeats=True,
        metavar="[NAME=]HOW",
    )
    class_map: tuple = option(
        (),
        "the names of the outputs, if they are not the data set's classes in their order: a folder "
        "with a folder for each, in alphabetical order, such as the training images; a JSON file, "
        '{"class name": output or [outputs]}; imagenet matches WordNet ids or names (the default '
        "for ImageNet weights if needed); none",
        group="models",
        repeats=True,
        metavar="[NAME=]PATH",
    )
    scores: str = option(
        "auto",
        "what the models return; auto: as found in the model",
        group="models",
        choices=SCORES,
    )
    imports: tuple = option(
        (),
        "import a module or .py file before models are loaded, which registers their classes",
        group="models",
        repeats=True,
        metavar="MODULE",
        flag="--import",
    )
    unsafe_load: bool = option(
        False,
        "trust the model files: they may hold Python code, which runs on loading",
        group="models",
    )

    def check_files(self) -> None:
        """Checks that the files of models and class maps are there."""
        # Not above: help needs neither.
        from keras_patchmix.cli.class_maps import is_path, read_names
        from keras_patchmix.cli.model_specs import model_specs

        for spec in model_specs(self):
            if is_path(spec.class_map):
                read_names(spec.class_map)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """Which data set is read."""

    dataset: str = option(
        help="'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class",
        group="data",
        metavar="NAME",
    )
    data_dir: str | None = option(
        None, "directory of prepared data sets", group="data", metavar="DIR"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitOptions(DataOptions):
    """Which part of a data set is read, and at which size, to be scored."""

    split: str | None = option(
        None,
        "such as validation, 'test[:50%%]' or all; by default test (10 %% of the images in a "
        "folder without a test folder), else validation",
        group="data",
        metavar="SPLIT",
    )
    image_size: int | None = option(
        None,
        "resize images to N x N pixels, if the model does not fix the size; by default the size it "
        "was built with, else that of the images",
        group="data",
        kind=whole(8, 65535),
        metavar="N",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ThreeSplitOptions(DataOptions):
    """Which parts of a data set a model is trained on, chosen on, and reported on."""

    train_split: str | None = option(
        None,
        "split to train on, such as 'train[:90%%]'; by default that of the data set",
        group="data",
        metavar="SPLIT",
    )
    validation_split: str | None = option(
        None,
        "split for validation; by default that of the data set, or a tenth of the training split",
        group="data",
        metavar="SPLIT",
    )
    test_split: str | None = option(
        None,
        "split to report on; by default that of the data set, or a tenth of another split",
        group="data",
        metavar="SPLIT",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """What is drawn, and where results go."""

    seed: int = option(0, "random seed", group="results", kind=whole(0), metavar="N")
    output: str | None = option(
        None,
        "directory for the results: a new one, or that of an interrupted run of this command, "
        "which is resumed (default: a new one under runs/)",
        group="results",
        metavar="DIR",
        decides=False,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgressOptions(RunOptions):
    """What is shown on the way."""

    progress: str = option(
        "auto",
        "progress bars with the time left",
        group="results",
        choices=tuple(PROGRESS),
        decides=False,
    )
