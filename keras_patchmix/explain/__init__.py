"""Saliency that works for every classifier: RISE, contrastive RISE, and patch selectivity."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Saliency": "rise",
        "c_rise": "rise",
        "patch_selectivity": "selectivity",
        "random_masks": "masks",
        "rise": "rise",
    },
)
