import numpy as np
import pytest
from scipy import stats

from keras_patchmix.base import hashing


def test_mix_is_the_splitmix64_of_the_literature():
    # First outputs of SplitMix64 seeded with 0, 1234567 (Vigna's reference implementation).
    assert hashing.mix(np.array([0], np.uint64))[0] == 0xE220A8397B1DCDAF
    assert hashing.mix(np.array([1234567], np.uint64))[0] == 6457827717110365317


def test_streams_depend_on_every_part_and_on_where_one_part_ends():
    parts = [(0, "a"), (1, "a"), (-1, "a"), (0, "b"), ("0", "a"), (0, "a", 1), ("0a",)]
    parts += [("ab", "c"), ("a", "bc"), (2**80, "a")]
    keys = {hashing.stream(*part) for part in parts}
    assert len(keys) == 10


def test_one_bit_of_the_index_flips_half_of_the_bits():
    index = np.arange(4096)
    key = hashing.stream(0, "avalanche")
    for bit in (0, 1, 5, 11):
        flipped = hashing.hash_integers(key, index) ^ hashing.hash_integers(key, index ^ (1 << bit))
        ones = np.unpackbits(flipped.view(np.uint8)).reshape(4096, 64).sum(0) / 4096
        # 64 output bits, standard error 0.0078 each: 5 of them.
        assert np.all(abs(ones - 0.5) < 0.039)


def test_order_of_the_integers_matters_and_scalars_broadcast():
    a = hashing.hash_integers(7, np.arange(5)[:, None], np.arange(6))
    assert a.shape == (5, 6)
    assert len(np.unique(a)) == 30
    assert a[2, 3] == hashing.hash_integers(7, 2, 3)[0]


@pytest.mark.parametrize("bound", [2, 7, 100])
def test_integers_below_are_uniform(bound):
    draws = hashing.integers_below(hashing.stream(3, "u"), bound, np.arange(20_000))
    counts = np.bincount(draws, minlength=bound)
    assert len(counts) == bound
    assert stats.chisquare(counts).pvalue > 1e-4


def test_uniform_numbers_are_uniform():
    draws = hashing.uniform(hashing.stream(4, "u"), np.arange(20_000))
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 1e-4


def test_permutations_are_uniform_over_all_of_them():
    rows = hashing.permutations(hashing.stream(5, "p"), np.arange(24_000), 4)
    assert np.all(np.sort(rows, axis=1) == np.arange(4))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4
