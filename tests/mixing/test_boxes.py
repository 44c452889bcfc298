"""Plans of boxes and their application: exact for every size, and distributed as asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_patchmix import mixing
from keras_patchmix.mixing import boxes
from tests.arrays import KINDS, as_kind, dtype_name, to_numpy
from tests.mixing import oracle
from tests.mixing.test_patches import DTYPES, images_for

DRAWS = 20_000


@pytest.fixture(params=KINDS)
def kind(request):
    """The kind of the arrays."""
    return request.param


def draw_plan(seed, batch, size, settings=None, kind="numpy"):
    """A plan of the given kind, as NumPy arrays."""
    like = as_kind(np.zeros(1, "float32"), kind)
    plan = boxes.sample_plan(seed, batch, size, settings or mixing.Settings(), like)
    assert all(type(part) is type(like) for part in plan)
    assert [dtype_name(part) for part in plan] == ["int32", "int32", "float32"]
    return mixing.BoxPlan(*map(to_numpy, plan))


def sides(plan):
    """Heights and widths of the boxes."""
    return plan.box[:, 2] - plan.box[:, 0], plan.box[:, 3] - plan.box[:, 1]


def paste(images, plan):
    """Images with the boxes of a plan copied one by one."""
    mixed = images.copy()
    for i, (top, left, bottom, right) in enumerate(plan.box):
        mixed[i, top:bottom, left:right] = images[plan.partner[i], top:bottom, left:right]
    return mixed


@given(
    st.integers(1, 17),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(DTYPES),
    st.sampled_from(["channels_last", "channels_first", "masks"]),
    st.integers(0, 2**31),
)
def test_images_are_those_of_a_loop_over_boxes(batch, size, dtype, form, seed):
    images = images_for(batch, *size, dtype)
    plan = draw_plan((seed, 0), batch, size)
    expected = paste(images, plan)
    change = {
        "channels_last": lambda x: x,
        "channels_first": lambda x: np.moveaxis(x, -1, 1),
        "masks": lambda x: x[..., 0],
    }[form]
    data_format = "channels_last" if form == "masks" else form
    for kind in KINDS:
        x = as_kind(change(images), kind)
        mixed = boxes.apply_to_images(x, plan, data_format)
        assert type(mixed) is type(x)
        assert mixed.dtype == x.dtype
        found = to_numpy(mixed).astype("float32")
        np.testing.assert_array_equal(found, change(expected).astype("float32"))


def test_a_box_of_every_size_moves_the_share_that_its_label_says(kind):
    height, width, batch = 9, 6, 4
    images = oracle.constant_images(batch, height, width)
    found = set()
    for ratio in np.linspace(0, 1, 200):
        settings = mixing.Settings(ratio=float(ratio))
        plan = draw_plan((1, int(1000 * ratio)), batch, (height, width), settings, kind)
        assert (plan.box >= 0).all()
        assert (plan.box[:, 2:] <= (height, width)).all()
        expected = np.round(height * np.sqrt(ratio)), np.round(width * np.sqrt(ratio))
        np.testing.assert_array_equal(sides(plan), np.stack([expected] * batch, 1))
        mixed = boxes.apply_to_images(as_kind(images, kind), plan)
        labels = mixing.apply_to_labels(as_kind(np.eye(batch, dtype="float32"), kind), plan)
        shares = oracle.pixel_shares(to_numpy(mixed), batch)
        np.testing.assert_allclose(to_numpy(labels), shares, atol=1e-6)
        found |= set(zip(*(side.tolist() for side in sides(plan)), strict=True))
    assert {h for h, _ in found} == set(range(height + 1))
    assert {w for _, w in found} == set(range(width + 1))


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.floats(0.1, 3),
    st.sampled_from(["sample", "batch"]),
    st.integers(0, 2**31),
)
def test_the_label_weight_is_the_share_of_pixels(size, alpha, mode, seed):
    batch = 7
    plan = draw_plan((seed, 1), batch, size, mixing.Settings(alpha=alpha, mode=mode))
    mixed = boxes.apply_to_images(oracle.constant_images(batch, *size), plan)
    labels = mixing.apply_to_labels(np.eye(batch, dtype="float32"), plan)
    np.testing.assert_allclose(labels, oracle.pixel_shares(mixed, batch), atol=1e-6)


def side_law(alpha, side):
    """P(length = k) for k = 0..side; length = round(side sqrt(r)), r ~ Beta(alpha, alpha)."""
    bounds = np.clip((np.arange(side + 2) - 0.5) / side, 0, 1) ** 2
    return np.diff(stats.beta(alpha, alpha).cdf(bounds))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_sides_follow_the_root_of_a_beta(alpha, kind):
    size = 11, 17
    plan = draw_plan((3, 4), DRAWS, size, mixing.Settings(alpha=alpha), kind)
    for lengths, side in zip(sides(plan), size, strict=True):
        counts = np.bincount(lengths, minlength=side + 1)
        expected = side_law(alpha, side) * DRAWS
        # A chi-square wants 5 of each: what is rarer is counted with its neighbors.
        groups = np.minimum(np.cumsum(expected) // 10, np.sum(expected) // 10 - 1).astype(int)
        counts, expected = (np.bincount(groups, values) for values in (counts, expected))
        counts, expected = counts[expected > 0], expected[expected > 0]
        assert stats.chisquare(counts, expected).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_label_weight_follows_a_beta(alpha, kind):
    """To the width of the ECDF's band (Dvoretzky, Kiefer, Wolfowitz) at 1e-4, and of a pixel."""
    side = 224
    plan = draw_plan((5, 6), DRAWS, (side, side), mixing.Settings(alpha=alpha), kind)
    band = np.sqrt(np.log(2 / 1e-4) / (2 * DRAWS))
    x = np.linspace(0.02, 0.98, 97)
    ecdf = np.searchsorted(np.sort(plan.share), x, side="right") / DRAWS
    law = stats.beta(alpha, alpha).cdf
    # Half a pixel of a side more or less changes the share r by sqrt(r) / side, and a little.
    pixel = np.sqrt(x) / side + 0.25 / side**2
    assert (ecdf <= law(x + pixel) + band).all()
    assert (ecdf >= law(x - pixel) - band).all()


def test_every_place_inside_the_image_is_equally_likely(kind):
    size = 9, 13
    plan = draw_plan((7, 8), DRAWS, size, mixing.Settings(ratio=0.25), kind)
    heights, widths = sides(plan)
    assert set(heights) == {4}  # 4.5 rounds to even
    assert set(widths) == {6}
    places = plan.box[:, 0] * 8 + plan.box[:, 1]
    assert stats.chisquare(np.bincount(places, minlength=6 * 8)).pvalue > 1e-4


def test_a_uniform_ratio_is_uniform(kind):
    plan = draw_plan((9, 9), DRAWS, (400, 400), mixing.Settings(ratio=(0.2, 0.6)), kind)
    assert stats.kstest(plan.share, stats.uniform(0.2, 0.4).cdf).statistic < 0.02
    assert 0.19 < plan.share.min() < plan.share.max() < 0.61


@given(st.integers(2, 17), st.integers(0, 2**31))
def test_partners_form_one_cycle_through_the_batch(batch, seed):
    for kind in KINDS:
        plan = draw_plan((seed, 2), batch, (14, 14), kind=kind)
        visited, sample = [], 0
        for _ in range(batch):
            visited.append(sample)
            sample = plan.partner[sample]
        assert sample == 0
        assert sorted(visited) == list(range(batch))


def test_a_batch_of_one_and_what_the_coin_leaves_out_have_an_empty_box(kind):
    assert draw_plan((1, 2), 1, (14, 14), mixing.Settings(ratio=1.0), kind).share == 0
    plan = draw_plan((9, 1), 10_000, (8, 8), mixing.Settings(ratio=0.5, probability=0.3), kind)
    mixed = plan.share > 0
    assert abs(mixed.mean() - 0.3) < 4 * np.sqrt(0.21 / 10_000)
    assert all((side[~mixed] == 0).all() for side in sides(plan))


def test_batch_mode_has_one_box_for_all_and_sample_mode_has_not(kind):
    for mode, least, most in (("batch", 1, 1), ("sample", 12, 16)):
        plan = draw_plan((1, 2), 16, (99, 99), mixing.Settings(mode=mode), kind)
        assert least <= len(np.unique(plan.box, axis=0)) <= most
        assert plan.box.shape == (16, 4)
        assert plan.share.shape == (16,)
