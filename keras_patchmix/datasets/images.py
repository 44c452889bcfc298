"""Images to one form: RGB, uint8, one size. For use inside `tf.data`."""

from keras_patchmix._optional import require


def check_image_size(image_size):
    """Turns the argument `image_size` into (height, width) or None.

    Raises:
        ValueError: It is not None, a positive integer or a pair of them.
    """
    if image_size is None:
        return None
    pair = (image_size, image_size) if isinstance(image_size, int) else image_size
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(isinstance(side, int) and side > 0 for side in pair)
    ):
        raise ValueError(
            "`image_size` must be a positive integer, a pair (height, width) of them, or None. "
            f"Received: image_size={image_size!r}"
        )
    return tuple(pair)


def to_rgb(image):
    """Turns a grey, grey-alpha, RGB or RGBA image into RGB; alpha is dropped.

    Args:
        image: uint8 tensor of shape (H, W, C), C in 1..4, known or not.

    Returns:
        uint8 tensor of shape (H, W, 3).
    """
    tf = require("tensorflow", "Loading images")
    channels = image.shape[-1]
    if channels is None:
        channels = tf.shape(image)[-1]
        colour = tf.cond(
            channels < 3,
            lambda: tf.repeat(image[..., :1], 3, axis=-1),
            lambda: image[..., :3],
        )
    elif channels < 3:
        colour = tf.repeat(image[..., :1], 3, axis=-1)
    else:
        colour = image[..., :3]
    return tf.ensure_shape(colour, (image.shape[0], image.shape[1], 3))


def resize(image, size):
    """Resizes an image to cover a size, keeping its proportions, and cuts out the centre.

    The interpolation is bilinear and antialiased. An image that has the size already is left as it
    is, bit by bit.

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
    shape = tf.shape(image)

    def scaled():
        sides = tf.cast(shape[:2], tf.float64)
        scale = tf.reduce_max(tf.constant([height, width], tf.float64) / sides)
        covering = tf.maximum(tf.cast(tf.round(sides * scale), tf.int32), [height, width])
        large = tf.image.resize(image, covering, method="bilinear", antialias=True)
        top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
        cut = large[top : top + height, left : left + width]
        return tf.saturate_cast(tf.round(cut), tf.uint8)

    same = tf.reduce_all(tf.equal(shape[:2], [height, width]))
    return tf.ensure_shape(tf.cond(same, lambda: image, scaled), (height, width, 3))
