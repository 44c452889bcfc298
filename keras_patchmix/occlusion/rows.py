"""The rows of a report and what they come to: made of counts, grouped into curves, summed up."""

import dataclasses
import itertools
import math
import warnings

import numpy as np

from keras_patchmix.corruptions.member import in_words
from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT


@dataclasses.dataclass(frozen=True)
class Row:
    """The score under one condition.

    Attributes:
        name: Such as `"patch_drop_14x14_50"`, or `"clean"`.
        corruption: Such as `"patch_drop"`.
        grid: (rows, columns) or None.
        level: Share asked for, or None.
        share: Share of all pixels that were affected, in [0, 1]; of a set of occluded images the
            mean coverage, None where it has none.
        n: Number of images that were scored.
        top1: Share of them whose class has the highest score; None where `n` is 0.
        top5: Share of them whose class is among the five highest; None below 6 classes.
        standard_error: That of `top1`, sqrt(p (1 - p) / n).
        n_nonfinite: Images with an output that is not finite, which are not scored.
        data: The set of occluded images that the row is about, such as `"my_set:test"`; None for
            rows about the benchmark's own images.
        title: Name of the corruption in figures and tables. Made of `corruption` when None, as it
            is in reports of schema version 3 and before.
        family: Corruptions of one family share a panel. `title` when None.
    """

    name: str
    corruption: str
    grid: tuple[int, int] | None
    level: float | None
    share: float | None
    n: int
    top1: float | None
    top5: float | None
    standard_error: float | None
    n_nonfinite: int
    data: str | None = None
    title: str | None = None
    family: str | None = None

    def __post_init__(self):
        if self.title is None:
            object.__setattr__(self, "title", in_words(self.corruption))
        if self.family is None:
            object.__setattr__(self, "family", self.title)


def make_rows(conditions, tally, input_shape):
    """Makes the rows of a report from the counts.

    Args:
        conditions: Sequence of `Condition`.
        tally: A `Tally` of their names.
        input_shape: (height, width, channels) of the images.

    Returns:
        List of `Row`.
    """
    outcomes = tally.outcomes()
    area = input_shape[0] * input_shape[1]
    rows = []
    for condition in conditions:
        top1, pixels = outcomes.top1[condition.name], outcomes.pixels[condition.name]
        n = int(np.sum(top1 != NOT_SCORED))
        p = int(np.sum(top1 == RIGHT)) / n if n else None
        rows.append(
            Row(
                name=condition.name,
                corruption=condition.corruption,
                grid=condition.grid,
                level=condition.level,
                share=int(np.sum(pixels)) / (len(top1) * area),
                n=n,
                top1=p,
                top5=tally.top5[condition.name] / n if n and tally.classes >= 6 else None,
                standard_error=math.sqrt(p * (1 - p) / n) if n else None,
                n_nonfinite=len(top1) - n,
                data=condition.data,
                title=condition.title,
                family=condition.family,
            )
        )
    return rows


def row_named(rows, name):
    """Returns the row of a name out of a list.

    Raises:
        KeyError: There is none; the message lists those there are.
    """
    for row in rows:
        if row.name == name:
            return row
    raise KeyError(f"No row {name!r}. Rows: {', '.join(row.name for row in rows)}")


def sweeps(rows):
    """Groups rows, without the clean one and those of sets of occluded images, into curves.

    Returns:
        Dict from (corruption, grid) to rows with rising levels; the grid is None, and the rows have
        rising numbers of tiles, where a corruption has no levels.
    """
    groups = {}
    for row in rows:
        if row.corruption != "clean" and row.data is None:
            key = (row.corruption, None if row.level is None else row.grid)
            groups.setdefault(key, []).append(row)
    return groups


def occluded_sets(rows):
    """Groups the rows of sets of occluded images.

    Returns:
        Dict from (the name of a set, None) to its rows, one for each split.
    """
    groups = {}
    for row in rows:
        if row.data is not None:
            groups.setdefault((row.corruption, None), []).append(row)
    return groups


def summarise(rows):
    """Returns the summary of a report's rows, see `Report`."""
    clean = rows[0]
    summary = []
    for (corruption, grid), members in sweeps(rows).items():
        hardest = members[-1].top1
        summary.append(
            {
                "corruption": corruption,
                "grid": None if grid is None else list(grid),
                "levels": [row.level for row in members if row.level is not None],
                "mean": _mean(members),
                "area": _area([clean, *members]),
                "drop": None if None in (clean.top1, hardest) else clean.top1 - hardest,
            }
        )
    for (name, _), members in occluded_sets(rows).items():
        # They are other images than the clean ones: nothing has dropped.
        entry = {"corruption": name, "grid": None, "levels": [], "mean": _mean(members)}
        summary.append({**entry, "area": None, "drop": None})
    return summary


def _mean(rows):
    """Returns the mean of top-1 over rows, None where a row has none."""
    values = [row.top1 for row in rows]
    return None if None in values else math.fsum(values) / len(values)


def _area(rows):
    """Returns the mean height of the curve of top-1 against the true share, by trapezoids."""
    span = rows[-1].share
    if rows[-1].level is None or not span > 0 or any(row.top1 is None for row in rows):
        return None
    points = [(0.0, rows[0].top1), *((row.share, row.top1) for row in rows[1:])]
    return (
        sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points)) / span
    )


def warn_of_nonfinite(rows):
    """Warns of rows with outputs that were not finite, for the caller of who calls this."""
    bad = [row for row in rows if row.n_nonfinite]
    if bad:
        counts = (f"{r.n_nonfinite} of {r.n + r.n_nonfinite} ({r.name})" for r in bad)
        warnings.warn(
            "The model's output was not finite, and was not scored, for some images: "
            + ", ".join(counts),
            UserWarning,
            stacklevel=4,
        )
