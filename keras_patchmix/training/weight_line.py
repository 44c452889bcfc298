"""The line between the weights before and after a fine-tuning, and which point of it is taken.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv 2109.01903.
"""

import dataclasses

import numpy as np

from keras_patchmix.occlusion.comparison import compare
from keras_patchmix.report.weight_line import LinePoint


def weights_between(before, after, share):
    """Returns the weights at a share of the way from some to others, lists of arrays.

    What is no floating point number (the state of a generator, a count) stays as it was before.
    """
    return [_between(*pair, share) for pair in zip(before, after, strict=True)]


def _between(first, last, share):
    if share == 0 or not (first.dtype.kind == "f" or first.dtype.name == "bfloat16"):
        return first
    # Exact at both ends.
    return last if share == 1 else (first + share * (last - first)).astype(first.dtype)


def point_of(share, report, original):
    """Returns the `LinePoint` of a report.

    Args:
        share: Share of the way.
        report: The `Report` of the model there.
        original: The `Report` of the original.
    """
    clean, *others = report.rows
    change = compare(report, original).rows[0]
    return LinePoint(
        share,
        clean.top1,
        float(np.mean([row.top1 for row in others])),
        {row.name: row.top1 for row in others},
        change.difference,
        change.low,
        change.high,
    )


def choose(points, max_clean_drop, confident):
    """Says which points cost too much, and takes the best of the others.

    Args:
        points: List of `LinePoint`, the original, of share 0, first.
        max_clean_drop: Points of clean accuracy, in per cent, that may be given.
        confident: Whether the low end of the interval of the change must allow for it, rather than
            the change itself.

    Returns:
        List of `LinePoint` with `allowed` and `chosen` settled. The original is always allowed; of
        equally good points the one nearest to it is taken.
    """
    least = -max_clean_drop / 100
    allowed = [
        one.share == 0 or (one.low if confident else one.clean_change) >= least - 1e-9
        for one in points
    ]
    best = max(
        (number for number, fine in enumerate(allowed) if fine),
        key=lambda number: (points[number].occluded, -points[number].share),
    )
    return [
        dataclasses.replace(one, allowed=fine, chosen=number == best)
        for number, (one, fine) in enumerate(zip(points, allowed, strict=True))
    ]
