"""Shares of labels by attention, and the attention itself, against loops."""

import math
import threading
from fractions import Fraction

import numpy as np
import pytest

from keras_patchmix.mixing import Grid, MixingPlan
from keras_patchmix.models.tokens import class_token_attention, watch_class_token
from keras_patchmix.training.attention_shares import (
    attention_share,
    foreign_parts,
    label_share,
    progressive_factor,
)
from tests.arrays import to_numpy
from tests.training.attention_cases import (
    BATCH,
    IMAGES,
    MASK,
    PLAN,
    Planned,
    attention_by_loops,
    foreign_by_loops,
    looked_at,
    on_tensorflow,
    tensor,
    vit,
)


def test_shares_of_pixels_are_exact_fractions():
    """The plan that the tests use says what its mask does."""
    for share, mask in zip(PLAN.share, MASK, strict=True):
        assert Fraction(float(share)) == Fraction(int(mask.sum()), mask.size)


@pytest.mark.parametrize(
    "grid", [Grid(grid_size=(3, 4)), Grid(patch_size=(7, 5)), Grid(patch_size=10)]
)
def test_a_patch_of_two_images_counts_by_its_pixels(grid):
    height, width = 19, 22  # patches of 5 leave 4 lines and 2 columns that the model does not see
    mask = np.random.default_rng(0).random((6, *grid.shape(height, width))) < 0.5
    rows, columns = grid.row_of_line(height), grid.column_of_pixel(width)
    expected = foreign_by_loops(mask, rows, columns, 5, (3, 4))
    parts = foreign_parts(tensor(mask), grid, (height, width), Grid(patch_size=5), (3, 4))
    np.testing.assert_allclose(to_numpy(parts), expected, atol=1e-6)
    attention = np.random.default_rng(1).random((6, 3, 4)).astype("float32")
    plan = MixingPlan(None, tensor(mask), tensor(np.full(6, np.nan, "float32")))
    share = attention_share(tensor(attention), plan, grid, (height, width), Grid(patch_size=5))
    own = attention * (1 - expected)
    np.testing.assert_allclose(
        1 - to_numpy(share), own.sum((1, 2)) / attention.sum((1, 2)), atol=1e-6
    )


def share_of(attention):
    plan = MixingPlan(*map(tensor, PLAN))
    patches = Grid(patch_size=4)
    return to_numpy(attention_share(tensor(attention), plan, Planned().grid, (16, 16), patches))


def test_equal_attention_gives_the_share_of_pixels():
    np.testing.assert_array_equal(share_of(np.full((BATCH, 4, 4), 0.03, "float32")), PLAN.share)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (3, 3)])
def test_attention_on_one_patch_gives_all_or_nothing(row, column):
    attention = np.zeros((BATCH, 4, 4), "float32")
    attention[:, row, column] = 0.2
    expected = MASK[:, row // 2, column // 2].astype("float32")
    np.testing.assert_array_equal(share_of(attention), expected)


def test_no_attention_at_all_leaves_the_share_of_pixels():
    np.testing.assert_array_equal(share_of(np.zeros((BATCH, 4, 4), "float32")), PLAN.share)


@on_tensorflow
def test_shares_hold_in_graphs_of_unknown_sizes():
    import tensorflow as tf

    grid = Planned().grid

    @tf.function(input_signature=[tf.TensorSpec([None, None, None])])
    def run(attention):
        size = tf.shape(attention)[1:] * 4
        return attention_share(
            attention, MixingPlan(*PLAN), grid, tf.unstack(size), Grid(patch_size=4)
        )

    attention = np.random.default_rng(0).random((BATCH, 4, 4)).astype("float32")
    np.testing.assert_allclose(run(attention), share_of(attention), atol=1e-7)


def test_the_factor_is_the_cosine_of_answer_and_label():
    answers = np.array([[0.2, 0.8, 0], [1, 0, 0], [0, 0, 1], [0.6, 0.3, 0.1]], "float32")
    labels = np.array([[0.2, 0.8, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]], "float32")
    expected = [1, 0, 0, 0.3 / math.sqrt(0.46)]
    factor = to_numpy(progressive_factor(tensor(answers), tensor(labels)))
    np.testing.assert_allclose(factor, expected, rtol=1e-6)
    assert (factor <= 1).all()


def test_rules_weigh_attention_and_pixels():
    attention, area = tensor(np.float32([1, 0])), tensor(np.float32([0.25, 0.5]))
    answers, labels = np.float32([[3, 4], [0.0, 1]]), np.float32([[1, 0], [0, 1]])
    for rule, expected in {
        "attention": [1, 0],
        "mean": [0.625, 0.25],
        "progressive": [0.6 * 1 + 0.4 * 0.25, 0],
    }.items():
        share = label_share(rule, attention, area, tensor(answers), tensor(labels))
        np.testing.assert_allclose(to_numpy(share), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_attention_of_the_class_token_is_the_formula(dtype):
    qkv = 3 * np.random.default_rng(0).normal(size=(2, 5, 36)).astype(dtype)
    attention = to_numpy(class_token_attention(tensor(qkv), 3))
    assert attention.dtype == "float32"
    np.testing.assert_allclose(attention, attention_by_loops(qkv, 3), atol=1e-6)


def test_a_watch_sees_the_layer_of_its_own_thread():
    model = vit()
    layer = model.get_layer("block_0_attention")
    seen, barrier = {}, threading.Barrier(2)

    def look(number):
        with watch_class_token(layer) as watch:
            assert watch.attention is None
            barrier.wait()
            model(IMAGES[number : number + 1])
            barrier.wait()
            seen[number] = to_numpy(watch.attention)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = looked_at(model, IMAGES)
    for number in range(2):
        np.testing.assert_allclose(seen[number], expected[number : number + 1], atol=1e-6)
    assert np.abs(expected[0] - expected[1]).max() > 1e-5, "the images differ in attention"
