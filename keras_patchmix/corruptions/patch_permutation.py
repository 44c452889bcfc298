"""Patch permutation: all tiles of an image shuffled."""

from collections.abc import Sequence

import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.base.sizes import size_pair
from keras_patchmix.base.types import Size
from keras_patchmix.corruptions import grid
from keras_patchmix.corruptions.base import Corruption


class PatchPermutation(Corruption):
    """Cuts an image into equal tiles and shuffles all of them.

    Each example has its own permutation, uniform over all permutations, so a tile may stay in
    place; the share in the report is that of the pixels whose tile moved.

    References:
        Naseer et al., "Intriguing Properties of Vision Transformers", NeurIPS 2021. Used with
        4, 16, 64 and 196 tiles in Lee et al., arXiv 2306.17848 (2023).

    Args:
        grid_sizes: Integer, or a sequence of integers and (rows, columns) pairs: the grids, each
            one a row of the report. They must divide the image's sides. Defaults to
            `(2, 4, 8, 14)`.
    """

    kind = "patch_permutation"

    def __init__(self, grid_sizes: int | Sequence[Size] = (2, 4, 8, 14)):
        values = [grid_sizes] if isinstance(grid_sizes, int | np.integer) else list(grid_sizes)
        grids = [size_pair(value, "grid_sizes") for value in values]
        grids.sort(key=lambda pair: (pair[0] * pair[1], pair))
        if not grids or len(set(grids)) != len(grids) or (1, 1) in grids:
            raise ValueError(
                "`grid_sizes` must hold one or more different grids of at least two tiles. "
                f"Received: grid_sizes={grid_sizes!r}"
            )
        self.grid_sizes = tuple(grids)

    @property
    def conditions(self):
        """Tuple of `Condition`, one per grid, fewest tiles first."""
        return tuple(self.condition(pair) for pair in self.grid_sizes)

    def get_config(self):
        """Returns the constructor's arguments as a dict of JSON values."""
        return {"grid_sizes": [list(pair) for pair in self.grid_sizes]}

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        """Draws a permutation for each example and grid; see `Corruption.plan`.

        Raises:
            ValueError: A grid does not divide the image's sides.
        """
        del labels, bank, value_range
        height, width = images.shape[1:3]
        plan = {}
        for pair in self.grid_sizes:
            if height % pair[0] or width % pair[1]:
                raise ValueError(
                    "PatchPermutation needs equal tiles: every grid of `grid_sizes` must divide "
                    f"the image's sides ({height}, {width}). Received: grid {pair}"
                )
            key = hashing.stream(seed, self.kind, *pair)
            plan[pair] = hashing.permutations(key, index, pair[0] * pair[1])
        return plan

    def apply(self, images, plan, condition):
        """Shuffles the tiles of one grid; see `Corruption.apply`."""
        order = plan[condition.grid]
        out = grid.rearrange(images, condition.grid, order)
        moved = np.sum(order != np.arange(order.shape[1]), axis=1)
        return out, moved * (images.shape[1] * images.shape[2] // order.shape[1])
