"""ROD, the Realistic Occlusion Dataset: photographs of objects behind colored blocks.

The data set of Lee et al., "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing" (arXiv
2306.17848), read from the published archives; and the ImageNet classes that stand for its own.
"""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.datasets.realistic_occlusion_dataset.builder import (
        RealisticOcclusionDataset as RealisticOcclusionDataset,
    )
    from keras_patchmix.datasets.realistic_occlusion_dataset.builder import RodConfig as RodConfig
    from keras_patchmix.datasets.realistic_occlusion_dataset.classes import (
        CLASS_NAMES as CLASS_NAMES,
    )
    from keras_patchmix.datasets.realistic_occlusion_dataset.classes import (
        IMAGENET_CLASSES as IMAGENET_CLASSES,
    )
    from keras_patchmix.datasets.realistic_occlusion_dataset.classes import class_map as class_map

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "CLASS_NAMES": "classes",
        "IMAGENET_CLASSES": "classes",
        "RealisticOcclusionDataset": "builder",
        "RodConfig": "builder",
        "class_map": "classes",
    },
)
