"""Intervals that hold at every look, of a finite set of images taken in random order.

The accuracy of a model on N images is estimated from n of them, taken without replacement. The
interval is a confidence sequence by betting: a martingale bets against each accuracy that the N
images may have, and an accuracy is excluded once the wealth of the bet reaches 2 / 0.05. By
Ville's inequality the true one is excluded with a probability of at most 5 %, however often one
looks and whatever rule says when to stop. No approximation is made, at no number of images.

References:
    - Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", Journal of
      the Royal Statistical Society B 86 (2024), arXiv 2010.09686, section 5 on sampling without
      replacement.
    - Waudby-Smith and Ramdas, "Confidence sequences for sampling without replacement", NeurIPS
      2020, arXiv 2006.04347.
"""

import math

import numpy as np

CONFIDENCE = 0.95
EXCLUDED = math.log(
    2 / (1 - CONFIDENCE)
)  # the logarithm of the wealth; half of the errors on either side
_LARGEST_BET = 0.75  # a bet of 1 may lose everything
_LOOKS = 8  # until half of the images right are known to within the precision
_GROWTH = 1.2  # of the number of images between later looks, at least


def accuracy_interval(right, population, precision):
    """Returns the interval of the share of images that are right.

    Args:
        right: Boolean array of shape (..., n): the first n images in random order.
        population: Number of all images, N.
        precision: Half-width, in (0, 0.5), at which the interval is to be narrow soonest. It holds
            for any other as well.

    Returns:
        Two float64 arrays of shape (...), in [0, 1].
    """
    right = np.asarray(right, np.float64)
    low = _least_sum(right, population, precision)
    high = population - _least_sum(1 - right, population, precision)
    return _around(right, low / population, high / population)


def difference_interval(a, b, population, precision):
    """Returns the interval of the difference of two models' accuracies on the same images.

    Args:
        a: Boolean array of shape (..., n): which images the first model has right.
        b: As `a`, of the second model.
        population: As in `accuracy_interval`.
        precision: As in `accuracy_interval`; the difference that is to be told from 0 soonest.

    Returns:
        Two float64 arrays of shape (...), in [-1, 1].
    """
    values = (1 + np.asarray(a, np.float64) - np.asarray(b, np.float64)) / 2
    low = _least_sum(values, population, precision / 2)
    high = population - _least_sum(1 - values, population, precision / 2)
    low, high = ((2 * end - population) / population for end in (low, high))
    return _around(2 * values - 1, low, high)


def _around(values, low, high):
    """Returns the interval, widened where it does not hold the mean of the values itself."""
    if not values.shape[-1]:
        return low, high
    mean = values.mean(-1)
    return np.minimum(low, mean), np.maximum(high, mean)


def looks(population, precision, batch_size=1):
    """Returns the numbers of images after which the intervals are looked at.

    Args:
        population: Number of all images.
        precision: Half-width in (0, 0.5).
        batch_size: Looks are at whole batches, so that no forward pass is of padding.

    Returns:
        Ascending list of integers, the last one `population`.
    """
    enough = 2 * EXCLUDED / (2 * precision) ** 2  # with replacement, where half are right
    enough = enough / (1 + enough / population)
    step = batch_size * math.ceil(enough / _LOOKS / batch_size)
    counts = [min(step, population)]
    while counts[-1] < population:
        further = batch_size * math.ceil((_GROWTH - 1) * counts[-1] / batch_size)
        counts.append(min(counts[-1] + max(step, further), population))
    return counts


def _least_sum(values, population, precision):
    """Returns the least sum over all images that the bets have not excluded.

    The wealth of a bet that values are above those of a sum falls with the sum, so that the least
    one is found by bisection.

    Args:
        values: float64 array of shape (..., n), multiples of 1/2 in [0, 1].
        population: Number of all images.
        precision: Difference of means that the bets are made for.
    """
    n = values.shape[-1]
    total = values.sum(-1)
    if n == 0:
        return total
    bets = stakes(values, population, precision)
    # Counted in halves. What has been seen bounds the sum already.
    low, high = 2 * total, 2 * (population - n + total)
    for _ in range(int(2 * (population - n)).bit_length()):
        middle = np.floor((low + high) / 2)
        is_excluded = log_wealth(values, bets, middle / 2, population).max(-1) >= EXCLUDED
        low = np.where(is_excluded, np.minimum(middle + 1, high), low)
        high = np.where(is_excluded, high, middle)
    return low / 2


def log_wealth(values, bets, total, population):
    """Returns the logarithm of the wealth after each value.

    Args:
        values: float64 array of shape (..., n), in [0, 1].
        bets: What `stakes` returned for them.
        total: float64 array of shape (...): the sum over all images that is bet against.
        population: Number of all images.

    Returns:
        float64 array of shape (..., n).
    """
    before = np.cumsum(values, -1) - values
    expected = (np.asarray(total)[..., None] - before) / (population - np.arange(values.shape[-1]))
    return np.cumsum(np.log1p(bets * (values - expected)), -1)


def stakes(values, population, precision):
    """Returns the stake on each value, which depends on those before it alone.

    It is the growth-optimal one against a mean that lies `precision` below, with the variance so
    far. Of the images left, that mean is the further below the fewer they are.

    Args:
        values: float64 array of shape (..., n), in [0, 1].
        population: Number of all images.
        precision: Difference of means.

    Returns:
        float64 array of shape (..., n), above 0.
    """
    places = np.arange(values.shape[-1])
    count = places + 2.0  # one image right and one wrong before the first
    mean = (np.cumsum(values, -1) - values + 1) / count
    variance = (np.cumsum(values**2, -1) - values**2 + 1) / count - mean**2
    gap = precision * population / (population - places)
    return np.minimum(gap / (variance + gap**2), _LARGEST_BET)
