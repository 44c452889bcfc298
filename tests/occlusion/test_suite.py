import math

import numpy as np
import pytest

from keras_patchmix.corruptions.base import patches_at
from keras_patchmix.occlusion import (
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    build_bank,
    default_suite,
    extended_suite,
)
from keras_patchmix.occlusion.suite import check_suite


def test_224_has_the_sweeps_of_the_paper_and_no_other():
    rows = [condition.name for member in default_suite(224) for condition in member.conditions]
    assert rows == [
        "patch_replacement_7x7_10",
        "patch_replacement_7x7_20",
        "patch_replacement_7x7_30",
        "patch_replacement_7x7_40",
        "patch_replacement_7x7_50",
        "patch_replacement_14x14_10",
        "patch_replacement_14x14_20",
        "patch_replacement_14x14_30",
        "patch_replacement_14x14_40",
        "patch_replacement_14x14_50",
        "patch_drop_14x14_20",
        "patch_drop_14x14_40",
        "patch_drop_14x14_60",
        "patch_drop_14x14_80",
        "patch_permutation_2x2",
        "patch_permutation_4x4",
        "patch_permutation_8x8",
        "patch_permutation_14x14",
    ]
    assert {member.fill for member in default_suite(224) if isinstance(member, PatchDrop)} == {
        "black"
    }


@pytest.mark.parametrize(
    ("size", "coarse", "fine", "tiles"),
    [
        (28, 4, 7, (2, 4, 7)),
        (32, 4, 8, (2, 4, 8)),
        (64, 4, 8, (2, 4, 8)),
        (96, 4, 8, (2, 4, 8)),
        ((112, 224), 7, 14, (2, 4, 8, 14)),
        (128, 8, 16, (2, 4, 8, 16)),
        (160, 8, 16, (2, 4, 8, 16)),
        (384, 8, 16, (2, 4, 8, 16)),
        (448, 7, 14, (2, 4, 8, 14)),
        (299, 6, 13, (13,)),
        (300, 5, 10, (2, 4, 10)),
        (331, 4, 8, None),
        (34, 4, 8, (2,)),
    ],
)
def test_other_sizes(size, coarse, fine, tiles):
    assert default_suite(size) == [
        PatchReplacement(coarse),
        PatchReplacement(fine),
        PatchDrop(fine),
        *([] if tiles is None else [PatchPermutation(tiles)]),
    ]


def finest_grid(suite):
    """The grid of the one `PatchDrop` in black."""
    (grid,) = {member.grid_size for member in suite if isinstance(member, PatchDrop)}
    assert grid[0] == grid[1]
    return grid[0]


def test_every_size_has_grids_as_documented():
    for size in [*range(16, 513), (32, 33), (17, 512), (224, 448), (60, 45)]:
        height, width = (size, size) if isinstance(size, int) else size
        common, least = math.gcd(height, width), min(height, width)
        suite = check_suite(default_suite(size))
        finest = finest_grid(suite)
        fitting = [
            rows
            for rows in (14, 16, 8, 4, 5, 6, 7, 9, 10, 11, 12, 13)
            if common % rows == 0 and least // rows >= (8 if rows in (14, 16) else 4)
        ]
        if not fitting:
            assert finest == (8 if least >= 32 else 4), size
        elif fitting[0] in (14, 16, 8):
            assert finest == fitting[0], size
        else:
            assert finest in fitting, size
        replaced = [m.grid_size[0] for m in suite if isinstance(m, PatchReplacement)]
        assert replaced[-1] == finest, size
        assert len(replaced) == (2 if finest >= 6 else 1), size
        assert len(replaced) == 1 or finest / 3 <= replaced[0] <= 3 * finest / 4, size
        tiles = [g for m in suite if isinstance(m, PatchPermutation) for g in m.grid_sizes]
        expected = sorted({2, 4, 8, finest})
        assert tiles == [(g, g) for g in expected if g <= finest and common % g == 0], size
        for member in suite:
            for condition in member.conditions:
                assert max(condition.grid) <= least, size
                if condition.level is not None:
                    # Rounding to whole patches costs no more than half of one.
                    count = condition.grid[0] * condition.grid[1]
                    affected = patches_at(condition.level, condition.grid)
                    assert 0 < affected < count, size
                    assert abs(affected - condition.level * count) <= 0.5 + 1e-9, size


@pytest.mark.parametrize("size", [16, 28, 32, 33, 47, 64, 100, 299, 331, 512, (32, 33), (17, 96)])
def test_every_row_of_a_suite_runs_and_covers_the_share_that_it_says(size):
    height, width = (size, size) if isinstance(size, int) else size
    rng = np.random.default_rng(0)
    # No value of an image is black, and the two images have no value in common.
    images = rng.integers(1, 101, (2, height, width, 1), np.uint8) + np.array([[[[0]]], [[[100]]]])
    images = images.astype(np.uint8)
    labels = np.arange(2)
    bank = build_bank([(images, labels)])
    for member in default_suite(size):
        for condition, out, pixels in member(images, labels, bank=bank):
            assert out.shape == images.shape
            if condition.level is not None:
                changed = np.any(out != images, axis=-1).sum((1, 2))
                np.testing.assert_array_equal(changed, pixels)
                # Patches of one grid differ by one pixel a side.
                share, cell = pixels / (height * width), 1 / min(condition.grid)
                assert np.all(abs(share - condition.level) < cell)
            else:
                assert np.array_equal(np.sort(out, axis=None), np.sort(images, axis=None))


@pytest.mark.parametrize("size", [32, 224, (64, 96)])
def test_the_extended_suite_adds_fills_and_objects(size):
    suite = check_suite(extended_suite(size))
    assert list(suite[:-3]) == default_suite(size)
    finest = finest_grid(suite)
    assert suite[-3:-1] == (PatchDrop(finest, fill="mean"), PatchDrop(finest, fill="noise"))
    rows = [condition.name for condition in suite[-1].conditions]
    assert rows == [f"superimpose_{level}" for level in (10, 20, 30, 40, 50)]


def test_too_small():
    with pytest.raises(ValueError, match="at least 16 pixels"):
        default_suite((3, 224))
    with pytest.raises(ValueError, match="`image_size`"):
        default_suite(0)
    with pytest.raises(ValueError, match="at least 16 pixels"):
        extended_suite(15)


@pytest.mark.parametrize("suite", [[], PatchDrop(), ["patch_drop"], {PatchDrop()}])
def test_what_is_no_suite(suite):
    with pytest.raises(ValueError, match="`suite` must be a list"):
        check_suite(suite)


def test_rows_must_differ():
    with pytest.raises(ValueError, match="share the row 'patch_drop_7x7_50'"):
        check_suite([PatchDrop(7, 0.5), PatchDrop(7, (0.4, 0.5))])
