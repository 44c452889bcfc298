"""A folder of small images, small models, and the command in this process."""

import json

import keras
import numpy as np

from keras_patchmix.occlusion import PatchDrop, PatchReplacement, serialize
from tests.command_line import runner

SIZE = 24
CLASSES = ("cat", "dog", "owl")
SUITE = [PatchReplacement(4, [0.25, 0.5]), PatchDrop(4, [0.5])]
ROWS = ["clean", "patch_replacement_4x4_25", "patch_replacement_4x4_50", "patch_drop_4x4_50"]


def write_folder(root, count=10, names=CLASSES, size=SIZE):
    """Noise, each class bright in a corner of its own."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image = rng.integers(0, 150, (size, size, 3)).astype("uint8")
            image[(label // 2) * size // 2 :, (label % 2) * size // 2 :] += 100
            keras.utils.save_img(root / name / f"{i}.png", image, scale=False)
    return root


def write_suite(path):
    path.write_text(json.dumps(serialize(SUITE)))
    return path


def small_model(seed=0, classes=3, size=SIZE, name="small"):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Rescaling(1 / 255, offset=-0.5),
            keras.layers.Conv2D(8, 4, 4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(classes),
        ],
        name=name,
    )


run = runner("score")
