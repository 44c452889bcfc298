"""Intervals that hold at every look: against their definition, exactly, and by simulation."""

import itertools
import math

import numpy as np
import pytest

from keras_patchmix.occlusion.choice import shuffled
from keras_patchmix.occlusion.sequential import accuracy_interval, difference_interval, looks


def slow_wealth(values, total, population, precision):
    """The wealth after each value of bets against a sum over all, in loops."""
    wealth, before, squares = [1.0], 0.0, 0.0
    for i, value in enumerate(values):
        mean = (before + 1) / (i + 2)
        variance = (squares + 1) / (i + 2) - mean**2
        gap = precision * population / (population - i)
        bet = min(gap / (variance + gap**2), 0.75)
        wealth.append(wealth[-1] * (1 + bet * (value - (total - before) / (population - i))))
        before, squares = before + value, squares + value**2
    return wealth


def slow_low_end(values, population, precision):
    """The least mean whose bet never won, by trying every sum."""
    for total in np.arange(sum(values), sum(values) + population - len(values) + 0.5, 0.5):
        if max(slow_wealth(values, total, population, precision)) < 40:
            return total / population
    raise AssertionError


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_ends_are_those_of_the_definition(share):
    generator = np.random.default_rng(3)
    right = generator.random(70) < share
    low, high = accuracy_interval(right, 90, 0.1)
    assert low == pytest.approx(slow_low_end(right.tolist(), 90, 0.1), abs=1e-12)
    assert 1 - high == pytest.approx(slow_low_end((~right).tolist(), 90, 0.1), abs=1e-12)
    other = generator.random(70) < 0.5
    values = (1 + right - other.astype(float)) / 2
    low, high = difference_interval(right, other, 90, 0.2)
    assert low == pytest.approx(2 * slow_low_end(values.tolist(), 90, 0.1) - 1, abs=1e-12)
    assert high == pytest.approx(1 - 2 * slow_low_end((1 - values).tolist(), 90, 0.1), abs=1e-12)


@pytest.mark.parametrize("values", [[1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0.5, 0.5, 0, 0, 0]])
def test_in_all_orders_together_nobody_wins_against_the_truth(values):
    # So that wealth reaches 40 in at most one of 40 orders, by Ville's inequality.
    orders = set(itertools.permutations(values))  # each of as many permutations as any other
    paths = [slow_wealth(order, sum(values), len(values), 0.1) for order in orders]
    assert np.mean(paths, axis=0) == pytest.approx(np.ones(len(values) + 1), abs=1e-12)
    assert np.std(paths, axis=0)[-1] > 0.1


def test_what_is_not_known_is_not_excluded_and_what_is_known_is_a_point():
    right = np.arange(50) % 3 == 0
    assert [float(end) for end in accuracy_interval(right[:0], 50, 0.03)] == [0, 1]
    assert [float(end) for end in accuracy_interval(right, 50, 0.03)] == [17 / 50] * 2
    low, high = accuracy_interval(right[:49], 50, 0.03)
    assert (low, high) == (17 / 50, 18 / 50)
    assert [float(end) for end in difference_interval(right, ~right, 50, 0.03)] == [-16 / 50] * 2


def test_the_other_model_first_turns_the_difference_around():
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 300)) < np.array([[0.7], [0.5]])
    low, high = difference_interval(a, b, 1000, 0.04)
    assert -1 < low < np.mean(a) - np.mean(b) < high < 1
    turned = difference_interval(b, a, 1000, 0.04)
    assert turned == pytest.approx((-high, -low), abs=1e-12)


def test_several_rows_at_once_are_as_one_by_one():
    right = np.random.default_rng(1).random((3, 40)) < 0.6
    together = accuracy_interval(right, 100, 0.05)
    for row in range(3):
        single = accuracy_interval(right[row], 100, 0.05)
        assert (together[0][row], together[1][row]) == single


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_intervals_hold_when_they_decide_when_to_stop(share):
    runs, population, precision = 1000, 600, 0.05
    generator = np.random.default_rng(5)
    right = np.arange(population) < share * population
    orders = generator.permuted(np.tile(right, (runs, 1)), axis=1)
    missed, active = 0, np.arange(runs)
    for n in looks(population, precision):
        low, high = accuracy_interval(orders[active, :n], population, precision)
        done = high - low <= 2 * precision
        missed += np.sum(done & ((low > share) | (high < share)))
        active = active[~done]
    assert not len(active)
    # 5 % of 1,000 runs, and three standard errors.
    assert 0 < missed <= 50 + 3 * math.sqrt(1000 * 0.05 * 0.95)


@pytest.mark.parametrize("population", [1, 63, 64, 65, 10_000, 1_000_000])
def test_looks_rise_by_whole_batches_to_all_images(population):
    found = looks(population, 0.03, 64)
    assert found[-1] == population
    assert found == sorted(set(found))
    assert all(count % 64 == 0 for count in found[:-1])
    assert len(found) < 45


def test_the_order_is_one_of_all_examples_and_spreads_sorted_classes():
    order = shuffled(10_000)
    assert np.array_equal(np.sort(order), np.arange(10_000))
    assert np.array_equal(order, shuffled(10_000))
    counts = np.bincount(order[:1000] // 1000, minlength=10)
    assert np.all(abs(counts - 100) < 5 * math.sqrt(90))  # standard errors


def test_the_interval_holds_the_share_that_was_seen():
    right = np.random.default_rng(0).random((200, 64)) < 0.47
    low, high = accuracy_interval(right, 68, 0.1)
    assert np.all(low <= right.mean(1))
    assert np.all(right.mean(1) <= high)
