"""Patch Mixing for Keras: train classifiers that survive occlusion, and measure that they do."""

from keras_patchmix import _backend  # noqa: F401  first, as it says what Keras itself lacks

# Keras finds the classes of a saved model once they are imported: these are, all else is lazy.
from keras_patchmix._lazy import attach
from keras_patchmix._version import __version__
from keras_patchmix.layers.patch_mixing import PatchMixing  # noqa: F401
from keras_patchmix.models import blocks as _blocks  # noqa: F401

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"PatchMixing": "layers.patch_mixing", "visualize": "visualization"},
    submodules=(
        "callbacks",
        "datasets",
        "evaluation",
        "explain",
        "explaining",
        "layers",
        "mixing",
        "models",
        "occluders",
        "occlusion",
        "training",
    ),
)
__all__ += ["__version__"]
