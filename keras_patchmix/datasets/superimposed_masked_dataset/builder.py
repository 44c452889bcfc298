"""SMD as a TensorFlow Datasets builder."""

import dataclasses
import functools
import io

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.archives import MemberError
from keras_patchmix.datasets.published import (
    ARCHIVE_SUFFIXES,
    decode_image,
    hugging_face,
    locate,
    published_info,
    read_examples,
)
from keras_patchmix.datasets.superimposed_masked_dataset.masks import MaskArchive, picture_key

tfds = require("tensorflow_datasets", "The Superimposed Masked Dataset")

NUM_ARCHIVES = 40
MASK_ARCHIVE = "SMD_masks.tar.gz"
ADDRESSES, PAGE = hugging_face("Superimposed-Masked-Dataset")


@dataclasses.dataclass(kw_only=True)
class SmdConfig(tfds.core.BuilderConfig):
    """Which part of SMD to read.

    Args:
        archives: Sequence of integers in 1..40, the archives smd_1.tar.gz to smd_40.tar.gz to read.
            Each holds about 0.5 GB. Defaults to all.
        masks: Boolean, whether to read the masks of the occluders too, from one archive for all of
            SMD. Defaults to `True`.
        name: String. Defaults to one made of `archives` and `masks`.
        **kwargs: `description`, as for every TFDS config.

    Raises:
        ValueError: `archives` is empty, or holds something else or twice the same.
    """

    name: str = ""
    archives: tuple = tuple(range(1, NUM_ARCHIVES + 1))
    masks: bool = True

    def __post_init__(self):
        archives = self.archives if isinstance(self.archives, list | tuple | range) else ()
        valid = all(type(one) is int and 1 <= one <= NUM_ARCHIVES for one in archives)
        if not archives or not valid or len(set(archives)) < len(archives):
            raise ValueError(
                f"`archives` must hold integers from 1 to {NUM_ARCHIVES}, each once. "
                f"Received: archives={self.archives!r}"
            )
        self.archives = tuple(sorted(archives))
        if not self.name:
            self.name = "smd_" + "_".join(map(str, self.archives))
            self.name += "" if self.masks else "_without_masks"


class SuperimposedMaskedDataset(tfds.core.GeneratorBasedBuilder):
    """ImageNet-1K validation images with segmented objects pasted on them.

    The label is that of ImageNet's image, in the order of TFDS' "imagenet2012" and of Keras' models
    (WordNet ids, sorted). There is one split, "test": the images come from ImageNet's validation
    set, were made to evaluate models, and are not to be trained on.

    Images that cannot be used are left out, and named in `builder.info.metadata["skipped"]`.

    Example:
    ```python
    import keras_patchmix.datasets, tensorflow_datasets as tfds

    smd = tfds.load("superimposed_masked_dataset/first", split="test")
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (how TFDS wants it)
    MAX_SIMULTANEOUS_DOWNLOADS = 4
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"The archives are downloaded. To use those that you have, put them (smd_1.tar.gz ... "
        f"smd_{NUM_ARCHIVES}.tar.gz and {MASK_ARCHIVE} from {PAGE}) into one folder."
    )
    BUILDER_CONFIGS = [  # noqa: RUF012
        SmdConfig(name="all", description="All 40 archives, with masks."),
        SmdConfig(name="without_masks", description="All 40 archives.", masks=False),
        SmdConfig(name="first", description="smd_1.tar.gz, with masks.", archives=(1,)),
        SmdConfig(
            name="first_without_masks", description="smd_1.tar.gz.", archives=(1,), masks=False
        ),
    ]

    def _info(self):
        features = {}
        if self.builder_config.masks:
            features["mask"] = tfds.features.LabeledImage(
                labels=["image", "occluder"], shape=(None, None, 1)
            )
            features["coverage"] = tfds.features.Scalar(np.float32)
        description = (
            "ImageNet-1K validation images with segmented objects outside ImageNet's classes "
            "pasted on them, to score classifiers under occlusion."
        )
        return published_info(self, description, PAGE, _imagenet_classes(), features)

    def _split_generators(self, dl_manager):
        config = self.builder_config
        names, hint = [f"smd_{number}.tar.gz" for number in config.archives], ""
        if config.masks:
            names.append(MASK_ARCHIVE)
            hint = f"Configs without masks do not need {MASK_ARCHIVE!r}."
        archives = locate(dl_manager, names, ADDRESSES, PAGE, hint)
        mask_archive = archives.pop(MASK_ARCHIVE, None)
        return {"test": self._generate_examples(archives, mask_archive)}

    def _generate_examples(self, archives, mask_archive):
        # TFDS writes the metadata to metadata.json when all examples are written.
        skipped = self.info.metadata["skipped"] = {}
        masks = None if mask_archive is None else MaskArchive(mask_archive, MASK_ARCHIVE)
        yield from read_examples(archives, functools.partial(_example, masks=masks), skipped)


@functools.cache
def _imagenet_classes():
    return tuple(tfds.builder("imagenet2012").info.features["label"].names)


def _example(member, masks):
    if member.folder not in _imagenet_classes():
        raise MemberError(f"its folder {member.folder!r} is no class of ImageNet-1K")
    height, width = decode_image(member.data).shape[:2]
    example = {
        "image": io.BytesIO(member.data),
        "label": member.folder,
        "file_name": member.name,
    }
    if masks is not None:
        mask = masks.read(picture_key(member, (*ARCHIVE_SUFFIXES, "_occluded")))
        if mask.shape != (height, width):
            raise MemberError(
                f"its mask has {mask.shape[0]} x {mask.shape[1]} pixels (rows x columns), the "
                f"image {height} x {width}"
            )
        example["mask"] = mask[..., np.newaxis].astype(np.uint8)
        example["coverage"] = np.float32(mask.mean())
    return example
