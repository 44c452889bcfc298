"""The grid of patches that an image is divided into."""

import numpy as np

from keras_patchmix import _ops


class Grid:
    """A division of images into rows and columns of patches.

    Args:
        grid_size: Integer or `(rows, columns)`: exactly that many patches, with boundaries at
            floor(i * height / rows), so that sides that do not divide differ by one pixel.
        patch_size: Integer or `(height, width)` in pixels: as many patches as it takes, the last
            one of a side smaller. Exactly one of the two arguments is given.

    Raises:
        ValueError: Both or none given, or a number that is no positive integer.
    """

    def __init__(self, grid_size=None, patch_size=None):
        if (grid_size is None) == (patch_size is None):
            raise ValueError(
                "Give exactly one of `grid_size` (patches a side) and `patch_size` (pixels a "
                f"side). Received: grid_size={grid_size}, patch_size={patch_size}"
            )
        self.grid_size = None if grid_size is None else _pair("grid_size", grid_size)
        self.patch_size = None if patch_size is None else _pair("patch_size", patch_size)

    def shape(self, height, width):
        """The numbers of rows and columns on an image of the given size.

        Args:
            height: Integer, or scalar int32 tensor.
            width: Integer, or scalar int32 tensor.

        Raises:
            ValueError: An image of known size has fewer pixels on a side than patches.
        """
        if self.patch_size is not None:
            return tuple(
                -(-side // patch)
                for side, patch in zip((height, width), self.patch_size, strict=True)
            )
        for side, count in zip((height, width), self.grid_size, strict=True):
            if isinstance(side, int) and side < count:
                raise ValueError(f"{self._too_fine()} and images of {height} x {width} pixels")
        return self.grid_size

    def check_at_run_time(self, height, width):
        """Makes a graph raise where a size that it learns when it runs is too small.

        Args:
            height: Integer, or scalar int32 tensor.
            width: Integer, or scalar int32 tensor.
        """
        if self.grid_size is None or (isinstance(height, int) and isinstance(width, int)):
            return
        rows, columns = self.grid_size
        fits = (height >= rows) & (width >= columns)
        _ops.of(height, width).check(fits, f"{self._too_fine()} and images of", height, width)

    def _too_fine(self):
        return f"`grid_size` must not be finer than the image. Received: grid_size={self.grid_size}"

    def row_heights(self, height):
        """Int32 `(rows,)`: the pixels of each row."""
        return self._sizes(0, height)

    def column_widths(self, width):
        """Int32 `(columns,)`: the pixels of each column."""
        return self._sizes(1, width)

    def row_of_line(self, height):
        """Int32 `(height,)`: the row that each line of pixels is in."""
        return self._patch_of_pixel(0, height)

    def column_of_pixel(self, width):
        """Int32 `(width,)`: the column that each pixel of a line is in."""
        return self._patch_of_pixel(1, width)

    def equal_width(self, width):
        """Whether all columns are equally wide: a bool, or a tensor where `width` is one."""
        if self.patch_size is not None:
            return width % self.patch_size[1] == 0
        return width % self.grid_size[1] == 0

    def _sizes(self, axis, side):
        if isinstance(side, int):
            return np.diff(self._edges(axis, side, np)).astype("int32")
        edges = self._edges(axis, side, _ops.of(side))
        return edges[1:] - edges[:-1]

    def _patch_of_pixel(self, axis, side):
        sizes = self._sizes(axis, side)
        if isinstance(side, int):
            return np.repeat(np.arange(len(sizes), dtype="int32"), sizes)
        ops = _ops.of(side)
        return ops.repeat(ops.arange(self.shape(side, side)[axis]), sizes)

    def _edges(self, axis, side, ops):
        count = self.shape(side, side)[axis] if self.patch_size else self.grid_size[axis]
        if self.patch_size is not None:
            return ops.minimum(ops.arange(count + 1) * self.patch_size[axis], side)
        return ops.arange(count + 1) * side // count

    def __repr__(self):
        if self.patch_size is not None:
            return f"Grid(patch_size={self.patch_size})"
        return f"Grid(grid_size={self.grid_size})"


def _pair(name, value):
    pair = (value, value) if not isinstance(value, (tuple, list)) else tuple(value)
    if len(pair) != 2 or not all(
        isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0
        for side in pair
    ):
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them. Received: {name}={value!r}"
        )
    return tuple(int(side) for side in pair)
