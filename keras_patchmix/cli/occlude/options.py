"""The options of `keras-patchmix occlude`."""

import argparse
import dataclasses
import re
from typing import ClassVar

from keras_patchmix.cli.options import OptionError, option, whole
from keras_patchmix.cli.shared_options import PROGRESS, DataOptions


def _coverage(text):
    from keras_patchmix.datasets.superimposing.superimposer import Coverage

    try:
        return str(Coverage.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class OccludeOptions(DataOptions):
    """All settings of a set of occluded images; its metadata holds them."""

    COMMAND: ClassVar[str] = "occlude"
    RESUMES: ClassVar[bool] = False
    ARGUMENTS: ClassVar[dict[str, str]] = {
        "name": "--dataset",
        "path": "--occluders",
        "directory": "--output",
    }
    DESCRIPTION: ClassVar[str] = r"""
Puts occluders in front of a data set's images: a data set with masks and true coverage.

    keras-patchmix occlude --dataset shapes/64px --split test --output data
    keras-patchmix occlude --dataset folder:photos --split all --image-size 224 \
        --occluders cutouts --coverage 10 20 30 --output data
    keras-patchmix occlude --dataset imagenette/160px-v2 --split validation \
        --image-size 224 --coverage 20 40 10-60 --max-examples 1000 --output data

The data set appears when all of it is written. The last line printed is RESULT and a JSON object.
""".lstrip()
    EPILOG: ClassVar[str] = """\
results, in OUTPUT/NAME/1.0.0:
  *.tfrecord-*, *.json, *.txt       the data set: tfds.load(NAME, data_dir=OUTPUT), or
                                    keras_patchmix.datasets.load(NAME, SPLIT, data_dir=OUTPUT);
                                    metadata.json says what it was made of, and its true coverage
  contact_sheet.png                 some images at every coverage, masks outlined
  A split for every coverage, such as coverage_20, each with every image.
"""

    split: str = option(
        help="such as validation or 'test[:50%%]'; of a folder also all",
        group="data",
        metavar="SPLIT",
    )
    image_size: int | None = option(
        None,
        "resize and crop images to N x N pixels; by default their size, if all have the same",
        group="data",
        kind=whole(16, 65535),
        metavar="N",
    )
    max_examples: int | None = option(
        None, "take only the first N images", group="data", kind=whole(1), metavar="N"
    )
    occluders: str = option(
        "drawn",
        "drawn, the built-in ones, or a folder of PNG files with transparency",
        group="occluders",
        metavar="drawn|DIR",
    )
    coverage: tuple = option(
        ("10", "20", "30", "40", "50"),
        "percentages of the pixels to hide, 0 to 90, a split for each; 10-30 draws from that range "
        "for every image",
        group="occluders",
        kind=_coverage,
        nargs="+",
        metavar="PERCENT",
    )
    seed: int = option(0, "random seed", group="occluders", kind=whole(0), metavar="N")
    output: str = option(
        help="directory for data sets: a new one, or one that holds others", metavar="DIR"
    )
    name: str | None = option(
        None,
        "name of the data set (default: superimposed_ and the name of its source)",
        metavar="NAME",
    )
    format: str = option(
        "png",
        "format of images: png is lossless, jpeg is smaller; masks are png",
        choices=("png", "jpeg"),
    )
    quality: int = option(95, "JPEG quality, 1 to 100", kind=whole(1, 100), metavar="N")
    progress: str = option(
        "auto", "progress bar with the time left", choices=tuple(PROGRESS), decides=False
    )

    def check(self):
        """Raises an `OptionError` where options do not go together."""
        from keras_patchmix.datasets.superimposing.superimposer import check_coverage

        if self.name is not None and not re.fullmatch("[a-z][a-z0-9_]*", self.name):
            raise OptionError(
                "--name",
                "must begin with a small letter and hold small letters, digits and _ only, got "
                f"{self.name!r}",
            )
        try:
            check_coverage(self.coverage)
        except ValueError as error:
            raise OptionError("--coverage", str(error)) from error
