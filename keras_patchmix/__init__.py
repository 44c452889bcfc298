"""Patch Mixing for Keras: train classifiers that survive occlusion, and measure that they do."""

from typing import TYPE_CHECKING

from keras_patchmix._version import __version__
from keras_patchmix.base import keras_backend
from keras_patchmix.base.lazy import attach

# The command chooses a backend and quietens TensorFlow before it imports Keras.
if not keras_backend.runs_command():
    keras_backend.require()
    # Keras finds the classes of a saved model once they are imported: these are, all else is lazy.
    from keras_patchmix.models import registered as _registered  # noqa: F401

if TYPE_CHECKING:
    from keras_patchmix import callbacks as callbacks
    from keras_patchmix import datasets as datasets
    from keras_patchmix import explain as explain
    from keras_patchmix import layers as layers
    from keras_patchmix import mixing as mixing
    from keras_patchmix import models as models
    from keras_patchmix import occluders as occluders
    from keras_patchmix import occlusion as occlusion
    from keras_patchmix import training as training
    from keras_patchmix.layers.patch_mixing import PatchMixing as PatchMixing
    from keras_patchmix.report.visualization import visualize as visualize

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"PatchMixing": "layers.patch_mixing", "visualize": "report.visualization"},
    submodules=(
        "callbacks",
        "datasets",
        "explain",
        "layers",
        "mixing",
        "models",
        "occluders",
        "occlusion",
        "training",
    ),
)
__all__ += ["__version__"]
