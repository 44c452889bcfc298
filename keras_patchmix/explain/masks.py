"""The random masks of RISE, each a function of the seed and of its own number."""

from collections.abc import Sequence

import numpy as np

from keras_patchmix.base.hashing import integers_below, stream, uniform
from keras_patchmix.base.sizes import size_pair
from keras_patchmix.base.types import Size


class RandomMasks:
    """Smooth random masks (Petsiuk et al. 2018, arXiv 1806.07421, section 3.2).

    A mask begins as a grid of cells that are 1 with probability `keep_probability`, else 0. It is
    enlarged bilinearly to one cell more than the image has on each axis, and the image's size is
    cut out of that at an offset of the mask's own, uniform over the pixels of a cell. Every pixel's
    expectation is `keep_probability`.

    Args:
        image_size: (height, width) in pixels.
        grid_size: Integer or (rows, columns), at least 1 and at most the image's sides.
        keep_probability: In (0, 1): the expected share of the image that stays.
        seed: Integer. Mask `i` depends on the seed and on `i` alone, whatever the batch, the
            image, the number of masks and the backend.

    Raises:
        ValueError: An argument out of range.
    """

    def __init__(self, image_size, grid_size=7, keep_probability=0.5, seed=0):
        self.image_size = tuple(int(side) for side in image_size)
        self.grid_size = _standardize_grid_size(grid_size, self.image_size)
        if not 0 < keep_probability < 1:
            raise ValueError(
                "`keep_probability` must be above 0 and below 1. "
                f"Received: keep_probability={keep_probability!r}"
            )
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"`seed` must be an integer. Received: seed={seed!r}")
        self.keep_probability = float(keep_probability)
        self.seed = int(seed)
        # Pixels of a cell, rounded up: the enlarged grid holds the image at every offset.
        self.cell_size = tuple(
            -(-side // cells) for side, cells in zip(self.image_size, self.grid_size, strict=True)
        )
        self._tables = [
            _cell_weights(*sizes)
            for sizes in zip(self.image_size, self.grid_size, self.cell_size, strict=True)
        ]

    def cells(self, numbers):
        """Returns the grids of the masks, float32 (N, rows, columns) of zeros and ones."""
        numbers = np.asarray(numbers).reshape(-1, 1)
        rows, columns = self.grid_size
        key = stream(self.seed, "rise", "cells", rows, columns)
        draws = uniform(key, numbers, np.arange(rows * columns))
        kept = draws < self.keep_probability
        return kept.astype(np.float32).reshape(-1, rows, columns)

    def offsets(self, numbers):
        """Returns where the image is cut out of the enlarged grids, int64 (N, 2)."""
        numbers = np.asarray(numbers).reshape(-1, 1)
        key = stream(self.seed, "rise", "offsets")
        return integers_below(key, np.array(self.cell_size), numbers, np.arange(2))

    def shared_weights(self):
        """Returns for each axis how much cells two pixels share, (pixels, pixels).

        It is the sum over the cells of the product of both pixels' weights, its mean over the
        offsets. Two pixels of a mask have the covariance k (1 - k) times that of their rows times
        that of their columns, for the `keep_probability` k.
        """
        tables = (table.astype(np.float64) for table in self._tables)
        return [
            np.einsum("opr,oqr->pq", table, table, optimize=True) / len(table) for table in tables
        ]

    def __call__(self, numbers):
        """Returns masks by their numbers.

        Args:
            numbers: Integer array of shape (N,), at least 0.

        Returns:
            float32 array of shape (N, height, width), values in [0, 1].
        """
        rows, columns = self.offsets(numbers).T
        down, across = self._tables
        return down[rows] @ self.cells(numbers) @ across[columns].transpose(0, 2, 1)


def random_masks(
    num_masks: int,
    image_size: Sequence[int],
    grid_size: Size = 7,
    keep_probability: float = 0.5,
    seed: int = 0,
    first_mask: int = 0,
) -> np.ndarray:
    """Returns masks of RISE, to look at or for other uses; see `RandomMasks`.

    Args:
        num_masks: Integer, at least 0.
        image_size: (height, width) in pixels.
        grid_size: Integer or (rows, columns). Defaults to `7`.
        keep_probability: In (0, 1). Defaults to `0.5`.
        seed: Integer. Defaults to `0`.
        first_mask: Number of the first one. Defaults to `0`.

    Returns:
        float32 array of shape (num_masks, height, width), values in [0, 1].
    """
    masks = RandomMasks(image_size, grid_size, keep_probability, seed)
    return masks(np.arange(first_mask, first_mask + num_masks))


def _standardize_grid_size(grid_size, image_size):
    pair = size_pair(grid_size, "grid_size")
    if pair[0] > image_size[0] or pair[1] > image_size[1]:
        raise ValueError(
            f"`grid_size` must be no finer than the image of {image_size[0]}x{image_size[1]} "
            f"pixels. Received: grid_size={grid_size!r}"
        )
    return pair


def _cell_weights(side, cells, cell_size):
    """Returns the bilinear weights of the cells of one axis, (offsets, pixels, cells)."""
    enlarged = (cells + 1) * cell_size
    # Centers of pixels in units of cells, clipped to the outermost centers.
    position = (np.arange(enlarged) + 0.5) * (cells / enlarged) - 0.5
    position = np.clip(position, 0, cells - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(cells)))
    windows = np.lib.stride_tricks.sliding_window_view(weights, side, axis=0)[:cell_size]
    return np.ascontiguousarray(windows.transpose(0, 2, 1), np.float32)
