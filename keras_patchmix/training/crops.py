"""Random crops of encoded photographs: only what is cut out is decoded, at its full size."""

import math

from keras_patchmix.base.optional import require
from keras_patchmix.datasets.images import decode, jpeg_size
from keras_patchmix.training.augmentation import AREAS, ASPECTS


def crop_window(height, width, draws):
    """Chooses a part of 8 to 100 % of the area and an aspect of 3:4 to 4:3, in pixels.

    It is the law of the crops of images in memory; there aspects are those of the resized image,
    here those of the photograph. Where a part is too wide or too high it is narrowed.

    Args:
        height: Integer scalar tensor.
        width: Integer scalar tensor.
        draws: float32 tensor `(4,)` of values in [0, 1): area, aspect, top, left.

    Returns:
        int32 tensor `(4,)`: top, left, height, width.
    """
    tf = require("tensorflow", "Training")
    sides = tf.cast(tf.stack([height, width]), tf.float32)
    area = (AREAS[0] + draws[0] * (AREAS[1] - AREAS[0])) * sides[0] * sides[1]
    low, high = map(math.log, ASPECTS)
    stretch = tf.exp(0.5 * (low + draws[1] * (high - low)))
    tall = tf.minimum(tf.sqrt(area) / stretch, sides[0])
    wide = tf.minimum(tf.sqrt(area) * stretch, sides[1])
    tall, wide = tf.minimum(tall, wide / ASPECTS[0]), tf.minimum(wide, tall * ASPECTS[1])
    size = tf.minimum(tf.maximum(tf.round(tf.stack([tall, wide])), 1.0), sides)
    corner = tf.minimum(tf.floor(draws[2:] * (sides - size + 1)), sides - size)
    return tf.cast(tf.concat([corner, size], axis=0), tf.int32)


def decode_crop(content, draws, size):
    """Decodes a random crop of an encoded image, resizes it, and flips it or not.

    Pixels are averaged over areas where the crop shrinks, and bilinear where it grows in height or
    width.

    Args:
        content: String scalar tensor. Of a JPEG only the blocks of the crop are decoded.
        draws: float32 tensor `(5,)` of values in [0, 1): whether to flip, and those of
            `crop_window`.
        size: (height, width) to resize to.

    Returns:
        uint8 tensor `(height, width, 3)`.
    """
    tf = require("tensorflow", "Training")

    def of_jpeg():
        shape = jpeg_size(content)
        window = crop_window(shape[0], shape[1], draws[1:])
        return tf.image.decode_and_crop_jpeg(content, window, channels=3)

    def of_others():
        image = decode(content)
        shape = tf.shape(image)
        top, left, height, width = tf.unstack(crop_window(shape[0], shape[1], draws[1:]))
        return image[top : top + height, left : left + width]

    crop = tf.cond(tf.io.is_jpeg(content), of_jpeg, of_others)
    crop = tf.ensure_shape(crop, (None, None, 3))
    resized = tf.cond(
        tf.reduce_all(tf.shape(crop)[:2] >= size),
        lambda: tf.image.resize(crop, size, method="area"),
        lambda: tf.image.resize(crop, size, method="bilinear"),
    )
    pixels = tf.cast(resized + 0.5, tf.uint8)  # means of pixels: within 0..255
    pixels = tf.cond(draws[0] < 0.5, lambda: tf.reverse(pixels, axis=[1]), lambda: pixels)
    return tf.ensure_shape(pixels, (*size, 3))
