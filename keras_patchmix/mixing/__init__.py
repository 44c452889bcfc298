"""Mixing as pure functions: sample a plan, then apply it to images, masks and labels."""

from keras_patchmix.mixing.blends import BlendPlan
from keras_patchmix.mixing.boxes import BoxPlan
from keras_patchmix.mixing.grid import Grid
from keras_patchmix.mixing.labels import apply_to_labels, smooth_labels
from keras_patchmix.mixing.patches import (
    MixingPlan,
    apply_to_images,
    apply_to_masks,
    sample_plan,
)
from keras_patchmix.mixing.settings import Settings

__all__ = ["BlendPlan", "BoxPlan", "Grid", "MixingPlan", "Settings", "apply_to_images"]
__all__ += ["apply_to_labels", "apply_to_masks", "sample_plan", "smooth_labels"]
