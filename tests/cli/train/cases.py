"""A folder of small images, and a network that takes little time to build and to compile."""

import keras
import numpy as np

from keras_patchmix.models.architectures import convnext
from tests.models.small import SMALL


def write_folder(root, classes=3, count=30):
    """A folder data set of 16-pixel noise, bright in one corner for each class."""
    rng = np.random.default_rng(0)
    for label in range(classes):
        (root / f"class{label}").mkdir(parents=True)
        for i in range(count):
            image = rng.integers(0, 120, (16, 16, 3)).astype("uint8")
            image[(label // 2) * 8 :, (label % 2) * 8 :] += 100
            keras.utils.save_img(root / f"class{label}" / f"{i}.png", image, scale=False)


def use_small_network(monkeypatch):
    """Makes the command's own network small."""
    small = {**convnext.PRESETS["convnext_mini"], **SMALL["convnext_mini"]}
    monkeypatch.setitem(convnext.PRESETS, "convnext_mini", small)
