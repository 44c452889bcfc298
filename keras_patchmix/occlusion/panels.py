"""Which curves of one or several reports are drawn where: the same on the page and in pictures."""

import dataclasses
import itertools
import math

from keras_patchmix.occlusion.report import Report
from keras_patchmix.occlusion.rows import sweeps

# Okabe and Ito's colours, told apart with every common colour vision; yellow left out. They, and
# the marks, are repeated beyond seven lines with another pattern of dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^vPX"
_MOST_LINES = 5  # of one report in one panel; more are told apart by looking too hard
_Z = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclasses.dataclass(frozen=True)
class Point:
    """A row as a point of a curve.

    Attributes:
        x: Per cent of the pixels, or the binary logarithm of the number of tiles.
        y: Top-1 accuracy in per cent; None where no image was scored.
        low: Low end of its 95 % interval, in per cent; None where `y` is.
        high: High end.
        row: The `Row`.
    """

    x: float
    y: float | None
    low: float | None
    high: float | None
    row: object


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        label: What tells it apart within its panel.
        number: From 0, decides colour, mark and dashes; a label has the same one in all panels.
        points: Tuple of `Point`, from left to right, the clean one first.
    """

    label: str
    number: int
    points: tuple

    @property
    def pieces(self):
        """List of runs of neighbouring points that have a `y`: gaps stay gaps."""
        groups = itertools.groupby(self.points, key=lambda point: point.y is not None)
        return [list(points) for scored, points in groups if scored]


@dataclasses.dataclass(frozen=True)
class Panel:
    """A pair of axes and what is drawn on them.

    Attributes:
        title: Such as "Patch drop, 14×14 grid".
        is_loss: Whether x is the share of pixels affected; else it is the number of tiles.
        lines: Tuple of `Line`.
    """

    title: str
    is_loss: bool
    lines: tuple

    @property
    def tile_counts(self):
        """Sorted numbers of tiles of all points."""
        return sorted({_tiles(point.row) for line in self.lines for point in line.points})


def as_dict(reports):
    """Returns a dict from names to reports; the name of a single report is its model's, or "model".

    Args:
        reports: A `Report`, or a dict from names to reports.

    Raises:
        ValueError: Neither, or an empty dict.
    """
    if isinstance(reports, Report):
        return {str(reports.settings.get("model") or "model"): reports}
    is_dict = isinstance(reports, dict) and len(reports) > 0
    if is_dict and all(isinstance(report, Report) for report in reports.values()):
        return {str(name): report for name, report in reports.items()}
    raise ValueError(
        f"`reports` must be a Report or a dict from names to reports. Received: reports={reports!r}"
    )


def panels(reports):
    """Lays out the curves.

    One report: the curves over the share of pixels in one panel, or one panel for each kind of
    corruption where they are many; those over the number of tiles in another. Several reports:
    a panel for each corruption and grid, with a line for each report.

    Args:
        reports: A `Report`, or a dict from names to reports.

    Returns:
        A list of `Panel`, at least one: clean accuracy alone where there is nothing else.
    """
    named = as_dict(reports)
    if len(named) == 1:
        (report,) = named.values()
        drawn = _of_one(report)
    else:
        drawn = _of_several(named)
    numbers = _numbers(drawn)
    return [
        Panel(
            title,
            is_loss,
            tuple(
                Line(label, numbers[title, label], tuple(_point(row, is_loss) for row in rows))
                for label, rows in curves
            ),
        )
        for title, is_loss, curves in drawn
    ]


def _numbers(drawn):
    """Dict from (title, label) to a number: the same for a label in all panels.

    Where the labels are more than the colours, and stand in one panel each, panels begin anew.
    """
    labels = dict.fromkeys(label for _, _, curves in drawn for label, _ in curves)
    order = {label: number for number, label in enumerate(labels)}
    shared = sum(len(curves) for _, _, curves in drawn) > len(order)
    anew = len(order) > len(COLOURS) and not shared
    return {
        (title, label): number if anew else order[label]
        for title, _, curves in drawn
        for number, (label, _) in enumerate(curves)
    }


def curve_title(corruption, grid):
    """Returns such as "Patch drop, 14×14 grid"."""
    text = corruption.replace("_", " ").capitalize()
    return text if grid is None else f"{text}, {grid[0]}×{grid[1]} grid"


def row_title(row):
    """Returns such as "Patch drop, 14×14, 60 %", the last space one that does not break.

    A row about a set of occluded images goes by its name.
    """
    if row.data is not None:
        return row.name
    parts = [row.corruption.replace("_", " ").capitalize()]
    if row.grid is not None:
        parts.append(f"{row.grid[0]}×{row.grid[1]}")
    if row.level is not None:
        parts.append(f"{100 * row.level:.6g}\u00a0%")
    return ", ".join(parts)


def interval(p, n):
    """Returns Wilson's 95 % interval of a share, which is none too narrow near 0 and 1.

    Reference: Wilson, Journal of the American Statistical Association 22 (1927).

    Args:
        p: The share, in [0, 1].
        n: Number of trials, above 0.

    Returns:
        Two floats in [0, 1].
    """
    scale = 1 + _Z**2 / n
    middle = (p + _Z**2 / (2 * n)) / scale
    half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / scale
    # At 0 and 1 rounding would leave p itself outside.
    return max(min(middle - half, p), 0.0), min(max(middle + half, p), 1.0)


def ceiling(drawn):
    """Returns the top of the common y axis of panels, see `end_of_axis`."""
    return end_of_axis(
        point.high for panel in drawn for line in panel.lines for point in line.points
    )


def end_of_axis(highs):
    """Returns the end of an axis of accuracy, in per cent: 100, or less where all is far below.

    Args:
        highs: Iterable of the high ends of intervals, in per cent, or of None.
    """
    best = max((high for high in highs if high is not None), default=100.0)
    return next((end for end in (5, 10, 20, 40, 60, 80) if 1.04 * best <= end), 100)


def _of_one(report):
    """List of (title, is_loss, curves); a curve is (label, rows)."""
    clean = report.rows[0]
    loss, tiles = [], []
    for (corruption, grid), rows in sweeps(report.rows).items():
        side = loss if _is_loss(rows) else tiles
        side.append((corruption, curve_title(corruption, grid), [clean, *rows]))
    drawn = _split(loss, "Occlusion") if len(loss) > _MOST_LINES else _joined(loss, "Occlusion")
    drawn = [(title, True, curves) for title, curves in drawn]
    drawn += [(title, False, curves) for title, curves in _joined(tiles, "Shuffled tiles")]
    return drawn or [("Clean", True, [("clean", [clean])])]


def _joined(curves, title):
    if not curves:
        return []
    return [(title if len(curves) > 1 else curves[0][1], [curve[1:] for curve in curves])]


def _split(curves, title):
    """One panel for each kind of corruption: patch_drop and patch_drop_noise are of one."""
    kinds = {}
    for curve in curves:
        words = curve[0].split("_")
        kind = "_".join(words[: 2 if words[0] == "patch" else 1])
        kinds.setdefault(kind, []).append(curve)
    return [
        panel
        for kind, members in kinds.items()
        for panel in _joined(members, curve_title(kind or title, None))
    ]


def _of_several(reports):
    drawn = {}
    for name, report in reports.items():
        for key, rows in sweeps(report.rows).items():
            panel = drawn.setdefault(key, (curve_title(*key), _is_loss(rows), []))
            panel[2].append((name, [report.rows[0], *rows]))
    return list(drawn.values()) or [
        ("Clean", True, [(name, [report.rows[0]]) for name, report in reports.items()])
    ]


def _is_loss(rows):
    """Tiles are counted only where there are no levels, and a grid to count them by."""
    return any(row.level is not None or row.grid is None for row in rows)


def _tiles(row):
    return 1 if row.grid is None else row.grid[0] * row.grid[1]


def _point(row, is_loss):
    x = 100 * row.share if is_loss else math.log2(_tiles(row))
    if row.top1 is None or not row.n:
        return Point(x, None, None, None, row)
    low, high = interval(row.top1, row.n)
    return Point(x, 100 * row.top1, 100 * low, 100 * high, row)
