"""Patch Mixing for Keras: train classifiers that survive occlusion, and measure that they do."""

from keras_patchmix._lazy import attach
from keras_patchmix._version import __version__

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"PatchMixing": "layers.patch_mixing", "visualize": "visualization"},
    submodules=(
        "callbacks",
        "datasets",
        "layers",
        "mixing",
        "models",
        "occlusion",
        "training",
    ),
)
__all__ += ["__version__"]
