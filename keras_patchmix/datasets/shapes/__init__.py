"""A small image data set that is generated, for trying things out without a download.

Ten kinds of objects, each put together from a body outline, a body texture and a kind of limb, in
varied pose, size, color and light on a textured ground among loose pieces of other objects. Any
outline, texture or kind of limb occurs in two or three classes: several parts decide the class.
"""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.datasets.shapes.builder import Shapes as Shapes
    from keras_patchmix.datasets.shapes.builder import ShapesConfig as ShapesConfig
    from keras_patchmix.datasets.shapes.generation import generate as generate
    from keras_patchmix.datasets.shapes.sampling import CLASS_NAMES as CLASS_NAMES

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "CLASS_NAMES": "sampling",
        "generate": "generation",
        "Shapes": "builder",
        "ShapesConfig": "builder",
    },
)
