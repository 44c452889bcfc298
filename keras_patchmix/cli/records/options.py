"""The options of `keras-patchmix records`."""

import dataclasses
from typing import ClassVar

from keras_patchmix.cli.options import option, whole
from keras_patchmix.cli.shared_options import DataOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordsOptions(DataOptions):
    """All settings of a directory of records."""

    COMMAND: ClassVar[str] = "records"
    RESUMES: ClassVar[bool] = False
    ARGUMENTS: ClassVar[dict[str, str]] = {
        "source": "--dataset",
        "name": "--dataset",
        "directory": "--output",
        "split": "--splits",
    }
    DESCRIPTION: ClassVar[str] = r"""
Writes a data set as sharded TFRecords, to train on what does not fit into memory.

    keras-patchmix records --dataset folder:imagenet --output imagenet-records
    keras-patchmix records --dataset imagenet2012 --data-dir DIR --image-size 256 \
        --output imagenet-256
    keras-patchmix train --dataset records:imagenet-records --image-size 224

Images stay encoded as they are unless --image-size makes them smaller. Each is decoded once: one
that cannot be is left out and named. The directory appears when all is written. The last line
printed is RESULT and a JSON object.
""".lstrip()

    dataset: str = option(
        help="a TensorFlow Datasets name, or folder:PATH", group="data", metavar="NAME"
    )
    splits: tuple | None = option(
        None, "splits to write (default: all)", group="data", nargs="+", metavar="SPLIT"
    )
    image_size: int | None = option(
        None,
        "resize the shorter side of larger images to N pixels",
        kind=whole(1),
        metavar="N",
    )
    quality: int = option(
        95, "JPEG quality of images that are encoded again", kind=whole(1, 100), metavar="Q"
    )
    shards: int | None = option(
        None,
        "files of each split (default: of 64 MiB to 1 GiB)",
        kind=whole(1),
        metavar="N",
    )
    output: str = option(
        help="directory for the records, or an address such as gs://bucket/directory",
        metavar="DIR",
    )
