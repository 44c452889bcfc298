"""Makes docs/images/photographs.jpg, the first picture of README.md, out of four photographs.

    pip install scikit-image
    python docs/make_photograph_picture.py

The photographs are files of scikit-image's wheel, in the public domain or under CC0:

- `chelsea.png`: Stéfan van der Walt, CC0
- `coffee.png`: Rachel Michetti, CC0
- `astronaut.png`: Eileen Collins, by NASA, public domain
- `rocket.jpg`: launch of a Falcon 9, by SpaceX, CC0
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import skimage
from matplotlib.figure import Figure
from PIL import Image

import keras_patchmix as kpm

SIZE = 224
NAMES = ("cat", "coffee", "astronaut", "rocket")
# File, and the square that is shown: left, top, side.
PHOTOGRAPHS = {
    "chelsea.png": (75, 0, 300),
    "coffee.png": (110, 0, 400),
    "astronaut.png": (40, 0, 400),
    "rocket.jpg": (110, 0, 427),
}


def photographs():
    """The four photographs, uint8 `(4, 224, 224, 3)`."""
    folder = Path(skimage.__file__).parent / "data"
    images = []
    for file, (left, top, side) in PHOTOGRAPHS.items():
        square = Image.open(folder / file).crop((left, top, left + side, top + side))
        images.append(np.asarray(square.convert("RGB").resize((SIZE, SIZE), Image.LANCZOS)))
    return np.stack(images)


def main():
    """Writes the picture."""
    images, labels = photographs(), np.arange(4)
    mix = kpm.PatchMixing(
        7, ratio=(0.2, 0.5), probability=1.0, num_classes=4, label_smoothing=0.0, seed=2
    )
    mixed, soft = (np.asarray(part) for part in mix(images, labels))
    figure = Figure(figsize=(9.2, 5.3), layout="constrained")
    for column, (top, bottom) in enumerate(figure.subplots(2, 4).T):
        _picture(top, images[column], NAMES[column])
        order = np.argsort(-soft[column])[:2]
        _picture(
            bottom, mixed[column], ", ".join(f"{NAMES[k]} {soft[column, k]:.2f}" for k in order)
        )
    path = Path(__file__).parent / "images" / "photographs.jpg"
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 88})
    print(path)


def _picture(axis, image, title):
    axis.imshow(image)
    axis.set_title(title, fontsize=11, pad=5)
    axis.set_axis_off()


if __name__ == "__main__":
    main()
