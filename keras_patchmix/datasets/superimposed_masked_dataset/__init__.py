"""SMD, the Superimposed Masked Dataset: ImageNet photographs with objects pasted over them.

The data set of Lee et al., "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing" (arXiv
2306.17848), read from the published archives.
"""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.datasets.superimposed_masked_dataset.builder import SmdConfig as SmdConfig
    from keras_patchmix.datasets.superimposed_masked_dataset.builder import (
        SuperimposedMaskedDataset as SuperimposedMaskedDataset,
    )

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"SmdConfig": "builder", "SuperimposedMaskedDataset": "builder"},
)
