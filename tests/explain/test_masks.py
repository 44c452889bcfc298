"""The masks of RISE against a slow version of the definition."""

import itertools

import numpy as np
import pytest

from keras_patchmix.explain import random_masks
from keras_patchmix.explain.masks import RandomMasks


def enlarged_at(cells, position, enlarged):
    """One pixel of a grid enlarged bilinearly, from the definition: centers of pixels."""
    value = 0.0
    places = [
        min(max((at + 0.5) * n / big - 0.5, 0), n - 1)
        for at, n, big in zip(position, cells.shape, enlarged, strict=True)
    ]
    for corner in itertools.product(*(range(n) for n in cells.shape)):
        weights = [max(0.0, 1 - abs(a - b)) for a, b in zip(places, corner, strict=True)]
        value += cells[corner] * weights[0] * weights[1]
    return value


@pytest.mark.parametrize(("size", "grid"), [((6, 9), (2, 3)), ((7, 5), (3, 2)), ((4, 4), (4, 1))])
def test_a_mask_is_the_enlarged_grid_cut_out_at_its_own_offset(size, grid):
    masks = RandomMasks(size, grid, 0.5, seed=3)
    numbers = np.arange(5)
    enlarged = [(n + 1) * -(-side // n) for side, n in zip(size, grid, strict=True)]
    offsets = masks.offsets(numbers)
    made = masks(numbers)
    for number in numbers:
        for row, column in np.ndindex(size):
            position = offsets[number] + (row, column)
            expected = enlarged_at(masks.cells(numbers)[number], position, enlarged)
            np.testing.assert_allclose(made[number, row, column], expected, atol=1e-6)


def test_offsets_differ_from_mask_to_mask_and_take_all_values():
    masks = RandomMasks((12, 20), (4, 4), seed=1)
    offsets = masks.offsets(np.arange(600))
    assert {tuple(pair) for pair in offsets} == set(itertools.product(range(3), range(5)))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.8])
def test_every_pixel_is_kept_as_often_as_asked_for(keep):
    made = random_masks(20_000, (6, 6), 3, keep, seed=2)
    error = made.std(0) / np.sqrt(len(made))
    assert (np.abs(made.mean(0) - keep) < 5 * error).all()
    assert made.min() >= 0
    assert made.max() <= 1


def test_a_mask_depends_on_the_seed_and_its_number_alone():
    masks = random_masks(7, (8, 8), 2, seed=5)
    np.testing.assert_array_equal(random_masks(3, (8, 8), 2, seed=5, first_mask=4), masks[4:])
    assert (masks[0] != masks[1]).any()
    assert (random_masks(7, (8, 8), 2, seed=6) != masks).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid_size": 9}, r"`grid_size` must .* 8x8 pixels. Received: grid_size=9"),
        ({"grid_size": (2, 3, 4)}, "`grid_size` must"),
        ({"grid_size": 0}, "`grid_size` must"),
        ({"keep_probability": 1.0}, "`keep_probability` must be above 0 and below 1"),
        ({"seed": 0.5}, "`seed` must be an integer"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomMasks((8, 8), **arguments)
