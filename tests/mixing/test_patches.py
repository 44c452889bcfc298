"""Plans and their application: exactness over drawn sizes, and distributions against theory."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_patchmix import mixing
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.ratio import beta_distribution, count_table
from tests.arrays import KINDS, as_kind, dtype_name, to_numpy
from tests.mixing import oracle

DTYPES = ["uint8", "int32", "float16", "bfloat16", "float32"]


@st.composite
def cases(draw):
    """A batch size, an image size and a grid that fits it."""
    height, width = draw(st.integers(4, 40)), draw(st.integers(4, 40))
    if draw(st.booleans()):
        rows, columns = draw(st.integers(1, min(height, 9))), draw(st.integers(1, min(width, 9)))
        grid = mixing.Grid(grid_size=(rows, columns))
        edges = oracle.edges(height, rows), oracle.edges(width, columns)
    else:
        patch = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        grid = mixing.Grid(patch_size=patch)
        edges = (
            oracle.edges(height, patch=patch[0]),
            oracle.edges(width, patch=patch[1]),
        )
    return draw(st.integers(1, 17)), height, width, grid, edges


def images_for(batch, height, width, dtype, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (batch, height, width, 3))
    return values.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


@pytest.fixture(params=KINDS)
def kind(request):
    """The kind of the arrays."""
    return request.param


def draw_plan(seed, batch, size, grid, settings=None, kind="numpy"):
    """A plan of the given kind, as NumPy arrays."""
    settings = settings or mixing.Settings()
    like = as_kind(np.zeros(1, "float32"), kind)
    plan = mixing.sample_plan(seed, batch, size, grid, settings, like=like)
    assert all(type(part) is type(like) for part in plan)
    assert [dtype_name(part) for part in plan] == ["int32", "bool", "float32"]
    return mixing.MixingPlan(*map(to_numpy, plan))


@pytest.mark.parametrize("select", [False, True])
@given(cases(), st.sampled_from(DTYPES), st.booleans(), st.integers(0, 2**31))
def test_images_are_those_of_a_loop_over_patches(select, case, dtype, channels_first, seed):
    batch, height, width, grid, edges = case
    images = images_for(batch, height, width, dtype)
    data_format = "channels_first" if channels_first else "channels_last"
    given_images = np.moveaxis(images, -1, 1) if channels_first else images
    plan = draw_plan((seed, 0), batch, (height, width), grid)
    expected = oracle.mix_images(images, plan, *edges)
    for kind in KINDS:
        x = as_kind(given_images, kind)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arrays.of(x), "prefers_selection", lambda *_: select)
            mixed = mixing.apply_to_images(x, plan, grid, data_format)
        assert type(mixed) is type(x)
        assert mixed.dtype == x.dtype
        mixed = np.moveaxis(to_numpy(mixed), 1, -1) if channels_first else to_numpy(mixed)
        np.testing.assert_array_equal(mixed.astype("float32"), expected.astype("float32"))


@given(cases(), st.floats(0.1, 3), st.sampled_from(["sample", "batch"]), st.integers(0, 2**31))
def test_the_label_weight_is_the_share_of_pixels(case, alpha, mode, seed):
    batch, height, width, grid, _ = case
    settings = mixing.Settings(alpha=alpha, mode=mode)
    plan = draw_plan((seed, 1), batch, (height, width), grid, settings)
    images = oracle.constant_images(batch, height, width)
    shares = oracle.pixel_shares(mixing.apply_to_images(images, plan, grid), batch)
    labels = mixing.apply_to_labels(np.eye(batch, dtype="float32"), plan)
    np.testing.assert_allclose(labels, shares, atol=1e-6)


@given(st.integers(2, 17), st.integers(0, 2**31))
def test_partners_form_one_cycle_through_the_batch(batch, seed):
    for kind in KINDS:
        plan = draw_plan((seed, 2), batch, (14, 14), mixing.Grid(7), kind=kind)
        visited, sample = [], 0
        for _ in range(batch):
            visited.append(sample)
            sample = plan.partner[sample]
        assert sample == 0
        assert sorted(visited) == list(range(batch))


def test_a_batch_of_one_is_left_unmixed(kind):
    plan = draw_plan((1, 2), 1, (14, 14), mixing.Grid(7), mixing.Settings(ratio=0.5), kind)
    assert not plan.mask.any()
    assert plan.share == 0


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_number_of_patches_follows_a_rounded_beta(alpha, kind):
    draws, patches = 20_000, 21
    settings = mixing.Settings(alpha=alpha)
    plan = draw_plan((3, 4), draws, (12, 28), mixing.Grid(patch_size=4), settings, kind)
    counts = np.bincount(plan.mask.sum((1, 2)), minlength=patches + 1)
    assert stats.chisquare(counts, oracle.rounded_beta(alpha, patches) * draws).pvalue > 1e-4


def test_the_number_of_patches_follows_a_uniform_ratio(kind):
    draws = 20_000
    settings = mixing.Settings(ratio=(0.2, 0.6))
    plan = draw_plan((5, 6), draws, (10, 10), mixing.Grid(5), settings, kind)
    counts = np.bincount(plan.mask.sum((1, 2)), minlength=26)
    law = stats.uniform(0.2, 0.4)
    expected = np.diff(law.cdf((np.arange(27) - 0.5) / 25)) * draws
    assert counts[expected == 0].sum() == 0
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-4


@pytest.mark.parametrize(("ratio", "count"), [(0.5, 24), (0.49, 24), (1.0, 49), (0.0, 0)])
def test_a_fixed_ratio_rounds_half_to_even(ratio, count, kind):
    settings = mixing.Settings(ratio=ratio)
    plan = draw_plan((1, 1), 50, (14, 14), mixing.Grid(patch_size=2), settings, kind)
    np.testing.assert_array_equal(plan.mask.sum((1, 2)), count)


def test_every_set_of_patches_is_equally_likely(kind):
    draws = 20_000
    settings = mixing.Settings(ratio=0.5)
    plan = draw_plan((7, 8), draws, (6, 6), mixing.Grid((2, 3)), settings, kind)
    masks = plan.mask.reshape(draws, 6) @ (2 ** np.arange(6))
    _, counts = np.unique(masks, return_counts=True)
    assert len(counts) == 20  # 3 of 6
    assert stats.chisquare(counts).pvalue > 1e-4


def test_every_partner_is_equally_likely(kind):
    partners = np.stack(
        [draw_plan((seed, 0), 6, (4, 4), mixing.Grid(2), kind=kind).partner for seed in range(300)]
    )
    for sample in range(6):
        counts = np.bincount(partners[:, sample], minlength=6)
        assert counts[sample] == 0
        assert stats.chisquare(np.delete(counts, sample)).pvalue > 1e-4


def test_probability_is_the_share_of_samples_mixed(kind):
    draws, probability = 10_000, 0.3
    settings = mixing.Settings(ratio=0.5, probability=probability)
    plan = draw_plan((9, 1), draws, (4, 4), mixing.Grid(2), settings, kind)
    share = (plan.share > 0).mean()
    assert abs(share - probability) < 4 * np.sqrt(probability * (1 - probability) / draws)


def test_batch_mode_has_one_mask_for_all_and_sample_mode_has_not(kind):
    for mode, distinct in (("batch", 1), ("sample", 16)):
        settings = mixing.Settings(ratio=0.5, mode=mode)
        plan = draw_plan((1, 2), 16, (14, 14), mixing.Grid(7), settings, kind)
        assert len(np.unique(plan.mask, axis=0)) == distinct
        assert plan.share.shape == (16,)


def test_fine_grids_choose_exactly_the_asked_number(kind):
    settings = mixing.Settings(ratio=0.5)
    plan = draw_plan((1, 2), 3, (224, 224), mixing.Grid(patch_size=1), settings, kind)
    np.testing.assert_array_equal(plan.mask.sum((1, 2)), 224 * 112)


def test_same_seed_same_plan_and_another_seed_another(kind):
    def draw(seed):
        return draw_plan(seed, 8, (14, 14), mixing.Grid(7), kind=kind)

    for a, b in zip(draw((1, 2)), draw([1, 2]), strict=True):
        np.testing.assert_array_equal(a, b)
    for other in ((1, 3), (2, 2), (-1, 2), (1, 2**40)):
        assert (draw((1, 2)).mask != draw(other).mask).any()


def test_without_a_tensor_the_plan_is_of_numpy_arrays():
    plan = mixing.sample_plan((1, 2), 4, (14, 14), mixing.Grid(7))
    assert all(isinstance(part, np.ndarray) for part in plan)


def test_weighted_blend_is_the_blend_of_weighted_cross_entropies(kind):
    rng = np.random.default_rng(0)
    labels = rng.dirichlet(np.ones(5), 12).astype("float32")
    weights = rng.uniform(0, 2, 12).astype("float32")
    log_q = np.log(rng.dirichlet(np.ones(5), 12))
    plan = draw_plan((1, 2), 12, (14, 14), mixing.Grid(7))
    mixed, mixed_weights = mixing.apply_to_labels(as_kind(labels, kind), plan, weights)
    expected = -(1 - plan.share) * weights * (labels * log_q).sum(1)
    expected -= plan.share * weights[plan.partner] * (labels[plan.partner] * log_q).sum(1)
    actual = -to_numpy(mixed_weights) * (to_numpy(mixed) * log_q).sum(1)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_zero_weights_leave_labels_finite(kind):
    plan = draw_plan((1, 2), 4, (14, 14), mixing.Grid(7))
    labels, weights = mixing.apply_to_labels(
        as_kind(np.eye(4, dtype="float32"), kind), plan, as_kind(np.zeros(4, "f4"), kind)
    )
    np.testing.assert_allclose(to_numpy(labels).sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(weights), 0)


def test_smoothing_keeps_row_sums_and_is_szegedys_for_one_hot_rows(kind):
    one_hot = as_kind(np.array([[0, 1, 0, 0]], "float32"), kind)
    np.testing.assert_allclose(
        to_numpy(mixing.smooth_labels(one_hot, 0.1)), [[0.025, 0.925, 0.025, 0.025]], rtol=1e-6
    )
    multi_hot = as_kind(np.array([[1, 1, 0, 1]], "float32"), kind)
    np.testing.assert_allclose(to_numpy(mixing.smooth_labels(multi_hot, 0.2)).sum(), 3, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1, 2, 77, 1000])
def test_beta_distribution_is_scipys(alpha):
    x = np.linspace(0, 1, 41)
    actual = [beta_distribution(alpha, value) for value in x]
    np.testing.assert_allclose(actual, stats.beta(alpha, alpha).cdf(x), atol=1e-9)


def test_the_table_of_counts_is_made_once():
    one, other = (count_table(49, mixing.Settings(alpha=1.5)) for _ in range(2))
    assert one is other


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": "1"}, "alpha"),
        ({"ratio": 1.5}, "ratio"),
        ({"ratio": (0.5, 0.2)}, "ratio"),
        ({"ratio": (0.1, 0.2, 0.3)}, "ratio"),
        ({"probability": -0.1}, "probability"),
        ({"probability": True}, "probability"),
        ({"mode": "pixel"}, "mode"),
    ],
)
def test_settings_out_of_range_are_named(settings, name):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}="):
        mixing.Settings(**settings)


@pytest.mark.parametrize("value", [0, -3, 2.0, (1, 2, 3), "7", True, (4, 0)])
def test_grids_out_of_range_are_named(value):
    with pytest.raises(ValueError, match=r"`grid_size` must be .*Received: grid_size="):
        mixing.Grid(grid_size=value)


def test_a_grid_finer_than_the_image_raises():
    with pytest.raises(ValueError, match="finer than the image"):
        mixing.sample_plan((1, 2), 4, (6, 14), mixing.Grid(7))


def test_a_grid_is_given_in_one_way():
    with pytest.raises(ValueError, match="exactly one"):
        mixing.Grid(grid_size=7, patch_size=4)
    with pytest.raises(ValueError, match="exactly one"):
        mixing.Grid()
