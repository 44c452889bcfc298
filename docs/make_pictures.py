"""Makes the pictures of README.md and of the documentation.

python docs/make_pictures.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras_patchmix as kpm
from keras_patchmix.datasets import shapes

IMAGES = Path(__file__).parent / "images"


def mixed_batch():
    """Sixteen mixed images of "shapes", about half of their patches replaced."""
    images, labels = shapes.generate(range(16), "test", image_size=64)
    mix = kpm.PatchMixing(grid_size=8, alpha=4.0, num_classes=10, label_smoothing=0.0, seed=5)
    names = [name.replace("_", " ") for name in shapes.CLASS_NAMES]
    kpm.visualize(mix(images, labels), IMAGES / "mixed_batch.png", class_names=names, columns=8)


if __name__ == "__main__":
    mixed_batch()
    print(f"Pictures are in {IMAGES}")
