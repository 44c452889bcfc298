"""SMD, the Superimposed Masked Dataset: ImageNet photographs with objects pasted over them.

The data set of Lee et al., "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing" (arXiv
2306.17848), read from the published archives.
"""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"SmdConfig": "builder", "SuperimposedMaskedDataset": "builder"},
)
