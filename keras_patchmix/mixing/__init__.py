"""Patch Mixing as pure functions: sample a plan, then apply it to images, masks and labels."""

from keras_patchmix.mixing.grid import Grid
from keras_patchmix.mixing.patches import (
    MixingPlan,
    Settings,
    apply_to_images,
    apply_to_labels,
    apply_to_masks,
    sample_plan,
    smooth_labels,
)

__all__ = ["Grid", "MixingPlan", "Settings", "apply_to_images", "apply_to_labels"]
__all__ += ["apply_to_masks", "sample_plan", "smooth_labels"]
