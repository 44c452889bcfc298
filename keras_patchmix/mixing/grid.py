"""The grid of patches that an image is divided into."""

import math
from typing import Any, NamedTuple

import numpy as np

from keras_patchmix.base.sizes import size_pair
from keras_patchmix.base.types import Size
from keras_patchmix.mixing import arrays


class Strip(NamedTuple):
    """Neighboring columns of equal width; pixels are counted from the start of a period.

    Attributes:
        first_column: The first of them.
        columns: Their number.
        start: The first pixel of the first one.
        width: The pixels of each.
    """

    first_column: Any
    columns: Any
    start: Any
    width: Any


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

    def __init__(self, grid_size: Size | None = None, patch_size: Size | None = None):
        if (grid_size is None) == (patch_size is None):
            raise ValueError(
                "Give exactly one of `grid_size` (patches a side) and `patch_size` (pixels a "
                f"side). Received: grid_size={grid_size}, patch_size={patch_size}"
            )
        self.grid_size = None if grid_size is None else size_pair(grid_size, "grid_size")
        self.patch_size = None if patch_size is None else size_pair(patch_size, "patch_size")

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
        arrays.of(height, width).check_sizes(
            fits, f"{self._too_fine()} and images of", height, width
        )

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

    def equal_height(self, height):
        """Whether all rows are equally high: a bool, or a tensor where `height` is one."""
        return height % (self.patch_size or self.grid_size)[0] == 0

    def equal_width(self, width):
        """Whether all columns are equally wide: a bool, or a tensor where `width` is one."""
        return width % (self.patch_size or self.grid_size)[1] == 0

    def strips(self, width):
        """Divides a line of pixels into periods, and these into strips of equally wide columns.

        Columns that differ in width do so periodically: six of them on 224 pixels are twice 37,
        37 and 38. One period of one strip is a line whose columns are all equal.

        Args:
            width: Integer.

        Returns:
            `(periods, strips)`: an integer and a list of `Strip`.
        """
        if self.equal_width(width):
            return self.strips_of_equal_width(width)
        if self.patch_size is not None:
            return self.strips_of_unequal_width(width)
        periods = math.gcd(width, self.grid_size[1])
        strips = _one_each(width // periods, self.grid_size[1] // periods)
        return periods, _joined(strips)

    def strips_of_equal_width(self, width):
        """As `strips`, where the columns divide a width that may be a tensor."""
        columns = self.shape(1, width)[1] if self.patch_size else self.grid_size[1]
        return 1, [Strip(0, columns, 0, width // columns)]

    def strips_of_unequal_width(self, width):
        """As `strips`, where they do not."""
        if self.patch_size is None:
            return 1, _one_each(width, self.grid_size[1])
        size = self.patch_size[1]
        full = width // size
        return 1, [Strip(0, full, 0, size), Strip(full, 1, full * size, width % size)]

    def _sizes(self, axis, side):
        if isinstance(side, int):
            return np.diff(self._edges(axis, side, np)).astype("int32")
        edges = self._edges(axis, side, arrays.of(side))
        return edges[1:] - edges[:-1]

    def _patch_of_pixel(self, axis, side):
        ops = np if isinstance(side, int) else arrays.of(side)
        pixels = ops.arange(side)
        if self.patch_size is not None:
            return pixels // self.patch_size[axis]
        # The last patch i that starts, at floor(i side / count), no later than the pixel.
        return ((pixels + 1) * self.grid_size[axis] - 1) // side

    def _edges(self, axis, side, ops):
        count = self.shape(side, side)[axis] if self.patch_size else self.grid_size[axis]
        if self.patch_size is not None:
            return ops.minimum(ops.arange(count + 1) * self.patch_size[axis], side)
        return ops.arange(count + 1) * side // count

    def __repr__(self):
        if self.patch_size is not None:
            return f"Grid(patch_size={self.patch_size})"
        return f"Grid(grid_size={self.grid_size})"


def _one_each(width, columns):
    edges = [i * width // columns for i in range(columns + 1)]
    return [Strip(i, 1, edges[i], edges[i + 1] - edges[i]) for i in range(columns)]


def _joined(strips):
    """The strips with neighbors of one width made into one."""
    joined = []
    for strip in strips:
        if joined and joined[-1].width == strip.width:
            joined[-1] = joined[-1]._replace(columns=joined[-1].columns + 1)
        else:
            joined.append(strip)
    return joined
