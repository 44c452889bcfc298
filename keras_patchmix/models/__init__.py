"""Image classifiers in plain Keras 3: images with values in 0..255 in, logits out."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"create": "factory", "names": "factory", "DropPath": "blocks", "LayerScale": "blocks"},
)
