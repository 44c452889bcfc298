"""Choices of ways to mix, and images that tell what was mixed."""

import keras
import numpy as np

import keras_patchmix as kpm
from tests.arrays import to_numpy
from tests.layers.cases import BATCH


def choice(*layers, **arguments):
    defaults = {"num_classes": BATCH, "label_smoothing": 0.0, "seed": 1}
    return kpm.layers.RandomChoice(list(layers), **{**defaults, **arguments})


def four(**arguments):
    """Patch Mixing, CutMix, MixUp and none."""
    layers = (
        kpm.PatchMixing(probability=1.0),
        keras.layers.CutMix(seed=2),
        keras.layers.MixUp(seed=3, alpha=1.0),
        None,
    )
    return choice(*layers, **arguments)


def coloured():
    """Image i is 1 in channel i and 0 in the others, so that its mean pixel is its label."""
    channels = np.eye(BATCH, dtype="float32")[:, None, None, :]
    return np.broadcast_to(channels, (BATCH, 28, 28, BATCH)).copy()


def mean_pixel(mixed):
    return to_numpy(mixed).astype("float64").mean((1, 2))
