"""Random numbers in NumPy: Philox of its authors, and those of TensorFlow."""

import numpy as np
import pytest

from keras_patchmix.training import step_numbers, step_seeds

SEEDS = (0, 3, 2**31 - 5)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        # kat_vectors of Random123, philox4x32 with 10 rounds: all bits 0, all bits 1.
        (0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (0xFFFFFFFF, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ],
)
def test_philox_is_that_of_its_authors(word, expected):
    key, counter = word | word << 32, sum(word << 32 * place for place in range(4))
    assert step_numbers.philox(key, counter, 4).tolist() == expected


def test_a_counter_is_carried_into_its_upper_half():
    words = step_numbers.philox(1, 2**64 - 1, 8)
    assert words[4:].tolist() == step_numbers.philox(1, 2**64, 4).tolist()


@pytest.mark.parametrize("buffer", [None, 1, 5, 100])
def test_an_order_holds_every_position_once(buffer):
    orders = [step_numbers.shuffled(1, number, 30, buffer) for number in (0, 1, 0)]
    assert all(sorted(order) == list(range(30)) for order in orders)
    assert (orders[0] == orders[2]).all()
    assert (orders[0] == orders[1]).all() == (buffer == 1)
    if buffer == 5:
        assert (orders[0] - np.arange(30)).max() < 5


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_those_of_tensorflow(seed):
    import tensorflow as tf

    for stream, step, draw in (("augment", 9, 0), ("rand_augment", 0, 3)):
        found = step_numbers.seed_of(seed, stream, step, draw)
        assert found == tuple(step_seeds.seed_of(seed, stream, step, draw).numpy())
        expected = tf.random.stateless_uniform((5, 3), tf.constant(found, tf.int64))
        np.testing.assert_array_equal(step_numbers.uniform(found, (5, 3)), expected)


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("buffer", [1, 7, 40])
def test_orders_are_those_of_tf_data(seed, buffer):
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def one_pass(number):
        shuffle = step_seeds.shuffle_seed(seed, number)
        return tf.data.Dataset.range(40).shuffle(
            buffer, seed=shuffle, reshuffle_each_iteration=False
        )

    tf.random.set_seed(seed)
    for number in (0, 2):
        passes = tf.data.Dataset.counter(number).take(1).flat_map(one_pass)
        found = step_numbers.shuffled(seed, number, 40, buffer)
        assert found.tolist() == list(passes.as_numpy_iterator())
