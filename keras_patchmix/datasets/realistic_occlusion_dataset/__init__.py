"""ROD, the Realistic Occlusion Dataset: photographs of objects behind coloured blocks.

The data set of Lee et al., "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing" (arXiv
2306.17848), read from the published archives; and the ImageNet classes that stand for its own.
"""

from keras_patchmix._lazy import attach

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
