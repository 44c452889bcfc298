"""Saliency that works for every classifier: RISE, contrastive RISE, and patch selectivity."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "CausalCurves": "curves",
        "Saliency": "saliency",
        "SelectivityReport": "selectivity_report",
        "c_rise": "saliency",
        "deletion_insertion": "curves",
        "patch_selectivity": "selectivity",
        "plot_saliency": "figure",
        "random_masks": "masks",
        "rise": "saliency",
        "selectivity_benchmark": "benchmark",
    },
)
