"""An occluder: a picture with transparency, cut out tightly and kept at several sizes."""

import functools
import hashlib

import numpy as np

# Images of 512 pixels show occluders of at most 384.
LARGEST_SIDE = 512
SMALLEST_SIDE = 8
_OPAQUE_ENOUGH = 128


class Occluder:
    """A picture with transparency to put in front of images.

    It is cropped to its visible part, and halved by averaging until no side exceeds 512 pixels.

    Args:
        name: Name of the occluder.
        image: uint8 array of shape (H, W, 4): red, green, blue, and alpha from 0, transparent, to
            255, opaque; colors not multiplied by alpha, as in PNG files.

    Attributes:
        name: As given.
        image: uint8 array of shape (h, w, 4), read-only: the visible part.

    Raises:
        TypeError: `name` is not a string.
        ValueError: `image` is not such an array, or nothing of 8 pixels or more a side is at least
            half opaque in it.
    """

    def __init__(self, name: str, image: np.ndarray):
        if not isinstance(name, str):
            raise TypeError(f"`name` must be a string. Received: name={name!r}")
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[-1] != 4 or image.dtype != np.uint8:
            raise ValueError(
                "`image` must be a uint8 array of shape (height, width, 4): red, green, blue, "
                f"alpha. Received: shape {image.shape}, dtype {image.dtype}"
            )
        solid = _crop(image, _OPAQUE_ENOUGH)
        if max(solid.shape[:2]) < SMALLEST_SIDE:
            raise ValueError(
                "`image` must show something: a part that is at least half opaque (alpha 128) and "
                f"{SMALLEST_SIDE} pixels wide or high. Received: an image of {image.shape[0]} x "
                f"{image.shape[1]} pixels, alpha up to {image[..., 3].max(initial=0)}, of which "
                f"{solid.shape[0]} x {solid.shape[1]} pixels are so"
            )
        image = _crop(image, 1)
        while max(image.shape[:2]) > LARGEST_SIDE:
            image = _unpremultiply(_halve(_premultiply(image)))
        self.name = name
        self.image = np.array(image)
        self.image.setflags(write=False)

    @functools.cached_property
    def sizes(self):
        """Tuple of `Size`: the picture, and copies of it, each half as large as the one before."""
        picture = _premultiply(self.image)
        sizes = [Size(picture)]
        while max(picture.shape[:2]) >= 4:
            picture = _halve(picture)
            sizes.append(Size(picture))
        return tuple(sizes)

    def size_for(self, scale):
        """Returns the `Size` to sample from, and its pixels per pixel of the image.

        Args:
            scale: Pixels of the image for one of `image`, above 0.

        Returns:
            A `Size` and a float, at most the square root of 2 so that bilinear sampling does not
            alias, unless the smallest size has more.
        """
        last = len(self.sizes) - 1
        number = next((k for k in range(last) if scale * 2**k >= 0.7071), last)
        return self.sizes[number], 1 / (scale * 2**number)

    @functools.cached_property
    def sha256(self):
        """Hexadecimal digest of the name, the size and the pixels."""
        head = f"{self.name}\n{self.image.shape}\n".encode("utf-8", "surrogateescape")
        return hashlib.sha256(head + self.image.tobytes()).hexdigest()

    def __repr__(self):
        height, width = self.image.shape[:2]
        return f"Occluder({self.name!r}, {height} x {width})"


class Size:
    """An occluder at one size, with a transparent border of one pixel for sampling.

    Attributes:
        shape: (rows, columns) with the border.
        pixels: uint8 array of shape (rows * columns, 4), colors multiplied by alpha.
        solid: Boolean array of shape (rows * columns,): at least half opaque.
        near: Boolean array of shape (rows * columns,): where a bilinear sample may be visible.
    """

    def __init__(self, picture):
        padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)))
        self.shape = padded.shape[:2]
        self.pixels = padded.reshape(-1, 4)
        self.solid = self.pixels[:, 3] >= _OPAQUE_ENOUGH
        visible = np.pad(padded[..., 3] > 0, 1)
        windows = np.lib.stride_tricks.sliding_window_view(visible, (3, 3))
        self.near = windows.any(axis=(2, 3)).reshape(-1)


def _crop(image, alpha):
    """Crops an image to the pixels of at least this alpha; empty if there are none."""
    seen = image[..., 3] >= alpha
    spans = []
    for axis in (1, 0):
        places = np.flatnonzero(seen.any(axis=axis))
        spans.append(slice(places[0], places[-1] + 1) if len(places) else slice(0, 0))
    return image[tuple(spans)]


def _premultiply(image):
    """Multiplies colors by alpha, rounded."""
    alpha = image[..., 3:].astype(np.uint16)
    color = (image[..., :3] * alpha + 127) // 255
    return np.concatenate([color.astype(np.uint8), image[..., 3:]], axis=-1)


def _unpremultiply(image):
    """Divides colors by alpha, rounded; black where nothing is visible."""
    alpha = image[..., 3:].astype(np.uint16)
    color = (image[..., :3] * np.uint16(255) + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([color.astype(np.uint8), image[..., 3:]], axis=-1)


def _halve(image):
    """Averages blocks of 2 x 2 pixels; odd sides are padded with transparent pixels."""
    rows, columns = image.shape[:2]
    even = np.pad(image, ((0, rows % 2), (0, columns % 2), (0, 0))).astype(np.uint16)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)
