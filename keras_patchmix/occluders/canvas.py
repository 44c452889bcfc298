"""A canvas with transparency, and shading that makes objects look solid.

All in float64: `np.sin` and others differ in the last place between processors, which in float32
could change a byte.
"""

import math

import numpy as np

# From the picture to the light, up and to the left: x to the right, y down, z to the viewer.
_LIGHT = np.array([-0.48, -0.62, 0.62])
_LIGHT /= math.sqrt(float(np.sum(_LIGHT**2)))
_HALFWAY = _LIGHT + np.array([0.0, 0.0, 1.0])
_HALFWAY /= math.sqrt(float(np.sum(_HALFWAY**2)))


_SIZE, _SAMPLES = 208, 2  # pixels a side, samples along each side of a pixel
_WIDTH = 2 / (_SIZE * _SAMPLES)  # of a sample


class Canvas:
    """A square picture, transparent at first; coordinates run from -1 to 1, y down.

    Attributes:
        x: float64 array of shape (416, 416): first coordinate of each sample.
        y: Second coordinate.
    """

    def __init__(self):
        axis = (np.arange(_SIZE * _SAMPLES) + 0.5) * _WIDTH - 1
        self.x, self.y = np.meshgrid(axis, axis)
        self._color = np.zeros((*self.x.shape, 3))
        self._alpha = np.zeros(self.x.shape)

    def cover(self, distance):
        """Turns a signed distance, negative inside, into alpha that falls over 1.5 samples."""
        return np.clip(0.5 - distance / (1.5 * _WIDTH), 0, 1)

    def lay(self, color, alpha, window=(slice(None), slice(None))):
        """Paints over the canvas.

        Args:
            color: Array that broadcasts to (rows, columns, 3), values clipped to 0..1.
            alpha: Array of shape (rows, columns) in 0..1.
            window: Slices of rows and columns.
        """
        share = alpha[..., None]
        self._color[window] *= 1 - share
        self._color[window] += np.clip(color, 0, 1) * share
        self._alpha[window] *= 1 - alpha
        self._alpha[window] += alpha

    def window(self, low, high):
        """Returns slices of rows and columns, and the coordinates, of a part of the canvas.

        Args:
            low: (x, y) of its upper left corner; three samples are added to each side.
            high: (x, y) of its lower right corner.
        """
        first, last = (np.array(at, float) + 1 for at in (low, high))
        first = np.clip(first / _WIDTH - 3, 0, len(self.x)).astype(int)
        last = np.clip(last / _WIDTH + 4, 0, len(self.x)).astype(int)
        window = slice(first[1], last[1]), slice(first[0], last[0])
        return window, self.x[window], self.y[window]

    def facet(self, corners, color):
        """Paints a convex polygon, its corners in either order, in one color or two.

        Args:
            corners: Sequence of (x, y).
            color: RGB triple, or a pair of them: from the first corner's color to the other one.
        """
        corners = np.array(corners, float)
        window, x, y = self.window(corners.min(0), corners.max(0))
        # Half a sample wider, so that nothing shows between neighbors.
        alpha = self.cover(polygon(x, y, corners) - 0.5 * _WIDTH)
        color = np.array(color, float)
        if color.ndim == 2:
            along = corners[1:].mean(0) - corners[0]
            share = ((x - corners[0, 0]) * along[0] + (y - corners[0, 1]) * along[1]) / (
                along @ along
            )
            color = blend(color[0], color[1], share)
        self.lay(color, alpha, window)

    def ball(self, center, radius, color, gloss=0.6):
        """Paints a shaded ball."""
        center = np.array(center, float)
        window, x, y = self.window(center - radius, center + radius)
        x, y = x - center[0], y - center[1]
        color = shade(color, x / radius, y / radius, gloss=gloss)
        self.lay(color, self.cover(np.hypot(x, y) - radius), window)

    def stick(self, start, end, radius, color, gloss=0.5):
        """Paints a shaded rod with round ends."""
        ends = np.array([start, end], float)
        window, x, y = self.window(ends.min(0) - radius, ends.max(0) + radius)
        (dx, dy), (x, y) = ends[1] - ends[0], (x - ends[0, 0], y - ends[0, 1])
        distance, across = rod(x, y, dx, dy)
        scale = across / (1.1 * radius * math.hypot(dx, dy))
        self.lay(
            shade(color, dy * scale, -dx * scale, gloss=gloss),
            self.cover(distance - radius),
            window,
        )

    def image(self):
        """Returns the picture, uint8 of shape (208, 208, 4), colors not multiplied by alpha."""
        both = np.concatenate([self._color, self._alpha[..., None]], axis=-1)
        mean = both.reshape(_SIZE, _SAMPLES, _SIZE, _SAMPLES, 4).mean(axis=(1, 3))
        mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
        return np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)


def blend(first, second, share):
    """Blends two colors; `share` is an array, clipped to 0..1."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    return first + (second - first) * np.clip(share, 0, 1)[..., None]


def shade(color, nx, ny, gloss=0.5, ambient=0.38):
    """Lights a surface.

    Args:
        color: RGB triple or array of shape (rows, columns, 3).
        nx: Array of shape (rows, columns): the surface normal's part to the right.
        ny: Its part downward.
        gloss: Strength of the highlight.
        ambient: Brightness in the shadow.

    Returns:
        float64 array of shape (rows, columns, 3), which may exceed 1.
    """
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.0004))
    norm = 1 / np.sqrt(nx * nx + ny * ny + nz * nz)
    diffuse = np.maximum((nx * _LIGHT[0] + ny * _LIGHT[1] + nz * _LIGHT[2]) * norm, 0)
    facing = np.maximum((nx * _HALFWAY[0] + ny * _HALFWAY[1] + nz * _HALFWAY[2]) * norm, 0)
    # A little light along the rim, from behind, as photographers like it.
    rim = 0.22 * (1 - np.clip(nz * norm, 0, 1)) ** 3
    brightness = ambient + (1.08 - ambient) * diffuse + rim
    return np.asarray(color) * brightness[..., None] + (gloss * facing**28)[..., None]


def rotate(x, y, turns):
    """Returns coordinates in a frame that is rotated clockwise."""
    cos, sin = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    return x * cos + y * sin, y * cos - x * sin


def polygon(x, y, corners):
    """Returns the signed distance to a convex polygon, exact except around its corners."""
    corners = np.asarray(corners, float)
    following = np.roll(corners, -1, axis=0)
    area = np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0])
    distance = np.full(x.shape, -np.inf)
    for (ax, ay), (bx, by) in zip(corners, following, strict=True):
        length = math.hypot(bx - ax, by - ay) * (1 if area > 0 else -1)
        side = ((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length
        np.maximum(distance, side, out=distance)
    return distance


def rod(x, y, dx, dy):
    """Returns the distance to the line from (0, 0) to (dx, dy), and the offset to its right."""
    square = dx * dx + dy * dy
    along = np.clip((x * dx + y * dy) / square, 0, 1)
    return np.hypot(x - along * dx, y - along * dy), (x * dy - y * dx) / math.sqrt(square)


def ripples(x, y, frequency, phase=0.0):
    """Returns a smooth, irregular texture in about -1..1: waves in seven directions."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for k in range(7):
        angle, pitch = 2.399963 * k + 0.3, frequency * (0.75 + 0.13 * ((k * 3) % 7))
        total += np.sin(pitch * (x * math.cos(angle) + y * math.sin(angle)) + phase + 1.7 * k)
    return total / 3.5
