"""Saliency that works for every classifier: RISE, contrastive RISE, and patch selectivity."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.explain.benchmark import selectivity_benchmark as selectivity_benchmark
    from keras_patchmix.explain.curves import CausalCurves as CausalCurves
    from keras_patchmix.explain.curves import deletion_insertion as deletion_insertion
    from keras_patchmix.explain.figure import plot_saliency as plot_saliency
    from keras_patchmix.explain.masks import random_masks as random_masks
    from keras_patchmix.explain.saliency import Saliency as Saliency
    from keras_patchmix.explain.saliency import c_rise as c_rise
    from keras_patchmix.explain.saliency import rise as rise
    from keras_patchmix.explain.selectivity import SelectivityReport as SelectivityReport
    from keras_patchmix.explain.selectivity import patch_selectivity as patch_selectivity

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "CausalCurves": "curves",
        "Saliency": "saliency",
        "SelectivityReport": "selectivity",
        "c_rise": "saliency",
        "deletion_insertion": "curves",
        "patch_selectivity": "selectivity",
        "plot_saliency": "figure",
        "random_masks": "masks",
        "rise": "saliency",
        "selectivity_benchmark": "benchmark",
    },
)
