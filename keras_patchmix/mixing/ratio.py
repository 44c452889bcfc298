"""How many patches are replaced: the distribution of N1, r N rounded."""

import functools
import math

import numpy as np

from keras_patchmix.mixing import arrays

# k patches are taken where r N is below k plus this.
_BOUNDARY = {"nearest": 0.5, "down": 1.0}
# 0.29 * 100 is a little less than 29 in floating point.
_TINY = 1e-9


def patch_counts(uniform, num_patches, settings, root=1):
    """Draws numbers of patches by inverting their distribution.

    N1 is discrete, and a tie of r N has probability zero for a continuous r, so that
    P(N1 <= k) = F((k + 1/2) / N) with F the distribution function of r. That makes the draw exact
    for every `alpha`, from one uniform number and a table of N entries. Rounded down,
    P(N1 <= k) = F((k + 1) / N).

    Args:
        uniform: Float32 tensor `(draws,)`, uniform in [0, 1).
        num_patches: Integer or scalar int32 tensor, N.
        settings: A `Settings`, which says how r is distributed and r N rounded.
        root: Positive integer: `root=2` draws roundings of sqrt(r) N, the side of a square that
            covers the share r of a square of side N.

    Returns:
        Int32 tensor `(draws,)` in 0..N.
    """
    ops = arrays.of(uniform)
    if isinstance(num_patches, int):
        table = count_table(num_patches, settings, root)
        return ops.searchsorted(ops.match(table, uniform), uniform)
    # The grid of an image of unknown size: the same table, made when the graph runs.
    total = ops.cast(num_patches, "float64")
    fixed = fixed_ratio(settings.ratio)
    if fixed is not None:
        count = fixed ** (1 / root) * total
        count = ops.round(count) if settings.rounding == "nearest" else count + _TINY
        count = ops.cast(count, "int32")  # which rounds down
        if settings.rounding == "down":
            count = ops.minimum(count, num_patches - 1)
        return ops.broadcast_to(count, ops.shape(uniform))
    bounds = ops.cast(ops.arange(num_patches), "float64") + _BOUNDARY[settings.rounding]
    bounds = (bounds / total) ** root
    if settings.ratio is not None:
        low, high = settings.ratio
        table = (bounds - low) / (high - low)
    elif settings.alpha == 1:
        table = bounds
    else:
        exponent = ops.broadcast_to(ops.cast(settings.alpha, "float64"), ops.shape(bounds))
        table = ops.betainc(exponent, exponent, bounds)
    return ops.searchsorted(ops.cast(table, "float32"), uniform)


@functools.lru_cache(maxsize=64)
def count_table(num_patches, settings, root=1):
    """P(N1 <= k) for k = 0..N-1, float32 `(num_patches,)`; arguments as in `patch_counts`.

    Made once for each setting and shared: not to be written to.
    """
    fixed = fixed_ratio(settings.ratio)
    if fixed is not None:
        # Python rounds half to even.
        count = round(fixed ** (1 / root) * num_patches)
        if settings.rounding == "down":
            count = min(math.floor(fixed * num_patches + _TINY), num_patches - 1)
        return (np.arange(num_patches) >= count).astype("float32")
    bounds = ((np.arange(num_patches) + _BOUNDARY[settings.rounding]) / num_patches) ** root
    if settings.ratio is not None:
        low, high = settings.ratio
        table = np.clip((bounds - low) / (high - low), 0, 1)
    elif settings.alpha == 1:
        table = bounds
    else:
        table = np.array([beta_distribution(settings.alpha, x) for x in bounds])
    return table.astype("float32")


def beta_distribution(alpha, x):
    """P(r <= x) for r ~ Beta(alpha, alpha): the regularized incomplete beta function I_x(a, a).

    Continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions, evaluated
    with the method of Lentz; its error is below 1e-9 for alpha from 0.01 to 1,000.

    Args:
        alpha: Positive float.
        x: Float in [0, 1].

    Returns:
        Float in [0, 1].
    """
    if x > 0.5:
        return 1.0 - beta_distribution(alpha, 1.0 - x)
    if x <= 0:
        return 0.0
    front = math.exp(
        math.lgamma(2 * alpha) - 2 * math.lgamma(alpha) + alpha * (math.log(x) + math.log1p(-x))
    )
    return front / alpha / _continued_fraction(alpha, x)


def _continued_fraction(alpha, x, tolerance=1e-15, max_terms=100_000):
    """1 + d1 / (1 + d2 / (1 + ...)), which is positive for x <= 1/2."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for term in range(1, max_terms):
        m = term // 2
        if term % 2:
            d = -(alpha + m) * (2 * alpha + m) * x / ((alpha + 2 * m) * (alpha + 2 * m + 1))
        else:
            d = m * (alpha - m) * x / ((alpha + 2 * m - 1) * (alpha + 2 * m))
        denominator = 1.0 / (1.0 + d * denominator)
        numerator = 1.0 + d / numerator
        change = numerator * denominator
        value *= change
        if abs(change - 1.0) < tolerance:
            return value
    raise ArithmeticError(f"The beta distribution did not converge at alpha={alpha}, x={x}")


def fixed_ratio(ratio):
    """The one ratio that `Settings.ratio` allows, or `None` where it is drawn."""
    if isinstance(ratio, tuple):
        low, high = ratio
        return low if low == high else None
    return ratio
