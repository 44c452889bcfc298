"""Plans and their application: exactness over drawn sizes, and distributions against theory."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_patchmix import mixing
from keras_patchmix._ratio import beta_distribution, count_table
from tests import mixing_oracle as oracle

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
    return values.astype(tf.as_dtype(dtype).as_numpy_dtype)


@given(cases(), st.sampled_from(DTYPES), st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_images_are_those_of_a_loop_over_patches(case, dtype, channels_first, unknown, seed):
    batch, height, width, grid, edges = case
    images = images_for(batch, height, width, dtype)
    data_format = "channels_first" if channels_first else "channels_last"
    given_images = np.moveaxis(images, -1, 1) if channels_first else images

    def mix(x):
        size = tf.shape(x) if unknown else x.shape
        hw = (size[2], size[3]) if channels_first else (size[1], size[2])
        plan = mixing.sample_plan((seed, 0), size[0], hw, grid)
        return plan, mixing.apply_to_images(x, plan, grid, data_format)

    shape = [None] * 4 if unknown else given_images.shape
    signature = [tf.TensorSpec(shape, tf.as_dtype(dtype))]
    plan, mixed = tf.function(mix, input_signature=signature, autograph=False)(given_images)
    mixed = np.moveaxis(mixed.numpy(), 1, -1) if channels_first else mixed.numpy()
    assert mixed.dtype == images.dtype
    np.testing.assert_array_equal(mixed, oracle.mix_images(images, plan, *edges))


@given(cases(), st.floats(0.1, 3), st.sampled_from(["sample", "batch"]), st.integers(0, 2**31))
def test_the_label_weight_is_the_share_of_pixels(case, alpha, mode, seed):
    batch, height, width, grid, _ = case
    settings = mixing.Settings(alpha=alpha, mode=mode)
    plan = mixing.sample_plan((seed, 1), batch, (height, width), grid, settings)
    images = oracle.constant_images(batch, height, width)
    shares = oracle.pixel_shares(mixing.apply_to_images(images, plan, grid), batch)
    labels = mixing.apply_to_labels(np.eye(batch, dtype="float32"), plan)
    np.testing.assert_allclose(labels, shares, atol=1e-6)


@given(st.integers(2, 17), st.integers(0, 2**31))
def test_partners_form_one_cycle_through_the_batch(batch, seed):
    plan = mixing.sample_plan((seed, 2), batch, (14, 14), mixing.Grid(7))
    partner, visited, sample = plan.partner.numpy(), [], 0
    for _ in range(batch):
        visited.append(sample)
        sample = partner[sample]
    assert sample == 0
    assert sorted(visited) == list(range(batch))


def test_a_batch_of_one_is_left_unmixed():
    plan = mixing.sample_plan((1, 2), 1, (14, 14), mixing.Grid(7), mixing.Settings(ratio=0.5))
    assert not plan.mask.numpy().any()
    assert plan.share.numpy() == 0


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_number_of_patches_follows_a_rounded_beta(alpha, unknown):
    draws, patches = 20_000, 21
    grid = mixing.Grid(patch_size=4)  # 3 x 7 patches
    settings = mixing.Settings(alpha=alpha)
    height, width = (tf.constant(12), tf.constant(28)) if unknown else (12, 28)
    plan = mixing.sample_plan((3, 4), draws, (height, width), grid, settings)
    counts = np.bincount(plan.mask.numpy().sum((1, 2)), minlength=patches + 1)
    # An independent statement of the law: r of a beta distribution, rounded half to even.
    grid_points = np.clip((np.arange(patches + 2) - 0.5) / patches, 0, 1)
    expected = np.diff(stats.beta(alpha, alpha).cdf(grid_points)) * draws
    # chi-squared with 21 degrees of freedom, rejected wrongly once in 10,000
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_the_number_of_patches_follows_a_uniform_ratio():
    draws = 20_000
    settings = mixing.Settings(ratio=(0.2, 0.6))
    plan = mixing.sample_plan((5, 6), draws, (10, 10), mixing.Grid(5), settings)
    counts = np.bincount(plan.mask.numpy().sum((1, 2)), minlength=26)
    law = stats.uniform(0.2, 0.4)
    expected = np.diff(law.cdf((np.arange(27) - 0.5) / 25)) * draws
    assert counts[expected == 0].sum() == 0
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-4


@pytest.mark.parametrize(("ratio", "count"), [(0.5, 24), (0.49, 24), (1.0, 49), (0.0, 0)])
def test_a_fixed_ratio_rounds_half_to_even(ratio, count):
    for side in (14, tf.constant(14)):
        plan = mixing.sample_plan(
            (1, 1), 50, (side, side), mixing.Grid(patch_size=2), mixing.Settings(ratio=ratio)
        )
        np.testing.assert_array_equal(plan.mask.numpy().sum((1, 2)), count)


def test_every_set_of_patches_is_equally_likely():
    draws = 20_000
    plan = mixing.sample_plan(
        (7, 8), draws, (6, 6), mixing.Grid((2, 3)), mixing.Settings(ratio=0.5)
    )
    masks = plan.mask.numpy().reshape(draws, 6) @ (2 ** np.arange(6))
    _, counts = np.unique(masks, return_counts=True)
    assert len(counts) == 20  # 3 of 6
    assert stats.chisquare(counts).pvalue > 1e-4


def test_every_partner_is_equally_likely():
    @tf.function
    def draw(seed):
        return mixing.sample_plan(tf.stack([seed, 0]), 6, (4, 4), mixing.Grid(2)).partner

    partners = np.stack([draw(tf.constant(seed)).numpy() for seed in range(1500)])
    for sample in range(6):
        counts = np.bincount(partners[:, sample], minlength=6)
        assert counts[sample] == 0
        assert stats.chisquare(np.delete(counts, sample)).pvalue > 1e-4


def test_probability_is_the_share_of_samples_mixed():
    draws, probability = 10_000, 0.3
    settings = mixing.Settings(ratio=0.5, probability=probability)
    plan = mixing.sample_plan((9, 1), draws, (4, 4), mixing.Grid(2), settings)
    share = (plan.share.numpy() > 0).mean()
    assert abs(share - probability) < 4 * np.sqrt(probability * (1 - probability) / draws)


def test_batch_mode_has_one_mask_for_all_and_sample_mode_has_not():
    for mode, distinct in (("batch", 1), ("sample", 16)):
        settings = mixing.Settings(ratio=0.5, mode=mode)
        plan = mixing.sample_plan((1, 2), 16, (14, 14), mixing.Grid(7), settings)
        assert len(np.unique(plan.mask.numpy(), axis=0)) == distinct
        assert plan.share.shape == (16,)


def test_fine_grids_choose_exactly_the_asked_number():
    settings = mixing.Settings(ratio=0.5)
    plan = mixing.sample_plan((1, 2), 3, (224, 224), mixing.Grid(patch_size=1), settings)
    np.testing.assert_array_equal(plan.mask.numpy().sum((1, 2)), 224 * 112)


def test_same_seed_same_plan_and_another_seed_another():
    def draw(seed):
        return mixing.sample_plan(seed, 8, (14, 14), mixing.Grid(7))

    for a, b in zip(draw((1, 2)), draw((1, 2)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (draw((1, 2)).mask.numpy() != draw((1, 3)).mask.numpy()).any()


def test_weighted_blend_is_the_blend_of_weighted_cross_entropies():
    rng = np.random.default_rng(0)
    labels = rng.dirichlet(np.ones(5), 12).astype("float32")
    weights = rng.uniform(0, 2, 12).astype("float32")
    log_q = np.log(rng.dirichlet(np.ones(5), 12))
    plan = mixing.sample_plan((1, 2), 12, (14, 14), mixing.Grid(7))
    mixed, mixed_weights = mixing.apply_to_labels(labels, plan, weights)
    share, partner = plan.share.numpy(), plan.partner.numpy()
    expected = -(1 - share) * weights * (labels * log_q).sum(1)
    expected -= share * weights[partner] * (labels[partner] * log_q).sum(1)
    actual = -mixed_weights.numpy() * (mixed.numpy() * log_q).sum(1)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_zero_weights_leave_labels_finite():
    plan = mixing.sample_plan((1, 2), 4, (14, 14), mixing.Grid(7))
    labels, weights = mixing.apply_to_labels(np.eye(4, dtype="float32"), plan, np.zeros(4, "f4"))
    np.testing.assert_allclose(labels.numpy().sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(weights, 0)


def test_smoothing_keeps_row_sums_and_is_szegedys_for_one_hot_rows():
    np.testing.assert_allclose(
        mixing.smooth_labels(tf.constant([[0.0, 1.0, 0.0, 0.0]]), 0.1),
        [[0.025, 0.925, 0.025, 0.025]],
    )
    multi_hot = tf.constant([[1.0, 1.0, 0.0, 1.0]])
    np.testing.assert_allclose(np.sum(mixing.smooth_labels(multi_hot, 0.2)), 3)


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1, 2, 77, 1000])
def test_beta_distribution_is_scipys(alpha):
    x = np.linspace(0, 1, 41)
    actual = [beta_distribution(alpha, value) for value in x]
    np.testing.assert_allclose(actual, stats.beta(alpha, alpha).cdf(x), atol=1e-9)


def test_the_table_of_counts_is_made_once():
    assert count_table(49, 1.5, None) is count_table(49, 1.5, None)


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
