"""One image with occluders in front: what is pure, without files."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_patchmix.datasets.superimposing import Coverage, Superimposer
from keras_patchmix.datasets.superimposing.coverage import check_coverage
from keras_patchmix.datasets.superimposing.encoding import encode_image, encode_mask
from keras_patchmix.datasets.superimposing.naming import label_names
from keras_patchmix.datasets.superimposing.shards import Shards
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


def test_png_keeps_every_bit_and_jpeg_is_smaller():
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)[..., None].repeat(3, 2)

    def decoded(data):
        return np.asarray(Image.open(io.BytesIO(data)))

    np.testing.assert_array_equal(decoded(encode_image(picture())), picture())
    np.testing.assert_array_equal(decoded(encode_image(smooth)), smooth)
    near = decoded(encode_image(smooth, "jpeg", 90)).astype(int)
    assert 0 < np.abs(near - smooth).max() < 20
    assert len(encode_image(picture(), "jpeg", 90)) < len(encode_image(picture()))
    assert len(encode_image(picture(), "jpeg", 30)) < len(encode_image(picture(), "jpeg", 90))
    mask = (picture()[..., :1] > 100).astype(np.uint8)
    np.testing.assert_array_equal(decoded(encode_mask(mask)), mask[..., 0])


def test_names_of_classes_fit_in_a_line_each():
    names = ["cat", " dog ", "two\nlines", "tab\there", "caf\u00e9", "bad\udcff", "$x$", "a\u2028b"]
    expected = ["cat", "dog", r"two\nlines", r"tab\there", "caf\u00e9", r"bad\xff", "$x$"]
    assert label_names(names) == [*expected, r"a\u2028b"]
    with pytest.raises(ValueError, match=r"names of classes must differ .* Received: "):
        label_names(["dog", "dog "])


def test_names_of_classes_of_one_printable_form_are_told_apart():
    assert label_names(["a\udce9", r"a\xe9"]) == [r"a\xe9", r"a\xe9 (2)"]


def test_a_shard_whose_record_is_damaged_is_left_out_with_a_warning(tmp_path):
    shards = Shards(tmp_path, "name", ["a"], 4, 3)
    for shard in range(2):
        with shards.write(shard) as writer:
            writer.add(shard, [(b"example", 3)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # the third one is not there, and no damage
        assert sorted(shards.finished()) == [0, 1]
    path = tmp_path / "part-00001.json"
    for content in (path.read_text()[:-9], '{"labels": [1]}'):
        path.write_text(content)
        with pytest.warns(UserWarning, match=r"left out.*part-00001\.json' is damaged"):
            assert list(shards.finished()) == [0]


@pytest.mark.parametrize(("count", "number"), [(10, 3), (7, 7), (1000, 13), (5, 1)])
def test_shards_are_ranges_of_nearly_one_length(tmp_path, count, number):
    shards = Shards(tmp_path, "name", ["a"], count, number)
    found = [shards.of(index) for index in range(count)]
    assert found == sorted(found)
    lengths = np.bincount(found, minlength=number)
    assert len(lengths) == number
    assert lengths.min() >= count // number
    assert lengths.max() <= -(-count // number)
