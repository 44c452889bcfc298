"""Schemes against the expectation over all masks, their own spread, and maps of before."""

import itertools

import numpy as np
import pytest

from keras_patchmix import explain
from keras_patchmix.explain.masks import RandomMasks
from keras_patchmix.explain.schemes import SCHEMES, MaskedAreas
from tests.golden import make_maps

SIZE = (6, 5)
RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(0, 1, SIZE)
WEIGHTS = RNG.normal(size=(3, *SIZE))


def curved(masks):
    """Scores that are no linear function of a mask, but partly one."""
    shown = masks * IMAGE
    parts = np.einsum("nhw,khw->nk", shown, WEIGHTS)
    return np.tanh(parts).prod(1) + 0.6 * shown.mean((1, 2))


def all_masks(keep):
    """Yields every mask of 2x2 cells and its probability."""
    down, across = RandomMasks(SIZE, 2, keep)._tables
    for rows, columns in itertools.product(down, across):
        for cells in itertools.product((0, 1), repeat=4):
            chance = keep ** sum(cells) * (1 - keep) ** (4 - sum(cells))
            yield (
                rows @ np.reshape(cells, (2, 2)) @ columns.T,
                chance / (len(down) * len(across)),
            )


def true_map(function, keep):
    """E[f M] / E[M], as a sum over all masks."""
    masks, chances = (np.array(values) for values in zip(*all_masks(keep), strict=True))
    return np.einsum("n,n,nhw->hw", chances, function(masks), masks) / keep


def estimates(scheme, keep, num_masks, seeds):
    """Returns the maps and the standard errors of many seeds."""
    found = []
    for seed in range(seeds):
        masks = RandomMasks(SIZE, 2, keep, seed)
        statistics = SCHEMES[scheme](masks)
        for start in range(0, num_masks, 16):
            batch = masks(np.arange(start, min(start + 16, num_masks)))
            statistics.add(batch, curved(batch))
        found.append((statistics.map(), statistics.standard_error()))
    return np.moveaxis(np.array(found), 1, 0)


@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_the_map_of_a_linear_function_of_the_areas_is_known(keep):
    areas = MaskedAreas(RandomMasks(SIZE, 2, keep))
    coefficients = RNG.normal(size=1 + areas.count)
    expected = true_map(lambda masks: areas(masks) @ coefficients, keep)
    np.testing.assert_allclose(areas.map_of(coefficients), expected, atol=1e-6)
    columns, chances = zip(*((areas(mask[None])[0], p) for mask, p in all_masks(keep)), strict=True)
    mean = np.average(columns, axis=0, weights=chances)
    np.testing.assert_allclose(mean, [1, *np.zeros(areas.count)], atol=1e-6)
    variances = np.average(np.square(columns), axis=0, weights=chances)[1:]
    np.testing.assert_allclose(areas.variance, variances.sum(), rtol=1e-5)


@pytest.mark.parametrize("num_masks", [3, 20])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_maps_are_unbiased_even_of_a_few_masks(scheme, num_masks):
    seeds = 600
    maps, _ = estimates(scheme, 0.3, num_masks, seeds)
    distance = (maps.mean(0) - true_map(curved, 0.3)) / (maps.std(0) / np.sqrt(seeds))
    assert np.abs(distance).max() < 4


@pytest.mark.parametrize("num_masks", [3, 20])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_mean_scores_are_unbiased(scheme, num_masks):
    found, seeds = [], 600
    for seed in range(seeds):
        masks = RandomMasks(SIZE, 2, 0.3, seed)
        statistics = SCHEMES[scheme](masks)
        some = masks(np.arange(num_masks))
        statistics.add(some, curved(some))
        found.append(statistics.mean_score())
    masks, chances = (np.array(values) for values in zip(*all_masks(0.3), strict=True))
    distance = np.mean(found) - chances @ curved(masks)
    assert abs(distance) < 4 * np.std(found) / np.sqrt(seeds)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_pixel_that_does_not_matter_has_the_mean_score(scheme):
    def corner(images):
        """Class 0 is as probable as much of the upper left corner is shown."""
        shown = np.asarray(images, np.float32)[:, :2, :2].mean((1, 2, 3)) / 255
        return np.stack([shown, 1 - shown], axis=1)

    image = np.full((1, 16, 16, 3), 255, np.uint8)
    settings = {"num_masks": 2000, "grid_size": 4, "scheme": scheme, "return_details": True}
    found = explain.c_rise(corner, image, 0, 1, **settings)
    error = found.standard_errors[0, 12:, 12:].max()
    np.testing.assert_allclose(found.mean_scores, 0, atol=4 * error)  # half of it is shown
    np.testing.assert_allclose(found.maps[0, 12:, 12:], found.mean_scores[0], atol=4 * error)
    assert found.maps[0, 0, 0] - found.mean_scores[0] > 0.5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_variance_that_is_told_is_that_over_seeds(scheme):
    maps, errors = estimates(scheme, 0.5, 60, 400)
    told, true = np.mean(errors**2), maps.var(0).mean()
    assert 0.8 < told / true < 1.25  # 400 seeds know a variance to about 7 %


def test_the_control_variate_leaves_less_noise():
    spread = {name: estimates(name, 0.5, 60, 100)[0].var(0).mean() for name in SCHEMES}
    assert 4 * spread["control_variate"] < spread["independent"]


def test_independent_masks_make_the_maps_that_they_made_before():
    with np.load(make_maps.FILE) as before:
        now = make_maps.make(scheme="independent")
        assert sorted(before) == sorted(now)
        for name in now:
            np.testing.assert_allclose(now[name], before[name], rtol=1e-5, atol=1e-7)


def test_a_map_that_stops_early_is_the_beginning_of_the_longer_one():
    settings = {"grid_size": 3, "batch_size": 50, "return_details": True}
    images, model = make_maps.images(), make_maps.model
    found = explain.c_rise(model, images, num_masks=3000, tolerance=0.02, **settings)
    assert (found.num_masks >= 200).all()
    assert (found.num_masks < 3000).any()
    for number, count in enumerate(found.num_masks):
        whole = explain.c_rise(model, images[number], num_masks=int(count), **settings)
        np.testing.assert_array_equal(whole.maps[0], found.maps[number])
        np.testing.assert_array_equal(whole.standard_errors[0], found.standard_errors[number])


def test_one_mask_has_a_map_and_no_standard_error():
    found = explain.rise(make_maps.model, make_maps.images(), 0, num_masks=1, return_details=True)
    assert np.isfinite(found.maps).all()
    assert np.isinf(found.standard_errors).all()
