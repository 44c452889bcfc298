"""Data sets of your own with things in front: occluders, masks, true coverage, as TFDS files.

The parts of `keras-patchmix occlude`: `Superimposer`, a pure function from an image and its index
to the image with occluders at each level of coverage, and `run`, which writes a data set.
"""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.datasets.superimposing.running import run as run
    from keras_patchmix.datasets.superimposing.superimposer import Coverage as Coverage
    from keras_patchmix.datasets.superimposing.superimposer import Superimposer as Superimposer

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Coverage": "superimposer",
        "Superimposer": "superimposer",
        "run": "running",
    },
)
