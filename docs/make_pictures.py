"""Makes the pictures of README.md and of the documentation.

python docs/make_pictures.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

import keras_patchmix as kpm

IMAGES = Path(__file__).parent / "images"


def mixed_batch():
    """Sixteen mixed images of "shapes", half of their patches replaced on average."""
    data, info = kpm.datasets.load("shapes/64px", "test", with_info=True)
    mix = kpm.PatchMixing(
        grid_size=8, alpha=4.0, num_classes=info.num_classes, label_smoothing=0.0, seed=5
    )
    names = [name.replace("_", " ") for name in info.class_names]
    kpm.visualize(data.batch(16).map(mix), IMAGES / "mixed_batch.png", class_names=names)


def main():
    """Makes all pictures."""
    tf.config.set_visible_devices([], "GPU")
    mixed_batch()
    print(f"Pictures are in {IMAGES}")


if __name__ == "__main__":
    main()
