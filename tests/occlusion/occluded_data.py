"""Sets of occluded images whose scores are known, given as objects and written for TFDS."""

import numpy as np

from tests.occlusion.closed_form import SIZE, constant_data

NAMES = ("cat", "dog", "owl")


def occluded(count, wrong, coverage=None, index=None):
    """A set of which the reader of a pixel has all right but the first `wrong` images.

    Args:
        count: Number of images, of six classes in turn.
        wrong: Number of images whose pixel (9, 4) is that of the class before.
        coverage: Sequence of `count` shares, or None.
        index: Sequence of `count` integers, or None.
    """
    images, labels = constant_data(count)
    images = images.copy()
    images[:wrong, 9, 4] = (40 * ((labels[:wrong] - 1) % 6) + 10)[:, None]
    extras = {"coverage": coverage, "index": index}
    return {
        "images": images,
        "labels": labels,
        **{key: np.asarray(value) for key, value in extras.items() if value is not None},
    }


def write_set(data_dir, name="hidden", splits=("coverage_20",), count=9, size=SIZE, extras=True):
    """Writes a data set in the form of generated ones, and returns what `load` calls it.

    Image i is 80 k + 20 everywhere, k being its class of three. Split s, from 0 on, hides i + s
    rows, and the index is i + 100.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    features = {
        "image": tfds.features.Image(shape=(size, size, 3)),
        "label": tfds.features.ClassLabel(names=NAMES),
    }
    if extras:
        features |= {
            "mask": tfds.features.LabeledImage(labels=["image", "occluder"], shape=(size, size, 1)),
            "coverage": tfds.features.Scalar(np.float32),
            "index": tfds.features.Scalar(np.int64),
        }

    def of_split(number):
        i = np.arange(count)
        images = np.broadcast_to((80 * (i % 3) + 20)[:, None, None, None], (count, size, size, 3))
        rows = np.arange(size)[None, :, None, None] < (i + number)[:, None, None, None]
        mask = np.broadcast_to(rows, (count, size, size, 1))
        values = {
            "image": images.astype("uint8"),
            "label": i % 3,
            "mask": mask.astype("uint8"),
            "coverage": mask.mean((1, 2, 3)).astype("float32"),
            "index": i + 100,
        }
        return tf.data.Dataset.from_tensor_slices({key: values[key] for key in features})

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: of_split(number) for number, split in enumerate(splits)},
        data_dir=data_dir,
        disable_shuffling=True,
    )
    return name


def three_class_reader(images):
    """Scores of three classes, right for the clean images of `write_set`."""
    values = np.asarray(images)[:, -1, -1, 0].astype(np.float32)
    return -abs(values[:, None] - (80 * np.arange(3) + 20))
