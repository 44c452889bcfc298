"""ROD as a TensorFlow Datasets builder."""

import dataclasses
import functools
import io

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.archives import MemberError
from keras_patchmix.datasets.published import (
    check_size,
    decode_image,
    hugging_face,
    locate,
    published_info,
    read_examples,
)
from keras_patchmix.datasets.realistic_occlusion_dataset.classes import CLASS_NAMES, class_of_folder

tfds = require("tensorflow_datasets", "The Realistic Occlusion Dataset")

# Bytes of the archives as published; checksums are not.
SIZES = {"rod_0.tar.gz": 1_350_865_094, "rod_1.tar.gz": 1_934_272_362}
_OTHER_SIZES = "To read archives of other sizes all the same: RodConfig(check_sizes=False)."
ADDRESSES, PAGE = hugging_face("Realistic-Occlusion-Dataset")


@dataclasses.dataclass(kw_only=True)
class RodConfig(tfds.core.BuilderConfig):
    """How to store the photographs of ROD.

    Args:
        longest_side: Positive integer: larger images are reduced to this many pixels on their
            longest side (bilinear, antialiased, stored without loss). None stores the published
            files as they are. Defaults to `None`.
        check_sizes: Boolean, whether the archives must have the published number of bytes. Defaults
            to `True`.
        **kwargs: `name` and `description`, as for every TFDS config.

    Raises:
        ValueError: `longest_side` is something else.
    """

    longest_side: int | None = None
    check_sizes: bool = True

    def __post_init__(self):
        side = self.longest_side
        if side is not None and (type(side) is not int or side < 1):
            raise ValueError(
                "`longest_side` must be a positive integer or None. "
                f"Received: longest_side={side!r}"
            )


class RealisticOcclusionDataset(tfds.core.GeneratorBasedBuilder):
    """Photographs of objects of 16 classes behind red or blue blocks.

    There is one split, "test": the photographs were taken to evaluate models trained on ImageNet.
    `keras_patchmix.datasets.realistic_occlusion_dataset.class_map` says which of their outputs
    count.

    Photographs that cannot be used are left out, and named in `builder.info.metadata["skipped"]`.

    Example:
    ```python
    import keras_patchmix.datasets, tensorflow_datasets as tfds

    rod = tfds.load("realistic_occlusion_dataset/512px", split="test")
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (how TFDS wants it)
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"The archives are downloaded. To use those that you have, put them ({' and '.join(SIZES)} "
        f"from {PAGE}) into one folder."
    )
    BUILDER_CONFIGS = [  # noqa: RUF012
        RodConfig(name="full", description="The published files, up to 3,024 pixels wide."),
        RodConfig(
            name="1024px",
            description="At most 1,024 pixels a side.",
            longest_side=1024,
        ),
        RodConfig(name="512px", description="At most 512 pixels a side.", longest_side=512),
    ]

    def _info(self):
        description = (
            "Photographs of objects of 16 classes, occluded by red or blue blocks that move from "
            "the left of the frame to the right."
        )
        return published_info(self, description, PAGE, CLASS_NAMES)

    def _split_generators(self, dl_manager):
        archives = locate(dl_manager, list(SIZES), ADDRESSES, PAGE)
        if self.builder_config.check_sizes:
            for name, path in archives.items():
                check_size(name, path, SIZES[name], hint=_OTHER_SIZES)
        return {"test": self._generate_examples(archives)}

    def _generate_examples(self, archives):
        # TFDS writes the metadata to metadata.json when all examples are written.
        skipped = self.info.metadata["skipped"] = {}
        to_example = functools.partial(_example, longest_side=self.builder_config.longest_side)
        yield from read_examples(archives, to_example, skipped)


def _example(member, longest_side):
    label = class_of_folder(member.folder)
    if label is None:
        raise MemberError(f"its folder {member.folder!r} is no class of ROD")
    image = decode_image(member.data)
    stored = io.BytesIO(member.data)
    if longest_side is not None and max(image.shape[:2]) > longest_side:
        stored = _reduced(image, longest_side)
    return {"image": stored, "label": label, "file_name": member.name}


def _reduced(image, longest_side):
    tf = require("tensorflow", "Reducing images")
    sides = np.array(image.shape[:2])
    size = np.maximum(np.rint(sides * (longest_side / sides.max())), 1).astype(int)
    reduced = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.saturate_cast(tf.round(reduced), tf.uint8).numpy()
