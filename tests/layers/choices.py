"""Choices of ways to mix."""

import keras_patchmix as kpm
from tests.layers.cases import BATCH


def choice(*layers, **arguments):
    defaults = {"num_classes": BATCH, "label_smoothing": 0.0, "seed": 1}
    return kpm.layers.RandomChoice(list(layers), **{**defaults, **arguments})


def four(**arguments):
    """Patch Mixing, CutMix, MixUp and none."""
    layers = (
        kpm.PatchMixing(probability=1.0),
        kpm.layers.CutMix(),
        kpm.layers.MixUp(alpha=1.0),
        None,
    )
    return choice(*layers, **arguments)
