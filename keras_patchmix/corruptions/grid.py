"""Patches of a regular grid: their borders, their areas, and moving their pixels.

A grid of r x c cells divides an image of H x W pixels at the lines floor(i H / r) and
floor(j W / c), the same borders as in `keras_patchmix.PatchMixing`.

Pixels are moved in runs: the values of one line of a cell are adjacent in memory, and NumPy copies
an array whose items are runs several times faster than single numbers under a mask. Bytes are
copied, so every value stays as it is, nan included.
"""

import numpy as np

# Size of the blocks of images that are processed together, to stay in the processor's cache.
_BLOCK_BYTES = 2**18


def borders(size, cells):
    """Returns the `cells + 1` pixel positions at which a side of `size` pixels is divided."""
    return np.arange(cells + 1) * size // cells


def cell_areas(grid, height, width):
    """Returns the number of pixels of each cell, int64 of shape (rows, columns)."""
    return np.outer(np.diff(borders(height, grid[0])), np.diff(borders(width, grid[1])))


def cell_means(maps, grid):
    """Averages maps over the cells of a grid.

    Args:
        maps: Array of shape (B, H, W) of finite numbers.
        grid: (rows, columns).

    Returns:
        float64 array of shape (B, rows, columns): the mean over the pixels of each cell.
    """
    height, width = maps.shape[1:]
    sums = np.asarray(maps, np.float64)
    sums = np.add.reduceat(sums, borders(height, grid[0])[:-1], axis=1)
    sums = np.add.reduceat(sums, borders(width, grid[1])[:-1], axis=2)
    return sums / cell_areas(grid, height, width)


def runs(images, columns):
    """Views images as lines of runs, of a cell's width if columns are equal, else of one pixel.

    Args:
        images: C-contiguous array of shape (B, H, W, C).
        columns: Columns of the grid.

    Returns:
        A view of shape (B, H, runs of a line) whose items are the bytes of a run: writing to it
        writes to `images`.
    """
    batch, height, width, channels = images.shape
    count = columns if width % columns == 0 else width
    values = width // count * channels
    item = np.dtype((np.void, values * images.dtype.itemsize))
    return images.reshape(batch, height, count, values).view(item)[..., 0]


def run_mask(cells, height, width):
    """Turns a mask of cells into a mask of `runs`.

    Args:
        cells: Boolean array of shape (B, rows, columns).
        height: Image height in pixels.
        width: Image width in pixels.

    Returns:
        Boolean array of shape (B, height, runs of a line).
    """
    _, rows, columns = cells.shape
    mask = np.repeat(cells, np.diff(borders(height, rows)), axis=1)
    if width % columns:
        mask = np.repeat(mask, np.diff(borders(width, columns)), axis=2)
    return mask


def tiles(images, grid):
    """Views images as equal tiles.

    Args:
        images: C-contiguous array of shape (B, H, W, C) whose sides `grid` divides.
        grid: (rows, columns).

    Returns:
        A view of shape (B, rows, columns, H / rows) whose items are the bytes of one line of a
        tile: writing to it writes to `images`.
    """
    batch, height = images.shape[:2]
    rows, columns = grid
    return runs(images, columns).reshape(batch, rows, height // rows, columns).swapaxes(2, 3)


def paste(images, cells, source, source_index):
    """Copies cells of source images into the same place of other images.

    Args:
        images: Array of shape (B, H, W, C); not changed.
        cells: Boolean array of shape (B, rows, columns), True where the source shows.
        source: Array of shape (S, H, W, C), of the same dtype.
        source_index: int array of shape (B,): the source of each image.

    Returns:
        A new C-contiguous array like `images`.
    """
    out = np.empty(images.shape, images.dtype)
    columns = cells.shape[2]
    here, there = runs(out, columns), runs(np.ascontiguousarray(source), columns)
    mask = run_mask(cells, *images.shape[1:3])
    for block in _blocks(images):
        out[block] = images[block]
        # Not np.putmask, which is slow for items as small as a pixel.
        np.copyto(here[block], there[source_index[block]], where=mask[block])
    return out


def fill(images, cells, values):
    """Sets cells to a color.

    Args:
        images: Array of shape (B, H, W, C); not changed.
        cells: Boolean array of shape (B, rows, columns), True where the color goes.
        values: Array of the dtype of `images` that broadcasts to (B, C): a color for each image.

    Returns:
        A new C-contiguous array like `images`.
    """
    batch, height, width, channels = images.shape
    out = np.empty(images.shape, images.dtype)
    lines = np.empty((batch, 1, width, channels), images.dtype)
    lines[:] = np.broadcast_to(values, (batch, channels))[:, None, None]
    here, there = runs(out, cells.shape[2]), runs(lines, cells.shape[2])
    mask = run_mask(cells, height, width)
    for block in _blocks(images):
        out[block] = images[block]
        np.copyto(here[block], there[block], where=mask[block])
    return out


def rearrange(images, grid, order):
    """Moves equal tiles to other places of their image.

    Args:
        images: Array of shape (B, H, W, C) whose sides `grid` divides; not changed.
        grid: (rows, columns).
        order: int array of shape (B, rows * columns): which tile of the image, counted row by row,
            comes to each place.

    Returns:
        A new C-contiguous array like `images`.
    """
    out = np.empty(images.shape, images.dtype)
    here, there = tiles(out, grid), tiles(np.ascontiguousarray(images), grid)
    rows, columns = np.divmod(order.reshape(-1, *grid), grid[1])
    batch = np.arange(len(images))[:, None, None]
    for block in _blocks(images):
        here[block] = there[batch[block], rows[block], columns[block]]
    return out


def _blocks(images):
    """Yields slices of a batch that fit into the processor's cache."""
    step = max(1, _BLOCK_BYTES // max(1, images[:1].nbytes))
    return (slice(start, start + step) for start in range(0, len(images), step))
