"""Patches of a regular grid: their borders, their areas, and pasting them.

A grid of r x c cells divides an image of H x W pixels at the lines floor(i H / r) and
floor(j W / c), the same borders as in `keras_patchmix.PatchMixing`.
"""

import numpy as np


def check_fits(grid, height, width, who):
    """Raises if a grid is finer than the image.

    Args:
        grid: (rows, columns).
        height: Image height in pixels.
        width: Image width in pixels.
        who: What has the grid, for the message.

    Raises:
        ValueError: Some cell of the grid would hold no pixel.
    """
    if grid[0] > height or grid[1] > width:
        raise ValueError(
            f"{who} has a grid finer than the image: `grid_size` must be at most "
            f"({height}, {width}). Received: grid_size={tuple(grid)}"
        )


def borders(size, cells):
    """Returns the `cells + 1` pixel positions at which a side of `size` pixels is divided."""
    return np.arange(cells + 1) * size // cells


def cell_areas(grid, height, width):
    """Returns the number of pixels of each cell, int64 of shape (rows, columns)."""
    return np.outer(np.diff(borders(height, grid[0])), np.diff(borders(width, grid[1])))


def pixel_mask(cells, height, width):
    """Turns a mask of cells into a mask of pixels.

    Args:
        cells: Boolean array of shape (B, rows, columns).
        height: Image height in pixels.
        width: Image width in pixels.

    Returns:
        Boolean array of shape (B, height, width).
    """
    rows = np.repeat(np.arange(cells.shape[1]), np.diff(borders(height, cells.shape[1])))
    columns = np.repeat(np.arange(cells.shape[2]), np.diff(borders(width, cells.shape[2])))
    return cells[:, rows[:, None], columns[None, :]]


def tiles(images, grid):
    """Views images as equal tiles.

    Args:
        images: C-contiguous array of shape (B, H, W, C) whose sides `grid` divides.
        grid: (rows, columns).

    Returns:
        A view of shape (B, rows, columns, H / rows, W / columns, C): writing to it writes to
        `images`.
    """
    batch, height, width, channels = images.shape
    rows, columns = grid
    shape = (batch, rows, height // rows, columns, width // columns, channels)
    return images.reshape(shape).swapaxes(2, 3)


def divides(grid, height, width):
    """Says whether all cells of the grid have the same size."""
    return height % grid[0] == 0 and width % grid[1] == 0


def paste(images, cells, source, source_index):
    """Copies cells of source images into the same place of other images.

    Args:
        images: Array of shape (B, H, W, C); not changed.
        cells: Boolean array of shape (B, rows, columns), True where the source shows.
        source: Array of shape (S, H, W, C), of the same dtype, C-contiguous.
        source_index: int array of shape (B,): the source of each image.

    Returns:
        A new C-contiguous array like `images`.
    """
    out = np.array(images, order="C")
    grid = cells.shape[1:]
    if divides(grid, *images.shape[1:3]):
        b, i, j = np.nonzero(cells)
        tiles(out, grid)[b, i, j] = tiles(source, grid)[source_index[b], i, j]
    else:
        b, y, x = np.nonzero(pixel_mask(cells, *images.shape[1:3]))
        out[b, y, x] = source[source_index[b], y, x]
    return out


def fill(images, cells, value):
    """Sets cells to one value.

    Args:
        images: Array of shape (B, H, W, C); not changed.
        cells: Boolean array of shape (B, rows, columns), True where the value goes.
        value: Scalar of the dtype of `images`.

    Returns:
        A new C-contiguous array like `images`.
    """
    out = np.array(images, order="C")
    grid = cells.shape[1:]
    if divides(grid, *images.shape[1:3]):
        tiles(out, grid)[cells] = value
    else:
        out[pixel_mask(cells, *images.shape[1:3])] = value
    return out
