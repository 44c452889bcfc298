"""One image with occluders in front: what is pure, without files."""

import numpy as np
import pytest

from keras_patchmix.datasets.superimposing import Coverage, Superimposer
from keras_patchmix.datasets.superimposing.superimposer import check_coverage
from keras_patchmix.occluders import Occluder
from keras_patchmix.occlusion import Superimpose
from tests.occluders.shapes import noisy

SIZE = 48


def picture(seed=0, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def glass():
    """Occluders of every alpha."""
    return [Occluder(f"glass_{k}", noisy(40, 30, k)) for k in range(3)]


@pytest.mark.parametrize(
    ("text", "low", "high", "split"),
    [
        ("0", 0, 0, "coverage_0"),
        ("20", 0.2, 0.2, "coverage_20"),
        ("30", 0.3, 0.3, "coverage_30"),
        ("7", 0.07, 0.07, "coverage_7"),
        ("12.5", 0.125, 0.125, "coverage_12_5"),
        ("90", 0.9, 0.9, "coverage_90"),
        ("10-30", 0.1, 0.3, "coverage_10_to_30"),
        ("1.5-2.5", 0.015, 0.025, "coverage_1_5_to_2_5"),
    ],
)
def test_coverages_are_percentages_or_ranges(text, low, high, split):
    one = Coverage.parse(text)
    assert (one.low, one.high, one.split) == (low, high, split)
    assert Coverage.parse(str(one)) == one


@pytest.mark.parametrize(
    "text", ["91", "-5", "0.2", "30-10", "20-20", "0-10", "10-95", "nan", "a", "", "10-", "1-2-3"]
)
def test_other_coverages_are_errors(text):
    with pytest.raises(ValueError, match=r"a coverage must be .* Received: "):
        Coverage.parse(text)


def test_a_single_coverage_needs_no_list():
    assert check_coverage(20) == check_coverage("20") == check_coverage(["20"])


@pytest.mark.parametrize("values", [[], ["20", "20.0"]])
def test_coverages_must_differ(values):
    with pytest.raises(ValueError, match=r"`coverage` must be one or more .* Received"):
        check_coverage(values)


def test_shares_of_a_range_are_uniform_and_functions_of_seed_and_index():
    one = Coverage.parse("10-50")
    shares = np.array([one.share(3, index) for index in range(2000)])
    assert shares.min() >= 0.1
    assert shares.max() < 0.5
    # The mean of 2,000 uniform numbers over 0.4 has a standard error of 0.4 / sqrt(12 * 2000).
    assert abs(shares.mean() - 0.3) < 4 * 0.4 / np.sqrt(12 * 2000)
    assert len(set(shares)) == 2000
    assert one.share(3, 17) == shares[17]
    assert one.share(4, 17) != shares[17]


def test_the_images_are_those_of_the_corruption():
    images = np.stack([picture(k) for k in range(3)])
    expected = Superimpose(levels=(0.2, 0.4, 0.75))(images, index=np.array([5, 6, 7]), seed=9)
    superimposer = Superimposer(coverage=("75", "20", "40"), seed=9)
    made = [superimposer(image, index) for image, index in zip(images, (5, 6, 7), strict=True)]
    for place, (_, corrupted, pixels) in zip((1, 2, 0), expected, strict=True):
        for row, one in enumerate(made):
            np.testing.assert_array_equal(one[place].image, corrupted[row])
            assert one[place].pixels == pixels[row]


@pytest.mark.parametrize("coverage", ["20", "60", "10-80"])
def test_the_mask_is_one_where_alpha_is_at_least_a_half(glass, coverage):
    # alpha is found without the library: black and white shine through by 1 - alpha.
    superimposer = Superimposer(glass, (coverage,))
    seen = 0
    for index in range(5):
        shown = [
            superimposer(np.full((SIZE, SIZE, 3), value, np.uint8), index)[0] for value in (0, 255)
        ]
        through = shown[1].image.astype(int) - shown[0].image
        alpha = 255 - through[..., 0]
        np.testing.assert_array_equal(shown[0].mask, shown[1].mask)
        mask = shown[0].mask
        assert mask.shape == (SIZE, SIZE, 1)
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 1}
        np.testing.assert_array_equal(mask[..., 0], alpha >= 127.5)
        assert shown[0].pixels == int(mask.sum())
        seen += np.count_nonzero((alpha > 64) & (alpha < 192))
    assert seen > 500  # there was glass to tell apart


def test_true_coverage_is_near_what_is_asked_for():
    superimposer = Superimposer(coverage=("10", "50", "90"))
    for index in range(10):
        for share, one in zip((0.1, 0.5, 0.9), superimposer(picture(), index), strict=True):
            assert abs(one.mask.mean() - share) <= max(0.004, 1 / SIZE**2)


def test_a_range_gives_every_image_its_own_share():
    superimposer = Superimposer(coverage=("20-60", "30"), seed=2)
    for index in range(8):
        first, second = superimposer(picture(), index)
        assert abs(first.mask.mean() - superimposer.coverage[0].share(2, index)) <= 0.004
        (alone,) = Superimposer(coverage=("30",), seed=2)(picture(), index)
        np.testing.assert_array_equal(second.image, alone.image)


def test_no_coverage_leaves_the_image_as_it_is():
    for coverage in (("0",), ("0", "20")):
        first = Superimposer(coverage=coverage)(picture(), 3)[0]
        np.testing.assert_array_equal(first.image, picture())
        assert first.mask.sum() == first.pixels == 0


def test_placement_depends_on_seed_and_index_alone():
    masks = {}
    for seed in (0, 1):
        superimposer = Superimposer(coverage=("30",), seed=seed)
        for index in (4, 2, 4):  # in any order, and again
            (one,) = superimposer(picture(index), index)
            (other,) = superimposer(picture(99), index)
            np.testing.assert_array_equal(one.mask, other.mask)
            masks.setdefault((seed, index), set()).add(one.mask.tobytes())
    assert all(len(found) == 1 for found in masks.values())
    assert len(set.union(*masks.values())) == 4
