"""The shapes data set as a TensorFlow Datasets builder."""

import dataclasses
import functools

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.shapes.generation import generate
from keras_patchmix.datasets.shapes.sampling import CLASS_NAMES, NUM_EXAMPLES
from keras_patchmix.datasets.superimposing.superimposer import (
    Superimposer,
    make_example,
    make_features,
)

tfds = require("tensorflow_datasets", "The shapes data set as TFRecord files")


@dataclasses.dataclass(kw_only=True)
class ShapesConfig(tfds.core.BuilderConfig):
    """A size of the shapes data set, with or without occluders.

    Args:
        image_size: Height and width of the images in pixels.
        num_examples: Dict from split name to number of images.
        seed: Integer, 0 or more; another seed gives other images, and other occluders.
        coverage: Tuple of percentages of the pixels to hide, as texts. With it the splits are
            "coverage_20" and so on, each with all images of the test split. Defaults to `()`.
        **kwargs: `name` and `description`, as for every TFDS config.
    """

    image_size: int = 32
    num_examples: dict = dataclasses.field(default_factory=lambda: dict(NUM_EXAMPLES[32]))
    seed: int = 0
    coverage: tuple = ()


_OCCLUDED = ("20", "40", "60", "80")


def _plain(image_size):
    return ShapesConfig(
        name=f"{image_size}px",
        description=f"{image_size} x {image_size} pixels.",
        image_size=image_size,
        num_examples=NUM_EXAMPLES[image_size],
    )


def _occluded(image_size):
    return ShapesConfig(
        name=f"{image_size}px_occluded",
        description=f"The test images of {image_size}px with drawn occluders in front.",
        image_size=image_size,
        num_examples={"test": NUM_EXAMPLES[image_size]["test"]},
        coverage=_OCCLUDED,
    )


class Shapes(tfds.core.GeneratorBasedBuilder):
    """Ten kinds of generated objects, each told by several of its parts.

    Images are uint8 of shape `(size, size, 3)`; splits are train, validation and test, all classes
    equally often. Nothing is downloaded.

    The configurations that end in `_occluded` hold the test images with the drawn occluders of
    `keras_patchmix.occluders` in front, in splits `coverage_20`, `coverage_40`, `coverage_60` and
    `coverage_80`, in percent of the pixels; further features are `mask`, uint8 of shape
    `(size, size, 1)`, 1 where an occluder stands, `coverage`, its mean, and `index`, the position
    in the test split. They are those that `keras_patchmix.occlusion.Superimpose` makes with the
    same seed.

    Example:
    ```python
    import keras_patchmix.datasets, tensorflow_datasets as tfds

    train = tfds.load("shapes/32px", split="train", as_supervised=True)
    ```
    """

    GENERATED = True  # nothing to download
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (how TFDS wants it)
    BUILDER_CONFIGS = [  # noqa: RUF012
        *map(_plain, NUM_EXAMPLES),
        *map(_occluded, NUM_EXAMPLES),
    ]

    def _info(self):
        size = self.builder_config.image_size
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(size, size, 3)),
                "label": tfds.features.ClassLabel(names=CLASS_NAMES),
            }
        )
        if self.builder_config.coverage:
            features = make_features((size, size), CLASS_NAMES)
        return self.dataset_info_from_configs(
            description=(
                "Generated images of ten kinds of objects. A class is a body outline, a texture "
                "and a kind of limb together, in varied pose, size, color, light and clutter."
            ),
            features=features,
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        config = self.builder_config
        if config.coverage:
            superimposer = Superimposer(coverage=config.coverage, seed=config.seed)

            # One after another the splits need the same images: all levels of one cost as much as
            # the highest alone. They are kept until the last split is written, at most 150 MB.
            @functools.cache
            def superimposed(index):
                image, label = self._one("test", index)
                return superimposer(image, index), label

            (count,) = config.num_examples.values()
            return {
                one.split: self._generate_occluded(superimposed, level, count)
                for level, one in enumerate(superimposer.coverage)
            }
        return {
            split: self._generate_examples(split, count)
            for split, count in config.num_examples.items()
        }

    def _generate_examples(self, split, count):
        for index in range(count):
            image, label = self._one(split, index)
            yield index, {"image": image, "label": label}

    def _generate_occluded(self, superimposed, level, count):
        for index in range(count):
            levels, label = superimposed(index)
            yield index, make_example(levels[level], label, index)

    def _one(self, split, index):
        config = self.builder_config
        images, labels = generate([index], split, config.image_size, config.seed)
        return images[0], int(labels[0])
