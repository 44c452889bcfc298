"""What an example of a superimposed data set holds, in the terms of TensorFlow Datasets."""

import numpy as np

from keras_patchmix._optional import require

MASK_VALUES = ("image", "occluder")


def make_features(image_size, class_names, image_format="png"):
    """Returns the features: image, label, mask, coverage and index.

    The mask is no `tfds.features.Image` but a `LabeledImage`, so that
    `keras_patchmix.datasets.load` finds one image in the data set.

    Args:
        image_size: (height, width) in pixels.
        class_names: Sequence of strings.
        image_format: `"png"` or `"jpeg"`.

    Returns:
        A `tfds.features.FeaturesDict`.
    """
    tfds = require("tensorflow_datasets", "Writing a data set")
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(*image_size, 3), encoding_format=image_format),
            "label": tfds.features.ClassLabel(names=class_names),
            "mask": tfds.features.LabeledImage(
                labels=list(MASK_VALUES), shape=(*image_size, 1), encoding_format="png"
            ),
            "coverage": tfds.features.Scalar(np.float32, doc="Share of ones in the mask."),
            "index": tfds.features.Scalar(np.int64, doc="Position of the image in its source."),
        }
    )
