"""Plans and their application in graphs that learn sizes when they run, which are TensorFlow's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from keras_patchmix import mixing
from keras_patchmix.mixing import boxes
from tests.mixing import oracle
from tests.mixing.test_patches import DTYPES, cases, images_for

tf = pytest.importorskip("tensorflow")


# Each graph takes a moment to be traced; known sizes in graphs are met by the tests of tf.data.
@settings(max_examples=settings.default.max_examples // 2)
@given(cases(), st.sampled_from(DTYPES), st.booleans(), st.integers(0, 2**31))
def test_images_are_those_of_a_loop_over_patches(case, dtype, channels_first, seed):
    batch, height, width, grid, edges = case
    images = images_for(batch, height, width, dtype)
    data_format = "channels_first" if channels_first else "channels_last"
    given_images = np.moveaxis(images, -1, 1) if channels_first else images

    def mix(x):
        size = tf.shape(x)
        hw = (size[2], size[3]) if channels_first else (size[1], size[2])
        plan = mixing.sample_plan((seed, 0), size[0], hw, grid, like=x)
        return plan, mixing.apply_to_images(x, plan, grid, data_format)

    signature = [tf.TensorSpec([None] * 4, tf.as_dtype(dtype))]
    plan, mixed = tf.function(mix, input_signature=signature, autograph=False)(given_images)
    mixed = np.moveaxis(mixed.numpy(), 1, -1) if channels_first else mixed.numpy()
    assert mixed.dtype == images.dtype
    np.testing.assert_array_equal(mixed, oracle.mix_images(images, plan, *edges))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_number_of_patches_follows_a_rounded_beta(alpha):
    draws, patches = 20_000, 21
    size = (tf.constant(12), tf.constant(28))
    settings = mixing.Settings(alpha=alpha)
    plan = mixing.sample_plan((3, 4), draws, size, mixing.Grid(patch_size=4), settings)
    counts = np.bincount(plan.mask.numpy().sum((1, 2)), minlength=patches + 1)
    assert stats.chisquare(counts, oracle.rounded_beta(alpha, patches) * draws).pvalue > 1e-4


@pytest.mark.parametrize(("ratio", "count"), [(0.5, 24), ((0.49, 0.49), 24), (1.0, 49)])
def test_a_fixed_ratio_rounds_half_to_even(ratio, count):
    side, grid = tf.constant(14), mixing.Grid(patch_size=2)
    plan = mixing.sample_plan((1, 1), 50, (side, side), grid, mixing.Settings(ratio=ratio))
    np.testing.assert_array_equal(plan.mask.numpy().sum((1, 2)), count)


def test_a_uniform_ratio_is_that_of_a_known_size():
    def counts(side):
        settings = mixing.Settings(ratio=(0.2, 0.6))
        plan = mixing.sample_plan(
            (5, 6), 500, (side, side), mixing.Grid(patch_size=2), settings, like=tf.constant(0)
        )
        return plan.mask.numpy().sum((1, 2))

    np.testing.assert_array_equal(counts(tf.constant(10)), counts(10))


@pytest.mark.parametrize("grid", [mixing.Grid(7), mixing.Grid(6), mixing.Grid(patch_size=5)])
def test_under_xla_the_selection_is_chosen_and_exact(grid):
    images = images_for(5, 28, 28, "uint8")
    plan = mixing.sample_plan((1, 2), 5, (28, 28), grid)
    seen = []

    def mix(x):
        from keras_patchmix.mixing.arrays import tensorflow_ops

        seen.append(tensorflow_ops.in_xla_context())
        return mixing.apply_to_images(x, plan, grid)

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8)]
    with_xla = tf.function(mix, input_signature=signature, jit_compile=True)(images)
    without = tf.function(mix, input_signature=signature)(images)
    assert seen == [True, False]
    np.testing.assert_array_equal(with_xla, without)


def box_plans(alpha, sides, draws=20_000, **settings):
    return boxes.sample_plan(
        (3, 4), draws, sides, mixing.Settings(alpha=alpha, **settings), like=tf.constant(0)
    )


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_boxes_are_those_of_a_known_size(alpha):
    """Where a graph learns the size it makes the table of sides by another arithmetic."""
    one, other = box_plans(alpha, (tf.constant(12), tf.constant(28))), box_plans(alpha, (12, 28))
    equal = (one.box.numpy() == other.box.numpy()).all(1)
    assert equal.mean() > 0.999
    np.testing.assert_array_equal(one.partner, other.partner)


@pytest.mark.parametrize("ratio", [0.3, (0.2, 0.6), 1.0])
def test_boxes_of_a_ratio_are_those_of_a_known_size(ratio):
    sides = tf.constant(13), tf.constant(28)
    one, other = (box_plans(1.0, sizes, 500, ratio=ratio) for sizes in (sides, (13, 28)))
    np.testing.assert_array_equal(one.box, other.box)
    np.testing.assert_array_equal(one.share, other.share)
