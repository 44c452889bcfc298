"""Decoding and resizing of images, inside `tf.data` and by Pillow: RGB, uint8, one size."""

import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.base.sizes import size_pair
from keras_patchmix.datasets import image_files
from keras_patchmix.datasets.image_files import MAX_PIXELS, MAX_SIDE, PNG

_LONGEST = 16  # times the part of a thin image that stays: no more of it is scaled


def check_image_size(image_size):
    """Turns the argument `image_size` into (height, width) or None.

    Raises:
        ValueError: It is not None, a positive integer or a pair of them.
    """
    return None if image_size is None else size_pair(image_size, "image_size")


def decode(content):
    """Decodes an image file, a string scalar tensor, to a uint8 tensor of shape (H, W, 3).

    The pixels are those of `keras_patchmix.datasets.image_files.decode`.
    """
    tf = require("tensorflow", "Loading images")

    def of_jpeg():
        with tf.control_dependencies([jpeg_size(content)]):
            return tf.io.decode_jpeg(content, channels=3)

    def of_png():
        sides = tf.io.decode_raw(tf.strings.substr(content, 16, 8), tf.int32, little_endian=False)
        with tf.control_dependencies([_within_limit(sides)]):
            return tf.io.decode_png(content, channels=3)

    def of_others():
        return tf.py_function(lambda data: image_files.decode(data.numpy()), [content], tf.uint8)

    is_png = tf.strings.substr(content, 0, tf.minimum(len(PNG), tf.strings.length(content))) == PNG
    image = tf.case([(tf.io.is_jpeg(content), of_jpeg), (is_png, of_png)], default=of_others)
    return tf.ensure_shape(image, (None, None, 3))


def jpeg_size(content):
    """Returns the height and width of a JPEG file, a string scalar tensor.

    The int32 tensor of shape `(2,)` raises where they exceed the limits.
    """
    tf = require("tensorflow", "Loading images")
    return _within_limit(tf.io.extract_jpeg_shape(content)[:2])


def _within_limit(sides):
    tf = require("tensorflow", "Loading images")
    pixels = tf.reduce_prod(tf.cast(sides, tf.int64))
    within = (pixels <= MAX_PIXELS) & tf.reduce_all((sides > 0) & (sides <= MAX_SIDE))
    check = tf.debugging.Assert(within, ["An image is too large. Received: size =", sides])
    with tf.control_dependencies([] if check is None else [check]):  # None eagerly
        return tf.identity(sides)


def central_margins(sides, size, module):
    """Returns what to cut off a thin image before it is scaled to cover a size.

    An image of 2 x 2500 pixels scaled to cover a square has 1,250 times the pixels of the square.
    What is farther from the center than 8 times the visible part is cut off; of other images
    nothing is.

    Args:
        sides: Pair of integers, or an integer tensor, (height, width) of the image.
        size: Pair of integers (height, width) to cover.
        module: NumPy or TensorFlow, as `sides` are.

    Returns:
        Pair of the rows and the columns to cut off on either side.
    """
    seen = [-(-sides[1 - i] * size[i] // size[1 - i]) for i in range(2)]
    return [module.maximum(sides[i] - _LONGEST * seen[i], 0) // 2 for i in range(2)]


def resize(image, size):
    """Resizes an image to cover a size, keeping its proportions, and crops the center.

    The interpolation is bilinear and antialiased. An image of that size stays as it is.

    Args:
        image: uint8 tensor of shape (H, W, 3), H and W known or not.
        size: Pair of integers (height, width).

    Returns:
        uint8 tensor of shape (height, width, 3).
    """
    tf = require("tensorflow", "Loading images")
    height, width = size
    if image.shape[0] == height and image.shape[1] == width:
        return image
    shape = tf.shape(image, tf.int64)

    def scaled():
        rows, columns = central_margins(shape[:2], size, tf)
        part = image[rows : shape[0] - rows, columns : shape[1] - columns]
        sides = tf.cast(tf.shape(part)[:2], tf.float64)
        scale = tf.reduce_max(tf.constant([height, width], tf.float64) / sides)
        covering = tf.maximum(tf.cast(tf.round(sides * scale), tf.int32), [height, width])
        large = tf.image.resize(part, covering, method="bilinear", antialias=True)
        top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
        cut = large[top : top + height, left : left + width]
        return tf.saturate_cast(tf.round(cut), tf.uint8)

    same = tf.reduce_all(tf.equal(shape[:2], [height, width]))
    return tf.ensure_shape(tf.cond(same, lambda: image, scaled), (height, width, 3))


def resize_picture(picture, size):
    """Does the same as `resize` by Pillow; values differ by one level at most.

    Args:
        picture: A `PIL.Image.Image`.
        size: Pair of integers (height, width).

    Returns:
        A `PIL.Image.Image` of the same mode.
    """
    height, width = size
    if picture.size == (width, height):
        return picture
    top, left = central_margins((picture.height, picture.width), size, np)
    picture = picture.crop((left, top, picture.width - left, picture.height - top))
    scale = max(width / picture.width, height / picture.height)
    across = max(round(picture.width * scale), width)
    down = max(round(picture.height * scale), height)
    bilinear = require("PIL.Image", "Reading image files").Resampling.BILINEAR  # antialiased
    left, top = (across - width) // 2, (down - height) // 2
    large = picture.resize((across, down), bilinear)
    return large.crop((left, top, left + width, top + height))


def resize_array(image, size):
    """Does the same for a uint8 array of shape (H, W, 3)."""
    if image.shape[:2] == tuple(size):
        return image
    pillow = require("PIL.Image", "Resizing images")
    return np.asarray(resize_picture(pillow.fromarray(image), size))
