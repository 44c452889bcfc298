"""Layers for `tf.data` pipelines and preprocessing stacks."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"PatchMixing": "patch_mixing", "map_seeded": "seeded_map"},
)
