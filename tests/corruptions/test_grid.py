"""Moving the pixels of cells, against loops over single pixels."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.corruptions import grid


def cell_number(position, size, cells):
    """The last cell whose border floor(i size / cells) is not beyond the position."""
    return max(i for i in range(cells) if i * size // cells <= position)


@st.composite
def cases(draw, equal=False):
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    if equal:
        height, width = rows * draw(st.integers(1, 3)), columns * draw(st.integers(1, 3))
    else:
        height, width = draw(st.integers(rows, 14)), draw(st.integers(columns, 14))
    channels, batch = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    dtype = draw(st.sampled_from([np.uint8, np.int32, np.float16, np.float64, ml_dtypes.bfloat16]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    images = rng.integers(0, 100, (batch, height, width, channels)).astype(dtype)
    return images, (rows, columns), rng


@given(cases())
def test_cells_are_pasted_filled_averaged_and_measured(case):
    images, shape, rng = case
    batch, height, width, channels = images.shape
    cells = rng.random((batch, *shape)) < 0.5
    source = rng.integers(100, 200, (3, height, width, channels)).astype(images.dtype)
    donors = rng.integers(0, 3, batch)
    colors = rng.integers(200, 250, (batch, channels)).astype(images.dtype)
    pasted, filled = grid.paste(images, cells, source, donors), grid.fill(images, cells, colors)
    areas, sums = np.zeros(shape), np.zeros((batch, *shape))
    for y in range(height):
        for x in range(width):
            i, j = cell_number(y, height, shape[0]), cell_number(x, width, shape[1])
            areas[i, j] += 1
            sums[:, i, j] += images[:, y, x, 0].astype(float)
            for b in range(batch):
                hit = cells[b, i, j]
                expected = source[donors[b], y, x] if hit else images[b, y, x]
                assert np.array_equal(pasted[b, y, x], expected)
                assert np.array_equal(filled[b, y, x], colors[b] if hit else images[b, y, x])
    np.testing.assert_array_equal(grid.cell_areas(shape, height, width), areas)
    means = grid.cell_means(images[..., 0], shape)
    np.testing.assert_allclose(means, sums / areas, rtol=1e-14)
    assert pasted.dtype == filled.dtype == images.dtype


@given(cases(equal=True))
def test_tiles_are_rearranged(case):
    images, (rows, columns), rng = case
    batch, height, width, _ = images.shape
    order = np.argsort(rng.random((batch, rows * columns)), axis=1)
    out = grid.rearrange(images, (rows, columns), order)
    h, w = height // rows, width // columns
    for b in range(batch):
        for place, tile in enumerate(order[b]):
            (i, j), (k, m) = divmod(place, columns), divmod(int(tile), columns)
            here = out[b, h * i : h * i + h, w * j : w * j + w]
            assert np.array_equal(here, images[b, h * k : h * k + h, w * m : w * m + w])


@pytest.mark.parametrize("count", [1, 86, 171])
def test_a_batch_of_several_blocks_is_a_batch(count):
    # Images of 3 KB: some 85 make a block.
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    cells = rng.random((count, 4, 5)) < 0.4
    order = np.argsort(rng.random((count, 16)), axis=1)
    donors, colors = np.arange(count)[::-1], images[:, 0, 0]
    whole = (
        grid.paste(images, cells, images, donors),
        grid.fill(images, cells, colors),
        grid.rearrange(images, (4, 4), order),
    )
    for i in range(count):
        one = slice(i, i + 1)
        np.testing.assert_array_equal(
            whole[0][one], grid.paste(images[one], cells[one], images, donors[one])
        )
        np.testing.assert_array_equal(
            whole[1][one], grid.fill(images[one], cells[one], colors[one])
        )
        np.testing.assert_array_equal(
            whole[2][one], grid.rearrange(images[one], (4, 4), order[one])
        )
