"""Suites: which corruptions, grids and levels a benchmark runs."""

import math
from typing import Any

from keras_patchmix.base.sizes import size_pair
from keras_patchmix.base.types import Size
from keras_patchmix.corruptions.patch_drop import PatchDrop
from keras_patchmix.corruptions.patch_permutation import PatchPermutation
from keras_patchmix.corruptions.patch_replacement import PatchReplacement
from keras_patchmix.occlusion.serialization import members_of

# Finest grid, by preference, with the fewest pixels a side that its patches may have: the paper's
# 14, then 16, then what still leaves patches of 4 pixels.
_FINEST = ((14, 8), (16, 8), *((rows, 4) for rows in (8, 7, 10, 12, 6, 5, 9, 4, 13, 11)))


def default_suite(image_size: Size) -> list[Any]:
    """Returns the paper's sweeps where they fit, and grids that do fit otherwise.

    The finest grid is 14x14 where it divides the image into patches of 8 pixels or more (112, 224,
    336, 448), else 16x16 on the same terms (128, 160, 256, 384, 512), else 8x8 with patches of 4
    pixels or more (32, 48, 64, 96), else another of 4x4 to 13x13 that divides the sides (7x7 for
    28, 10x10 for 300, 13x13 for 299). Then:

    - `PatchReplacement` on that grid and, if it has 6 rows or more, on one of about half as many
      rows, which divides the sides too where there is such a one; 10 to 50 % by 10;
    - `PatchDrop` on that grid, black, 20 to 80 % by 20;
    - `PatchPermutation` on 2x2, 4x4, 8x8 and that grid, as far as they divide the sides.

    At 224 pixels these are the sweeps of Lee et al., arXiv 2306.17848 (2023). Where no such grid
    divides the sides (331 is a prime number), the finest is 8x8, or 4x4 below 32 pixels: its
    patches differ by one pixel a side, the report states the true shares, and tiles cannot be
    permuted, but for 2x2 where the sides are even.

    Args:
        image_size: Integer or (height, width), at least 16 pixels a side.

    Returns:
        A list of corruptions.

    Raises:
        ValueError: The image is too small.
    """
    finest, common = _finest_grid(image_size)
    suite: list[Any] = []
    if finest >= 6:
        suite.append(PatchReplacement(_half(finest, common)))
    suite += [PatchReplacement(finest), PatchDrop(finest)]
    tiles = [g for g in sorted({2, 4, 8, finest}) if g <= finest and common % g == 0]
    if tiles:
        suite.append(PatchPermutation(tiles))
    return suite


def extended_suite(image_size: Size) -> list[Any]:
    """Returns `default_suite` and what goes beyond the paper's sweeps.

    Added are `PatchDrop` on the finest grid with gray and with noise instead of black, which says
    how much of a drop is owed to blackness itself, and `Superimpose` of the built-in occluders on
    10 to 50 % of the pixels.

    Args:
        image_size: Integer or (height, width), at least 16 pixels a side.

    Returns:
        A list of corruptions.

    Raises:
        ValueError: The image is too small.
    """
    from keras_patchmix.corruptions.superimpose import Superimpose  # draws its occluders

    finest, _ = _finest_grid(image_size)
    return [
        *default_suite(image_size),
        PatchDrop(finest, fill="mean"),
        PatchDrop(finest, fill="noise"),
        Superimpose(),
    ]


def _finest_grid(image_size):
    """Returns the rows of the finest grid of an image, and the greatest divisor of both sides."""
    height, width = size_pair(image_size, "image_size")
    least = min(height, width)
    if least < 16:
        raise ValueError(
            "`image_size` must be at least 16 pixels a side (and images channels-last), or name "
            f"the corruptions yourself with `suite`. Received: image_size={(height, width)}"
        )
    common = math.gcd(height, width)
    unequal = 8 if least >= 32 else 4
    fitting = (g for g, side in _FINEST if common % g == 0 and least // g >= side)
    return next(fitting, unequal), common


def _half(finest, common):
    """Returns the divisor of the sides nearest to half of the finest grid, or half of it.

    A third to three quarters of its rows will do, but not fewer than 3.
    """
    choices = range(max(3, math.ceil(finest / 3)), 3 * finest // 4 + 1)
    choices = [g for g in choices if common % finest == 0 and common % g == 0]
    return min(choices, key=lambda g: (abs(g - finest / 2), g), default=max(finest // 2, 3))


SUITES = {"default": default_suite, "extended": extended_suite}


def suite_by_name(suite):
    """Returns the function from an image size to a suite that None or a name stands for, or None.

    Args:
        suite: None for the default one, a key of `SUITES`, or something else, which has no such
            function.
    """
    if suite is None:
        return default_suite
    return SUITES.get(suite) if isinstance(suite, str) else None


def check_suite(suite):
    """Returns a suite as a tuple of `Member`s.

    Args:
        suite: A list or tuple of corruptions and `DatasetOcclusion`s, or of dicts as `serialize`
            makes them.

    Raises:
        ValueError: Something else, or two members share a row of the report.
    """
    members = members_of(suite)
    seen = set()
    for member in members:
        for condition in member.conditions:
            if condition.name in seen:
                raise ValueError(
                    f"Two members of `suite` share the row {condition.name!r}. "
                    f"Received: suite={list(members)!r}"
                )
            seen.add(condition.name)
    return members
