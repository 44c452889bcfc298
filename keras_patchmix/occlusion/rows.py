"""The rows of a report: made from counts, grouped into curves, summarized, and by class."""

import dataclasses
import itertools
import math
import warnings

import numpy as np

from keras_patchmix.corruptions.member import in_words
from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT, WRONG
from keras_patchmix.occlusion.sequential import accuracy_interval


@dataclasses.dataclass(frozen=True)
class Row:
    """The score under one condition.

    Attributes:
        name: Such as `"patch_drop_14x14_50"`, or `"clean"`.
        corruption: Such as `"patch_drop"`.
        grid: (rows, columns) or None.
        level: Share asked for, or None.
        share: Share of all pixels affected, in [0, 1]; the mean coverage of a set of occluded
            images, None if it has none.
        n: Number of images scored.
        top1: Share of them whose class has the highest score; None if `n` is 0.
        top5: Share of them whose class is among the five highest; None below 6 classes.
        standard_error: Standard error of `top1`, sqrt(p (1 - p) / n).
        n_nonfinite: Number of images with an output that is not finite. They are not scored.
        data: The set of occluded images of the row, such as `"my_set:test"`; None for rows of the
            benchmark's own images.
        title: Name of the corruption in figures and tables. Made of `corruption` when None, as in
            reports of schema version 3 and before.
        family: Corruptions of one family share a panel. `title` when None.
        severity: Level that is no share, of a `Custom` corruption; else None.
        interval: Of a sequential evaluation, the pair (low, high) of the 95 % interval of the
            accuracy on all images of the data set, of which `n` were scored. None otherwise.
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
    severity: float | None = None
    interval: tuple[float, float] | None = None

    def __post_init__(self):
        if self.title is None:
            object.__setattr__(self, "title", in_words(self.corruption))
        if self.family is None:
            object.__setattr__(self, "family", self.title)


@dataclasses.dataclass(frozen=True)
class Summary:
    """The rows of one corruption and grid summed up, or those of a set of occluded images.

    Attributes:
        corruption: Such as `"patch_drop"`, or the name of the set.
        grid: (rows, columns); None for a set, and for corruptions without levels.
        levels: Tuple of the levels.
        mean: Mean of top-1 over the levels (over tilings, or splits of a set), without clean.
        area: Area under the curve of top-1 over the true share, by the trapezoidal rule, clean
            included, divided by the range of shares. None without levels.
        drop: Clean minus the hardest condition; None for a set, which has no clean counterpart.

    `mean`, `area` and `drop` are None if a row that they need has no scored image.
    """

    corruption: str
    grid: tuple[int, int] | None
    levels: tuple[float, ...]
    mean: float | None
    area: float | None
    drop: float | None


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """The score of one class under one condition.

    Attributes:
        name: Name of the report's row, such as `"patch_drop_14x14_50"`.
        label: Class id.
        class_name: Name of the class, or None if it was not given.
        n: Number of the class's images that were scored.
        top1: Share of them that were right, in [0, 1]; None if n is 0.
        standard_error: Standard error of `top1`, sqrt(p (1 - p) / n).
        drop: The class's accuracy on clean images minus `top1`; None if one of them is, or the row
            is of a set of occluded images.
    """

    name: str
    label: int
    class_name: str | None
    n: int
    top1: float | None
    standard_error: float | None
    drop: float | None


def make_rows(conditions, tally, input_shape):
    """Makes the rows of a report from counts.

    Args:
        conditions: Sequence of `Condition`.
        tally: A `Tally` of these conditions.
        input_shape: (height, width, channels) of the images.

    Returns:
        List of `Row`.
    """
    outcomes, sequential = tally.outcomes(), tally.sequential
    area = math.prod(input_shape[:2])
    rows = []
    for condition in conditions:
        top1, pixels = outcomes.top1[condition.name], outcomes.pixels[condition.name]
        n, nonfinite = int(np.sum(top1 >= WRONG)), int(np.sum(top1 == NOT_SCORED))
        p = int(np.sum(top1 == RIGHT)) / n if n else None
        rows.append(
            Row(
                name=condition.name,
                corruption=condition.corruption,
                grid=condition.grid,
                level=condition.level,
                share=int(np.sum(pixels)) / ((n + nonfinite) * area),
                n=n,
                top1=p,
                top5=tally.top5[condition.name] / n if n and tally.classes >= 6 else None,
                standard_error=_standard_error(p, n),
                n_nonfinite=nonfinite,
                data=condition.data,
                title=condition.title,
                family=condition.family,
                severity=condition.severity,
                interval=None if sequential is None else row_interval(top1, sequential),
            )
        )
    return rows


def row_interval(top1, sequential):
    """Returns the interval of a row of a sequential evaluation, in [0, 1]; None without a score.

    Args:
        top1: int8 array, see `Outcomes`, in the order in which the examples were taken.
        sequential: Dict with the "population" and the "precision", in points.
    """
    scored = top1[top1 >= WRONG]
    if not len(scored):
        return None
    population = sequential["population"] - int(np.sum(top1 == NOT_SCORED))
    ends = accuracy_interval(scored == RIGHT, population, sequential["precision"] / 100)
    return tuple(map(float, ends))


def row_named(rows, name):
    """Returns the row of a name; raises KeyError, which lists the names, if there is none."""
    for row in rows:
        if row.name == name:
            return row
    raise KeyError(f"No row {name!r}. Rows: {', '.join(row.name for row in rows)}")


def sweeps(rows):
    """Groups the rows of corruptions into curves.

    Returns:
        Dict from (corruption, grid) to rows of ascending levels. For corruptions without levels the
        grid is None, and the numbers of tiles ascend.
    """
    groups = {}
    for row in rows:
        if row.corruption != "clean" and row.data is None:
            key = (row.corruption, None if row.level is None else row.grid)
            groups.setdefault(key, []).append(row)
    return groups


def occluded_sets(rows):
    """Returns a dict from (name of a set of occluded images, None) to the rows of its splits."""
    groups = {}
    for row in rows:
        if row.data is not None:
            groups.setdefault((row.corruption, None), []).append(row)
    return groups


def summarize(rows):
    """Returns a list of `Summary`, one for each group of `sweeps` and `occluded_sets`."""
    clean = rows[0]
    summary = []
    for (corruption, grid), members in sweeps(rows).items():
        hardest = members[-1].top1
        levels = tuple(row.level for row in members if row.level is not None)
        drop = None if None in (clean.top1, hardest) else clean.top1 - hardest
        area = _area([clean, *members])
        summary.append(Summary(corruption, grid, levels, _mean(members), area, drop))
    for (name, _), members in occluded_sets(rows).items():
        summary.append(Summary(name, None, (), _mean(members), None, None))
    return summary


def overall_mean(rows):
    """Returns the mean of the summary's means; None if a row has no score, or all are clean."""
    means = [each.mean for each in summarize(rows)]
    return None if None in means or not means else math.fsum(means) / len(means)


def _mean(rows):
    """Returns the mean of top-1 over rows, or None if a row has no score."""
    values = [row.top1 for row in rows]
    return None if None in values else math.fsum(values) / len(values)


def _area(rows):
    """Returns the mean height of top-1 over the true share, by the trapezoidal rule."""
    span = rows[-1].share
    if rows[-1].level is None or not span > 0 or any(row.top1 is None for row in rows):
        return None
    points = [(0.0, rows[0].top1), *((row.share, row.top1) for row in rows[1:])]
    return (
        sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points)) / span
    )


def warn_of_nonfinite(rows):
    """Warns of rows with outputs that are not finite."""
    bad = [row for row in rows if row.n_nonfinite]
    if bad:
        counts = (f"{r.n_nonfinite} of {r.n + r.n_nonfinite} ({r.name})" for r in bad)
        warnings.warn(
            "The model's output was not finite, and was not scored, for some images: "
            + ", ".join(counts),
            UserWarning,
            stacklevel=4,
        )


def class_rows(outcomes, class_names=None, clean_first=True):
    """Counts outcomes class by class.

    Args:
        outcomes: `Outcomes`.
        class_names: Sequence of names, or None. Label `i` is `class_names[i]`.
        clean_first: Whether the first row is the clean one.

    Returns:
        List of `ClassRow`: for every row of the report all classes present, in ascending order.
    """
    labels, where = np.unique(outcomes.labels, return_inverse=True)
    rows, clean = [], None
    for name, top1 in outcomes.top1.items():
        scored = np.bincount(where[top1 >= WRONG], minlength=len(labels)).tolist()
        right = np.bincount(where[top1 == RIGHT], minlength=len(labels)).tolist()
        accuracy = [r / n if n else None for r, n in zip(right, scored, strict=True)]
        clean = clean or (accuracy if clean_first else [None] * len(accuracy))
        for label, n, p, unoccluded in zip(labels.tolist(), scored, accuracy, clean, strict=True):
            drop = None if p is None or unoccluded is None else unoccluded - p
            class_name = None if class_names is None else class_names[label]
            rows.append(ClassRow(name, label, class_name, n, p, _standard_error(p, n), drop))
    return rows


def _standard_error(p, n):
    return math.sqrt(p * (1 - p) / n) if n else None
