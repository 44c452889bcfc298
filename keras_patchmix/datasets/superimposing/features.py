"""What an example of a superimposed data set holds, in the terms of TensorFlow Datasets."""

import numpy as np

from keras_patchmix.base.optional import require

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


def make_example(shown, label, index, image_format="png", quality=95):
    """Returns an example of these features.

    Args:
        shown: A `Superimposed`.
        label: Integer.
        index: Integer.
        image_format: `"png"`, bit-exact, or `"jpeg"`, smaller.
        quality: Quality of JPEG, 1 to 100.
    """
    tf = require("tensorflow", "Writing a data set")
    if image_format == "png":
        # On photographs of 224 pixels level 1 takes a fifth of the time of TFDS' own level, for
        # 11 % more bytes.
        image = tf.io.encode_png(shown.image, compression=1)
    else:
        image = tf.io.encode_jpeg(shown.image, quality=quality)
    return {
        "image": image.numpy(),
        "label": label,
        "mask": shown.mask,
        "coverage": np.float32(shown.pixels / shown.mask.size),
        "index": index,
    }
