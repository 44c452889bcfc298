"""Layers for `tf.data` pipelines and preprocessing stacks."""

from keras_patchmix._lazy import attach

# Imported at once, so that Keras finds the classes when it loads a saved model.
from keras_patchmix.layers.mask_mix import MaskMix  # noqa: F401
from keras_patchmix.layers.random_choice import RandomChoice  # noqa: F401

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "MaskMix": "mask_mix",
        "PatchMixing": "patch_mixing",
        "RandomChoice": "random_choice",
        "map_seeded": "seeded_map",
    },
)
