"""Plans of blends and their application: exact, and distributed as asked for."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_patchmix import mixing
from keras_patchmix.mixing import blends
from tests.arrays import BACKEND, KINDS, as_kind, dtype_name, to_numpy

DRAWS = 20_000


@pytest.fixture(params=KINDS)
def kind(request):
    """The kind of the arrays."""
    return request.param


def draw_plan(seed, batch, settings=None, kind="numpy"):
    """A plan of the given kind, as NumPy arrays."""
    like = as_kind(np.zeros(1, "float32"), kind)
    plan = blends.sample_plan(seed, batch, (4, 4), settings or mixing.Settings(), like)
    assert all(type(part) is type(like) for part in plan)
    assert [dtype_name(part) for part in plan] == ["int32", "float32"]
    return mixing.BlendPlan(*map(to_numpy, plan))


@given(st.integers(1, 9), st.sampled_from(["uint8", "int8"]), st.integers(0, 2**31))
def test_images_of_8_bits_are_the_exact_blend_rounded(batch, dtype, seed):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    images = rng.integers(info.min, info.max, (batch, 5, 6, 3), dtype, endpoint=True)
    for kind in KINDS:
        plan = draw_plan((seed, 0), batch, kind=kind)
        steps = plan.share.astype("float64") * 8192
        assert (steps == np.round(steps)).all()
        weight = plan.share.astype("float64")[:, None, None, None]
        expected = np.round((1 - weight) * images + weight * images[plan.partner].astype("float64"))
        mixed = to_numpy(blends.apply_to_images(as_kind(images, kind), plan))
        assert mixed.dtype == dtype
        np.testing.assert_array_equal(mixed, expected)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 1e-6), ("float64", 1e-6), ("float16", 1e-3), ("bfloat16", 8e-3)],
)
def test_floats_are_blended_as_the_weight_says(dtype, tolerance, kind):
    rng = np.random.default_rng(0)
    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    images = rng.uniform(-1, 1, (9, 5, 6, 3)).astype(numpy_dtype)
    plan = draw_plan((1, 2), 9, kind=kind)
    weight = plan.share.astype("float64")[:, None, None, None]
    exact = images.astype("float64")
    expected = (1 - weight) * exact + weight * exact[plan.partner]
    mixed = blends.apply_to_images(as_kind(images, kind), plan)
    is_float32 = dtype == "float64" and (BACKEND, kind) == ("jax", "jax")  # JAX makes it so
    assert dtype_name(mixed) == ("float32" if is_float32 else dtype)
    np.testing.assert_allclose(to_numpy(mixed).astype("float64"), expected, atol=tolerance)


def test_the_label_has_the_weight_of_the_image(kind):
    """Image i is 255 at pixel i and 0 elsewhere, so that pixel j tells the weight of image j."""
    batch = 9
    images = 255 * np.eye(batch, dtype="float32").reshape(batch, 3, 3, 1)
    plan = draw_plan((1, 3), batch, kind=kind)
    mixed = to_numpy(blends.apply_to_images(as_kind(images, kind), plan)).reshape(batch, batch)
    labels = mixing.apply_to_labels(as_kind(np.eye(batch, dtype="float32"), kind), plan)
    np.testing.assert_allclose(to_numpy(labels), mixed / 255, atol=1e-6)
    np.testing.assert_allclose(to_numpy(labels)[np.arange(batch), plan.partner], plan.share)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_weight_follows_a_beta(alpha, kind):
    """Of each step the middle: as likely as the Beta's share of it, which is what is tested."""
    plan = draw_plan((3, 4), DRAWS, mixing.Settings(alpha=alpha), kind)
    assert plan.share.min() >= 0.5 / 4096
    assert plan.share.max() <= 1 - 0.5 / 4096
    counts, edges = np.histogram(plan.share, bins=64, range=(0, 1))
    expected = np.diff(stats.beta(alpha, alpha).cdf(edges)) * DRAWS
    kept = expected >= 5
    counts = np.append(counts[kept], counts[~kept].sum())
    expected = np.append(expected[kept], expected[~kept].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    assert stats.chisquare(counts, expected).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_smallest_weights_follow_it_too(alpha):
    draws = 200_000
    plan = draw_plan((8, 4), draws, mixing.Settings(alpha=alpha))
    share = stats.beta(alpha, alpha).cdf(1 / 4096)
    found = (plan.share == np.float32(0.5 / 4096)).mean()
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / draws) + 1e-9


def test_a_ratio_takes_the_place_of_alpha(kind):
    plan = draw_plan((5, 6), 50, mixing.Settings(ratio=0.3), kind)
    np.testing.assert_array_equal(plan.share, np.float32(0.3))
    plan = draw_plan((5, 6), DRAWS, mixing.Settings(ratio=(0.2, 0.6)), kind)
    band = np.sqrt(np.log(2 / 1e-4) / (2 * DRAWS))
    assert stats.kstest(plan.share, stats.uniform(0.2, 0.4).cdf).statistic < band


def test_whole_images_are_exchanged_at_a_ratio_of_one(kind):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3)).astype("uint8")
    plan = draw_plan((5, 7), 6, mixing.Settings(ratio=1.0), kind)
    mixed = to_numpy(blends.apply_to_images(as_kind(images, kind), plan))
    np.testing.assert_array_equal(mixed, images[plan.partner])


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "float64", "uint8", "bool"])
def test_what_is_not_mixed_is_as_it_was(dtype, kind):
    images = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 2))
    large = {"int32": 2.0**31, "float32": 1e30, "float64": 1e300, "float16": 6e4}
    images = images > 0 if dtype == "bool" else np.abs(images) * large.get(dtype, 256)
    images = images.astype(dtype)
    if "float" in dtype:
        images[1], images[2], images[3, 0] = np.nan, np.inf, -np.inf
    x = as_kind(images, kind)
    plan = draw_plan((1, 2), 5, mixing.Settings(probability=0.0), kind)
    mixed = to_numpy(blends.apply_to_images(x, plan))
    np.testing.assert_array_equal(mixed, to_numpy(x))
    assert mixed.dtype == to_numpy(x).dtype


def test_booleans_are_those_of_the_larger_weight(kind):
    images = np.random.default_rng(0).random((9, 4, 4, 1)) < 0.5
    plan = draw_plan((1, 2), 9, kind=kind)
    larger = (plan.share > 0.5)[:, None, None, None]
    expected = np.where(larger, images[plan.partner], images)
    mixed = to_numpy(blends.apply_to_images(as_kind(images, kind), plan))
    np.testing.assert_array_equal(mixed, expected)


def test_large_integers_stay_in_their_range(kind):
    info = np.iinfo("int32")
    images = np.array([info.max, info.max, info.min, info.min], "int32").reshape(4, 1, 1, 1)
    plan = mixing.BlendPlan(np.array([1, 2, 3, 0], "int32"), np.full(4, 0.25, "float32"))
    mixed = to_numpy(blends.apply_to_images(as_kind(images, kind), plan)).ravel()
    np.testing.assert_allclose(mixed, np.array([1, 0.5, -1, -0.5]) * 2.0**31, rtol=1e-6)


def test_coin_mode_and_partners(kind):
    assert draw_plan((1, 2), 1, mixing.Settings(ratio=0.5), kind).share == 0
    settings = mixing.Settings(ratio=0.5, probability=0.3)
    mixed = draw_plan((9, 1), 10_000, settings, kind).share > 0
    assert abs(mixed.mean() - 0.3) < 4 * np.sqrt(0.21 / 10_000)
    for mode, distinct in (("batch", 1), ("sample", 16)):
        plan = draw_plan((1, 2), 16, mixing.Settings(mode=mode), kind)
        assert len(np.unique(plan.share)) == distinct
        assert plan.share.shape == (16,)
        assert (plan.partner != np.arange(16)).all()
        assert sorted(plan.partner) == list(range(16))
