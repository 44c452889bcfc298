"""Small photographs in folders, of every form that labeled folders hold."""

import io

import numpy as np
from PIL import Image


def smooth(number, height, width):
    """An image (height, width, 3) whose color changes slowly, another for each number."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(rows / (5 + number % 3) + number),
        np.cos(columns / 7 - number),
        np.sin((rows + columns) / 9 + 2 * number),
    ]
    return np.round(127.5 + 100 * np.stack(waves, -1)).astype("uint8")


def encoded(pixels, form="JPEG", mode="RGB", **arguments):
    """The bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, form, **arguments)
    return file.getvalue()


def write_folder(root, count=40, classes=("ant", "bee", "cat", "dog"), size=None):
    """Writes JPEGs to `root/train/<class>`; returns the list of their paths."""
    paths = []
    for number in range(count):
        height, width = size or (24 + number % 5, 32 + 3 * (number % 4))
        path = root / "train" / classes[number % len(classes)] / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(smooth(number, height, width), quality=90))
        paths.append(path)
    return paths
