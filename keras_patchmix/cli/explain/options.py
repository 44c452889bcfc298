"""The options of `keras-patchmix explain`."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from keras_patchmix.base.run_directory import new_directory
from keras_patchmix.cli.options import OptionError, option, part, whole
from keras_patchmix.cli.shared_options import (
    MODELS_HELP,
    ModelOptions,
    ProgressOptions,
    SplitOptions,
)

# Of --dataset alone, and their defaults there.
_OF_DATA = {
    "split": None,
    "data_dir": None,
    "max_examples": 100,
    "corruption": "replacement",
    "patches": 7,
    "level": 0.4,
}
_OF_IMAGES = ("classes", "contrasts", "mask")
_IMAGES, _DATA = "images, for --image", "a data set with foreign parts, for --dataset"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainOptions(ProgressOptions, SplitOptions, ModelOptions):
    """All settings of an explanation; `config.json` in its directory holds them."""

    COMMAND: ClassVar[str] = "explain"
    NOTICE: ClassVar[str] = "stopping; what has been explained is saved"
    ARGUMENTS: ClassVar[dict[str, str]] = {
        "name": "--dataset",
        "from_logits": "--scores",
        "class_ids": "--class",
        "contrast_ids": "--contrast",
        "out_of_context_mask": "--mask",
    }
    DESCRIPTION: ClassVar[str] = r"""
Shows what saved image classifiers look at: maps side by side, and patch selectivity.

    keras-patchmix explain --model model.keras --image photo.jpg
    keras-patchmix explain --model keras.applications:ConvNeXtTiny --image photos \
        --class tench --contrast "English springer"
    keras-patchmix explain --model model.keras --image photo.jpg --mask foreign.png
    keras-patchmix explain --model plain=a.keras --model mixed=b.keras \
        --dataset imagenette/160px-v2 --split validation --output runs/both
    keras-patchmix explain --model model.keras --dataset folder:photos --split all \
        --corruption superimpose --level 0.3

The last line printed is RESULT and a JSON object. Interrupted, the same command with the same
--output resumes where it stopped.
""".lstrip()
    EPILOG: ClassVar[str] = f"""\
{MODELS_HELP}
  Differences are those of the first model less each further one.

results, in the directory of --output:
  explain.png                       images and the maps of all models, side by side
  selectivity.png                   patch selectivity of each image, for each model
  curves.png                        deletion and insertion: do the maps name what decides?
  rows.csv                          every image and model
  config.json                       this command; several models have a folder each, with
  selectivity.json, explanation.json, maps.npz    every number, and the maps as arrays
"""

    image: tuple = option(
        (),
        "an image (JPEG, PNG, GIF, BMP, WebP, TIFF, PPM), or a folder of them; repeat for several",
        group=_IMAGES,
        repeats=True,
        metavar="FILE",
    )
    classes: tuple = option(
        (),
        "the class to explain, by id or name; once for all images, or once for each; by default "
        "the model's top-1 prediction. Names come from --class-map FILE and from ImageNet weights",
        group=_IMAGES,
        repeats=True,
        metavar="CLASS",
        flag="--class",
    )
    contrasts: tuple = option(
        (),
        "the class to contrast it with; by default the model's next prediction",
        group=_IMAGES,
        repeats=True,
        metavar="CLASS",
        flag="--contrast",
    )
    mask: tuple = option(
        (),
        "what does not belong to the image, white in a picture of the same size; once for each "
        "--image, a folder for a folder, with files of the same names before the dot. It is "
        "outlined, and patch selectivity is measured",
        group=_IMAGES,
        repeats=True,
        metavar="FILE",
    )
    dataset: str | None = option(
        None,
        "'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class",
        group=_DATA,
        metavar="NAME",
    )
    max_examples: int | None = option(
        None,
        "explain only N images, spread over the data set (default: 100)",
        group=_DATA,
        kind=whole(1),
        metavar="N",
    )
    corruption: str | None = option(
        None,
        "foreign parts: patches of an image of another class (replacement, the default), or drawn "
        "objects in front (superimpose)",
        group=_DATA,
        choices=("replacement", "superimpose"),
    )
    patches: int | None = option(
        None,
        "replacement: patches an image is divided into, N by N (default: 7)",
        group=_DATA,
        kind=whole(2),
        metavar="N",
    )
    level: float | None = option(
        None,
        "share of the image that is foreign (default: 0.4)",
        group=_DATA,
        kind=part,
        metavar="SHARE",
    )
    method: str = option(
        "c-rise",
        "c-rise: what speaks for a class rather than another; rise, for --image: for a class",
        group="maps",
        choices=("c-rise", "rise"),
    )
    num_masks: int = option(
        4000, "random masks for each image", group="maps", kind=whole(1), metavar="N"
    )
    scheme: str = option(
        "control_variate",
        "how maps are estimated from masks: control_variate, with less noise, or independent, the "
        "plain formula",
        group="maps",
        choices=("control_variate", "independent"),
    )
    grid_size: int = option(7, "cells of a mask, N by N", group="maps", kind=whole(1), metavar="N")
    keep_probability: float = option(
        0.5,
        "expected share of the image that a mask shows",
        group="maps",
        kind=part,
        metavar="P",
    )
    tolerance: float | None = option(
        None,
        "stop a map early, once its standard error is below this share of its range",
        group="maps",
        kind=part,
        metavar="PART",
    )
    batch_size: int = option(
        64, "images in a forward pass", group="maps", kind=whole(1), metavar="N"
    )
    figures: int = option(4, "draw the first N images in explain.png", kind=whole(1), metavar="N")

    def __post_init__(self):
        if self.dataset is not None:
            for field, default in _OF_DATA.items():
                drawn = field == "patches" and self.corruption == "superimpose"
                if getattr(self, field) is None and not drawn:
                    object.__setattr__(self, field, default)

    def new_directory(self):
        """Makes a directory under `runs/`, named after the data set or the first image."""
        return new_directory(self.dataset or Path(self.image[0]).stem, "explanation")

    def check(self):
        """Raises an `OptionError` where options do not go together."""
        if bool(self.image) == (self.dataset is not None):
            raise OptionError("--image and --dataset", "give one of them")
        if self.image:
            other, needed = _OF_DATA, "--dataset"
            if self.contrasts and self.method == "rise":
                raise OptionError("--contrast", "is for --method c-rise")
        else:
            other, needed = _OF_IMAGES, "--image"
            if self.method == "rise":
                raise OptionError(
                    "--method",
                    "rise is for --image: patch selectivity is measured on maps of c-rise",
                )
            if self.corruption == "superimpose" and self.patches is not None:
                raise OptionError("--patches", "is for --corruption replacement")
        given = self.to_dict()
        for field in other:
            if self.image and given[field] not in (None, []):
                raise OptionError(self.flags()[field], f"is for {needed}")
            if not self.image and field in _OF_IMAGES and given[field]:
                raise OptionError(self.flags()[field], f"is for {needed}")
