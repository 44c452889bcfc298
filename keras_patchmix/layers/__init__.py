"""Layers for `tf.data` pipelines and preprocessing stacks."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

# Imported at once, so that Keras finds the classes when it loads a saved model.
from keras_patchmix.layers.cut_mix import CutMix
from keras_patchmix.layers.mask_mix import MaskMix
from keras_patchmix.layers.mix_up import MixUp
from keras_patchmix.layers.random_choice import RandomChoice

if TYPE_CHECKING:
    from keras_patchmix.layers.cut_mix import CutMix as CutMix
    from keras_patchmix.layers.mask_mix import MaskMix as MaskMix
    from keras_patchmix.layers.mix_up import MixUp as MixUp
    from keras_patchmix.layers.patch_mixing import PatchMixing as PatchMixing
    from keras_patchmix.layers.random_choice import RandomChoice as RandomChoice
    from keras_patchmix.layers.seeded_map import map_seeded as map_seeded

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "CutMix": "cut_mix",
        "MaskMix": "mask_mix",
        "MixUp": "mix_up",
        "PatchMixing": "patch_mixing",
        "RandomChoice": "random_choice",
        "map_seeded": "seeded_map",
    },
)
