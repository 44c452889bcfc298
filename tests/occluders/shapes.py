"""Pictures whose pixels are known, and slow ways to the same result."""

import numpy as np


def disc(side=60, color=(255, 255, 255)):
    """A disc with a hard edge."""
    axis = np.arange(side) + 0.5 - side / 2
    inside = np.hypot(*np.meshgrid(axis, axis)) <= side / 2
    return painted(inside, color)


def ring(side=60, color=(255, 255, 255)):
    axis = np.arange(side) + 0.5 - side / 2
    radius = np.hypot(*np.meshgrid(axis, axis))
    return painted((radius <= side / 2) & (radius >= side / 4), color)


def square(height=20, width=20, color=(200, 100, 50)):
    return painted(np.ones((height, width), bool), color)


def painted(inside, color):
    image = np.zeros((*inside.shape, 4), np.uint8)
    image[inside] = (*color, 255)
    return image


def noisy(height, width, seed=0):
    """A picture of random colors and alphas, opaque in its corners."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 4)).astype(np.uint8)
    image[[0, 0, -1, -1], [0, -1, 0, -1], 3] = 255
    return image


def sampled_slowly(image, image_size, center, turns, scale):
    """What stands at each pixel of a placed picture: float64 (H, W, 4), multiplied by alpha."""
    height, width = image.shape[:2]
    straight = image / 255.0
    straight[..., :3] *= straight[..., 3:]

    def at(row, column):
        return straight[row, column] if 0 <= row < height and 0 <= column < width else 0.0

    angle = 2 * np.pi * turns
    out = np.zeros((*image_size, 4))
    for i in range(image_size[0]):
        for j in range(image_size[1]):
            dy, dx = (i + 0.5 - center[0]) / scale, (j + 0.5 - center[1]) / scale
            # Turned back, into the frame of the picture.
            x = dx * np.cos(angle) + dy * np.sin(angle) + width / 2 - 0.5
            y = -dx * np.sin(angle) + dy * np.cos(angle) + height / 2 - 0.5
            column, row = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - column, y - row
            out[i, j] = (1 - fy) * ((1 - fx) * at(row, column) + fx * at(row, column + 1))
            out[i, j] += fy * ((1 - fx) * at(row + 1, column) + fx * at(row + 1, column + 1))
    return out
