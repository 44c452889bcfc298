"""The shapes data set as a TensorFlow Datasets builder."""

import dataclasses

from keras_patchmix._optional import require
from keras_patchmix.datasets.shapes.generation import generate
from keras_patchmix.datasets.shapes.sampling import CLASS_NAMES

tfds = require("tensorflow_datasets", "The shapes data set as TFRecord files")


@dataclasses.dataclass(kw_only=True)
class ShapesConfig(tfds.core.BuilderConfig):
    """A size of the shapes data set.

    Args:
        image_size: Height and width of the images in pixels.
        num_examples: Dict from split name to number of images.
        seed: Integer, 0 or more; another seed gives other images.
        **kwargs: `name` and `description`, as for every TFDS config.
    """

    image_size: int = 32
    num_examples: dict = dataclasses.field(
        default_factory=lambda: {"train": 10_000, "validation": 1_000, "test": 2_000}
    )
    seed: int = 0


class Shapes(tfds.core.GeneratorBasedBuilder):
    """Ten kinds of generated objects, each told by several of its parts.

    Images are uint8 of shape `(size, size, 3)`; splits are train, validation and test, all classes
    equally often. Nothing is downloaded.

    Example:
    ```python
    import keras_patchmix.datasets, tensorflow_datasets as tfds

    train = tfds.load("shapes/32px", split="train", as_supervised=True)
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (how TFDS wants it)
    BUILDER_CONFIGS = [  # noqa: RUF012
        ShapesConfig(name="32px", description="32 x 32 pixels.", image_size=32),
        ShapesConfig(
            name="64px",
            description="64 x 64 pixels.",
            image_size=64,
            num_examples={"train": 8_000, "validation": 1_000, "test": 2_000},
        ),
        ShapesConfig(
            name="96px",
            description="96 x 96 pixels.",
            image_size=96,
            num_examples={"train": 5_000, "validation": 500, "test": 1_000},
        ),
    ]

    def _info(self):
        size = self.builder_config.image_size
        return self.dataset_info_from_configs(
            description=(
                "Generated images of ten kinds of objects. A class is a body outline, a texture "
                "and a kind of limb together, in varied pose, size, colour, light and clutter."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3)),
                    "label": tfds.features.ClassLabel(names=CLASS_NAMES),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {
            split: self._generate_examples(split, count)
            for split, count in self.builder_config.num_examples.items()
        }

    def _generate_examples(self, split, count):
        config = self.builder_config
        for index in range(count):
            images, labels = generate([index], split, config.image_size, config.seed)
            yield index, {"image": images[0], "label": int(labels[0])}
