"""Patch selectivity: how much more of a map lies on what belongs to an image."""

from typing import Any

import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.types import Tensor


def patch_selectivity(saliency: Tensor, out_of_context_mask: Tensor) -> Any:
    """The share of a map's mean height that is in context (our definition).

    Lee et al. 2023 (arXiv 2306.17848) show maps and give no number. With S scaled to [0, 1] for
    each image, patch selectivity is mean(S | in) / (mean(S | in) + mean(S | out)), the means over
    the pixels in and out of context. 0.5 is blind to what belongs, 1 rests on it alone, below 0.5
    prefers what does not.

    Args:
        saliency: Array or tensor of shape (B, H, W), or (H, W): maps such as those of
            `keras_patchmix.explain.c_rise`, of any range.
        out_of_context_mask: Of the same shape, booleans or zeros and ones: where foreign patches or
            occluders stand.

    Returns:
        float64 array of shape (B,), or a float for a single map. A constant map gives 0.5.

    Raises:
        ValueError: Shapes differ, values of a map are not finite, or a mask has pixels of one kind
            only.

    Example:
    >>> patch_selectivity([[1.0, 0.0]], [[False, True]])
    1.0
    """
    maps, mask = to_numpy(saliency).astype(np.float64), to_numpy(out_of_context_mask)
    if maps.ndim not in (2, 3) or maps.shape != mask.shape:
        raise ValueError(
            "`saliency` and `out_of_context_mask` must be of the same shape, (batch, height, "
            f"width) or (height, width). Received: shapes {maps.shape} and {mask.shape}"
        )
    if not np.isfinite(maps).all():
        raise ValueError("`saliency` must be finite. Received: values that are nan or infinite")
    if not np.isin(mask, (0, 1)).all():
        raise ValueError(
            "`out_of_context_mask` must hold booleans, or zeros and ones. "
            f"Received: values from {mask.min()} to {mask.max()}"
        )
    single = maps.ndim == 2
    maps = maps.reshape(-1, *maps.shape[-2:])
    out = mask.reshape(maps.shape).astype(bool)
    found = np.array([_selectivity(*pair) for pair in zip(maps, out, strict=True)])
    return float(found[0]) if single else found


def _selectivity(one, out):
    if out.all() or not out.any():
        raise ValueError(
            "`out_of_context_mask` must hold pixels of both kinds for every map. Received: all "
            + ("out of context" if out.any() else "in context")
        )
    height = one.max() - one.min()
    if height == 0:
        return 0.5
    scaled = (one - one.min()) / height
    inside, outside = scaled[~out].mean(), scaled[out].mean()
    return inside / (inside + outside)
