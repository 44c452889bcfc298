"""Which curves and dots of one or several reports are drawn where."""

import math

from keras_patchmix.base import atomic
from keras_patchmix.occlusion.intervals import interval_of
from keras_patchmix.occlusion.rows import sweeps
from keras_patchmix.report.curves import Curves, Dot, Line, Panel, Point
from keras_patchmix.report.style import COLORS
from keras_patchmix.report.text import grid_text, level_text

_MOST_LINES = 5  # most curves of one report in one panel
# Panels of one report by what x is; None: one for each family.
_TITLES = {"share": "Occlusion", "tiles": "Shuffled tiles", "severity": None}


def draw(named, path=None):
    """Draws the curves, and writes the figure atomically if there is a path.

    Args:
        named: Dict from names to `Report`s.
        path: PNG, PDF or SVG file, or None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = curves_of(named).draw(_title(named))
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


def curves_of(named):
    """Lays out the curves.

    One report: the curves over the share of pixels in one panel, or one panel for each family of
    corruptions where they are many; those over the number of tiles in another, those over a
    severity in one each. Several reports: a panel for each corruption and grid, with a line for
    each report.

    Args:
        named: Dict from names to `Report`s.

    Returns:
        `Curves` of at least one panel: clean accuracy alone where there is nothing else.
    """
    several = len(named) > 1
    drawn = _of_several(named) if several else _of_one(next(iter(named.values())))
    numbers = _numbers(drawn)
    panels = [
        Panel(
            title,
            axis,
            tuple(
                Line(label, numbers[title, label], tuple(_point(row, axis) for row in rows))
                for label, rows in curves
            ),
        )
        for title, axis, curves in drawn
    ]
    return Curves(panels, _sets(named, panels), several)


def _title(named):
    """Returns the title of a figure: the model and the number of images."""
    counts = {
        max(row.n + row.n_nonfinite for row in report.rows if row.data is None)
        for report in named.values()
    }
    sets = any(report.datasets for report in named.values())
    images = f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,} to {max(counts):,}"
    text = f"{images} image{'' if counts == {1} else 's'}"
    text += ", and those of the sets" if sets else ""
    text += "; bands: 95 % intervals"
    return f"{next(iter(named))}: {text}" if len(named) == 1 else text


def _sets(reports, panels):
    """Dict from the name of a set of occluded images to the dots of the reports."""
    numbers = {line.label: line.number for panel in panels for line in panel.lines}
    found = {}
    for place, (label, report) in enumerate(reports.items()):
        number = numbers.get(label, place) if len(reports) > 1 else 0
        for row in report.rows:
            if row.data is not None:
                found.setdefault(row.name, []).append(Dot(label, number, *_score(row)))
    return found


def _numbers(drawn):
    """Dict from (title, label) to the index of a style, the same for a label in all panels.

    If there are more labels than colors, and each is in one panel only, each panel starts at 0.
    """
    labels = dict.fromkeys(label for _, _, curves in drawn for label, _ in curves)
    order = {label: number for number, label in enumerate(labels)}
    shared = sum(len(curves) for _, _, curves in drawn) > len(order)
    anew = len(order) > len(COLORS) and not shared
    return {
        (title, label): number if anew else order[label]
        for title, _, curves in drawn
        for number, (label, _) in enumerate(curves)
    }


def curve_title(title, grid):
    """Returns such as "Patch drop, 14×14 grid"."""
    return title if grid is None else f"{title}, {grid_text(grid, '×')} grid"


def row_title(row):
    """Returns such as "Patch drop, 14×14, 60 %", the last space one that does not break.

    A row about a set of occluded images goes by its name.
    """
    if row.data is not None:
        return row.name
    grid = grid_text(row.grid, "×")
    level = level_text(row, "\u00a0")
    return ", ".join(part for part in (row.title, grid, level) if part)


def _of_one(report):
    """List of (title, axis, curves); a curve is (label, rows)."""
    clean = report.rows[0]
    found = {axis: [] for axis in _TITLES}
    for (_, grid), rows in sweeps(report.rows).items():
        curve = (curve_title(rows[0].title, grid), [clean, *rows])
        found[_axis(rows)].append((rows[0].family, curve))
    panels = {}
    for axis, title in _TITLES.items():
        split = title is None or (axis == "share" and len(found[axis]) > _MOST_LINES)
        for family, curve in found[axis]:
            panels.setdefault((family if split else title, axis), []).append(curve)
    drawn = [
        (title if len(curves) > 1 else curves[0][0], axis, curves)
        for (title, axis), curves in panels.items()
    ]
    return drawn or [("Clean", "share", [("clean", [clean])])]


def _of_several(reports):
    drawn = {}
    for name, report in reports.items():
        for key, rows in sweeps(report.rows).items():
            title = curve_title(rows[0].title, key[1])
            panel = drawn.setdefault(key, (title, _axis(rows), []))
            panel[2].append((name, [report.rows[0], *rows]))
    return list(drawn.values()) or [
        ("Clean", "share", [(name, [report.rows[0]]) for name, report in reports.items()])
    ]


def _axis(rows):
    """What x is: the number of tiles for grids without levels."""
    if rows[0].severity is not None:
        return "severity"
    has_share = any(row.level is not None or row.grid is None for row in rows)
    return "share" if has_share else "tiles"


def _x(row, axis):
    if axis == "severity":
        return row.severity or 0
    if axis == "share":
        return 100 * row.share
    return math.log2(1 if row.grid is None else row.grid[0] * row.grid[1])


def _point(row, axis):
    x = _x(row, axis)
    y, low, high = _score(row)
    if y is None:
        return Point(x, y, low, high, f"{row_title(row)}: no image scored")
    affected = f"{100 * row.share:.1f} % of the pixels, " if row.share else ""
    words = f"{row_title(row)}: {affected}top-1 {y:.1f} % ({low:.1f} to {high:.1f})"
    return Point(x, y, low, high, words)


def _score(row):
    """Top-1 and the ends of its interval in percent; None where no image was scored."""
    if row.top1 is None or not row.n:
        return None, None, None
    return tuple(100 * value for value in (row.top1, *interval_of(row)))
