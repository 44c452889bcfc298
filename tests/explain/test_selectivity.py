"""The number of patch selectivity on maps where it is known."""

import numpy as np
import pytest

from keras_patchmix.explain import patch_selectivity

LEFT = np.array([[1, 0], [1, 0]], bool)


@pytest.mark.parametrize(
    ("saliency", "selectivity"),
    [
        ([[0, 1], [0, 1]], 1.0),  # all of it in context
        ([[1, 0], [1, 0]], 0.0),
        ([[3, 3], [3, 3]], 0.5),
        ([[0, 4], [0, 2]], 1.0),
        ([[-2, 2], [0, 2]], 0.8),  # scaled: 0, 1, 0.5, 1; means 1 and 0.25
    ],
)
def test_known_maps(saliency, selectivity):
    assert patch_selectivity(np.array(saliency, float), LEFT) == pytest.approx(selectivity)


def test_a_batch_has_a_number_for_each_map_and_scale_does_not_matter():
    maps = np.random.default_rng(0).normal(size=(4, 6, 6))
    mask = np.random.default_rng(1).random((4, 6, 6)) < 0.4
    found = patch_selectivity(maps, mask)
    assert found.shape == (4,)
    for one, out, value in zip(maps, mask, found, strict=True):
        assert patch_selectivity(5 * one - 3, out) == pytest.approx(value)
        assert patch_selectivity(one, ~out) == pytest.approx(1 - value)


@pytest.mark.parametrize(
    ("saliency", "mask", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), r"same shape.*\(2, 2\) and \(2, 3\)"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "both kinds for every map. Received: all in context"),
        (np.zeros((2, 2)), np.ones((2, 2)), "Received: all out of context"),
        (np.full((2, 2), np.nan), LEFT, "`saliency` must be finite"),
        (np.zeros((2, 2)), 255 * LEFT.astype(np.uint8), "must hold booleans, or zeros and ones"),
        (np.zeros(4), np.zeros(4), "same shape"),
    ],
)
def test_errors(saliency, mask, message):
    with pytest.raises(ValueError, match=message):
        patch_selectivity(saliency, mask)
