"""Foreign and black patches: labels follow the foreign ones alone."""

import numpy as np
import pytest

from keras_patchmix.training.patch_occlusion import PatchOcclusion

COUNT, SIZE = 40, 24


def batch():
    images = np.arange(1, COUNT + 1, dtype=np.uint8)[:, None, None, None]
    return {
        "images": images * np.ones((1, SIZE, SIZE, 3), np.uint8),
        "labels": np.eye(COUNT, dtype=np.float32),
    }


def mixed(occlusion, seed=(3, 4)):
    given = batch()
    return occlusion.apply_plan(occlusion.sample_plan(given["images"], seed), given)


@pytest.mark.parametrize("grid", [4, (3, 5)])
def test_labels_are_the_shares_of_foreign_pixels_and_black_ones_count_as_own(grid):
    result = mixed(PatchOcclusion(grid, 0.5, 0.4))
    pixels = result["images"][..., 0].reshape(COUNT, -1)
    shares = np.stack([(pixels == value).mean(1) for value in range(COUNT + 1)], 1)
    black, shares = shares[:, 0], shares[:, 1:]
    shares[np.arange(COUNT), np.arange(COUNT)] += black
    np.testing.assert_allclose(result["labels"], shares, atol=1e-6)
    foreign = 1 - shares[np.arange(COUNT), np.arange(COUNT)]
    assert (black > 0).any()
    assert (foreign > 0).any()
    assert not ((black > 0) & (foreign > 0)).any()


def test_they_come_as_often_as_asked_with_any_share_of_the_patches():
    occlusion, black, foreign = PatchOcclusion(8, 0.5, 0.25), [], []
    for seed in range(100):
        plan = occlusion.sample_plan(batch()["images"], (7, seed))
        covered = plan.mask.mean((1, 2))
        black.append(np.where(plan.partner == COUNT, covered, 0))
        foreign.append(plan.share)
    n = 100 * COUNT
    for found, chance in ((np.ravel(black), 0.25), (np.ravel(foreign), 0.5)):
        # Of 64 patches a uniform share rounds to none in 1 of 128 cases.
        chance *= 127 / 128
        assert abs((found > 0).mean() - chance) < 4 * (chance * (1 - chance) / n) ** 0.5
        assert abs(found[found > 0].mean() - 0.5) < 4 * 12**-0.5 / (chance * n) ** 0.5 + 0.005


def test_a_plan_is_a_function_of_the_seed_and_all_values_are_exact():
    occlusion = PatchOcclusion(4, 0.4, 0.6, value=9)
    first, again, other = (mixed(occlusion, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first["images"], again["images"])
    np.testing.assert_array_equal(first["labels"], again["labels"])
    assert (first["images"] != other["images"]).any()
    assert (first["images"].dtype, first["labels"].dtype) == (np.uint8, np.float32)
    given = batch()
    whole = PatchOcclusion(4, 0.0, 0.0)
    assert (mixed(whole)["images"] == given["images"]).all()
    again = PatchOcclusion(**occlusion.get_config())
    np.testing.assert_array_equal(mixed(again, (1, 2))["images"], first["images"])


def test_shares_out_of_range_are_refused():
    for shares in ((-0.1, 0.5), (0.5, 1.1), (0.6, 0.5)):
        with pytest.raises(ValueError, match="`foreign`, `black` and their sum"):
            PatchOcclusion(4, *shares)
