"""Patch Mixing a second time, slowly and in loops, to compare with; shares no code with it."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Plan(NamedTuple):
    """A plan as arrays; what the package returns has the same names."""

    partner: np.ndarray
    mask: np.ndarray
    share: np.ndarray


def edges(side, count=None, patch=None):
    """Boundaries of patches along one side."""
    if patch is not None:
        return [*range(0, side, patch), side]
    return [i * side // count for i in range(count + 1)]


def mix_images(images, plan, row_edges, column_edges):
    """Channels-last images, or masks of rank 3, with the patches of `plan` copied one by one."""
    partner, mask = np.asarray(plan.partner), np.asarray(plan.mask)
    mixed = images.copy()
    for b, i, j in zip(*np.nonzero(mask), strict=True):
        box = (slice(row_edges[i], row_edges[i + 1]), slice(column_edges[j], column_edges[j + 1]))
        mixed[(b, *box)] = images[(partner[b], *box)]
    return mixed


def constant_images(batch, height, width, channels=3, dtype="uint8"):
    """Image i has the value i everywhere, so that a pixel tells where it comes from."""
    values = np.arange(batch).astype(dtype)
    return np.broadcast_to(values[:, None, None, None], (batch, height, width, channels)).copy()


def pixel_shares(mixed, classes):
    """`(batch, classes)`: the share of pixels of each value, for images of constant value."""
    flat = np.asarray(mixed).reshape(len(mixed), -1).astype(int)
    return np.stack([np.bincount(row, minlength=classes) for row in flat]) / flat.shape[1]


def rounded_beta(alpha, patches):
    """P(N1 = k) for k = 0..patches; N1 = round-half-even(r patches), r ~ Beta(alpha, alpha)."""
    boundaries = np.clip((np.arange(patches + 2) - 0.5) / patches, 0, 1)
    return np.diff(stats.beta(alpha, alpha).cdf(boundaries))
