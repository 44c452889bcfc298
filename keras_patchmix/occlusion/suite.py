"""Suites: which corruptions, grids and levels a benchmark runs."""

import math

from keras_patchmix.occlusion.base import Corruption, check_grid
from keras_patchmix.occlusion.patch_drop import PatchDrop
from keras_patchmix.occlusion.patch_permutation import PatchPermutation
from keras_patchmix.occlusion.patch_replacement import PatchReplacement

# Finest grid, by preference, with the fewest pixels a side that its patches may have: the paper's
# 14, then 16, then what still leaves patches of 4 pixels.
_FINEST = ((14, 8), (16, 8), (8, 4), (7, 4), (10, 4), (12, 4), (6, 4), (5, 4), (9, 4), (4, 4))


def default_suite(image_size):
    """Returns the paper's sweeps where they fit, and grids that do fit otherwise.

    The finest grid is 14x14 where it divides the image into patches of 8 pixels or more (112, 224,
    336, 448), else 16x16 on the same terms (128, 160, 256, 384, 512), else 8x8 with patches of 4
    pixels or more (32, 48, 64, 96), else another that divides the sides (7x7 for 28). Then:

    - `PatchReplacement` on that grid and on one of half as many rows, 10 to 50 % by 10;
    - `PatchDrop` on that grid, black, 20 to 80 % by 20;
    - `PatchPermutation` on 2x2, 4x4, 8x8 and that grid, as far as they divide the sides.

    At 224 pixels these are the sweeps of Lee et al., arXiv 2306.17848 (2023). Where no grid divides
    the sides (a prime number of pixels), patches differ by one pixel a side and tiles cannot be
    permuted.

    Args:
        image_size: Integer or (height, width), at least 16 pixels a side.

    Returns:
        A list of corruptions.

    Raises:
        ValueError: The image is too small.
    """
    height, width = check_grid(image_size, "image_size")
    if min(height, width) < 16:
        raise ValueError(
            "`image_size` must be at least 16 pixels a side (and images channels-last), or name "
            f"the corruptions yourself with `suite`. Received: image_size={(height, width)}"
        )
    common = math.gcd(height, width)
    finest = next(
        (g for g, side in _FINEST if common % g == 0 and min(height, width) // g >= side), None
    )
    equal = finest is not None
    if not equal:
        finest = 8 if min(height, width) >= 32 else 4
    suite = []
    if finest >= 6:
        suite.append(PatchReplacement(_half(finest, common) if equal else finest // 2))
    suite += [PatchReplacement(finest), PatchDrop(finest)]
    tiles = [g for g in sorted({2, 4, 8, finest}) if g <= finest and common % g == 0]
    if tiles:
        suite.append(PatchPermutation(tiles))
    return suite


def _half(finest, common):
    """Returns the divisor of the sides nearest to half of the finest grid, at least 3."""
    choices = [g for g in range(3, finest) if common % g == 0]
    return min(choices, key=lambda g: (abs(g - finest / 2), g), default=max(finest // 2, 3))


def check_suite(suite):
    """Returns a suite as a tuple.

    Args:
        suite: A sequence of corruptions.

    Raises:
        ValueError: Not a sequence of corruptions, or two of them share a row of the report.
    """
    members = tuple(suite) if isinstance(suite, list | tuple) else ()
    if not members or not all(isinstance(member, Corruption) for member in members):
        raise ValueError(
            "`suite` must be a list or tuple of corruptions, such as "
            f"[PatchReplacement(7), PatchDrop(14)]. Received: suite={suite!r}"
        )
    seen = set()
    for member in members:
        for condition in member.conditions:
            if condition.name in seen:
                raise ValueError(
                    f"Two corruptions of `suite` share the row {condition.name!r}. "
                    f"Received: suite={list(members)!r}"
                )
            seen.add(condition.name)
    return members
