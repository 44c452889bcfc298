"""Curves of accuracy against information loss, for one report or several models side by side."""

import math

from keras_patchmix import _atomic
from keras_patchmix._optional import require
from keras_patchmix.occlusion.report import Report, sweeps

# Okabe and Ito's colours, told apart with every common colour vision; yellow left out.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vPX"
_Z = 1.96


def plot_reports(reports, path=None):
    """Draws top-1 accuracy against information loss, the true share of pixels affected.

    One report: one panel with a line per corruption and grid, and one for permutations against the
    number of tiles. Several: one panel per corruption and grid, with a line per model. Bands are
    95 % intervals, 1.96 standard errors to each side.

    Args:
        reports: A `Report`, or a dict from a model's name to its report.
        path: File to write atomically; its ending decides the format: PNG, PDF or SVG.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state changed.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: No report.
    """
    if isinstance(reports, Report):
        panels = _panels_of_one(reports)
    elif isinstance(reports, dict) and reports:
        panels = _panels_of_several(reports)
    else:
        raise ValueError(
            "`reports` must be a Report or a dict from names to reports. "
            f"Received: reports={reports!r}"
        )
    figure = _draw(panels, one=isinstance(reports, Report))
    if path is not None:
        _atomic.write_figure(path, figure)
    return figure


def _panels_of_one(report):
    """Returns a list of (title, is_loss, lines); a line is (label, rows)."""
    clean = report.rows[0]
    groups = sweeps(report.rows)
    loss = [
        (_title(corruption, grid), [clean, *rows])
        for (corruption, grid), rows in groups.items()
        if rows[0].level is not None
    ]
    tiles = [
        (_title(corruption, grid), [clean, *rows])
        for (corruption, grid), rows in groups.items()
        if rows[0].level is None
    ]
    shuffled = tiles[0][0] if len(tiles) == 1 else "Shuffled tiles"
    panels = [("Occlusion", True, loss), (shuffled, False, tiles)]
    return [panel for panel in panels if panel[2]] or [("Clean", True, [("clean", [clean])])]


def _panels_of_several(reports):
    """Returns one panel per corruption and grid that any report holds, a line per report."""
    panels = {}
    for name, report in reports.items():
        for key, rows in sweeps(report.rows).items():
            panel = panels.setdefault(key, (_title(*key), rows[0].level is not None, []))
            panel[2].append((name, [report.rows[0], *rows]))
    return list(panels.values()) or [
        ("Clean", True, [(name, [report.rows[0]]) for name, report in reports.items()])
    ]


def _title(corruption, grid):
    text = corruption.replace("_", " ").capitalize()
    return text if grid is None else f"{text}, {grid[0]}×{grid[1]} grid"


def _draw(panels, one):
    # The object interface: pyplot would pick a global backend and keep every figure alive.
    figure_class = require("matplotlib.figure", "plotting a report").Figure
    columns = len(panels) if len(panels) <= 3 else 2 if len(panels) == 4 else 3
    lines = -(-len(panels) // columns)
    width, height = (5.4, 4.2) if one else (4.4, 3.4)
    figure = figure_class(
        figsize=(max(width * columns, 5.4), height * lines + (0 if one else 0.6)),
        layout="constrained",
    )
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
    names = list(dict.fromkeys(label for _, _, drawn in panels for label, _ in drawn))
    handles = {}
    for number, axis in enumerate(axes.flat):
        if number >= len(panels):
            axis.set_visible(False)
            continue
        title, is_loss, drawn = panels[number]
        for label, rows in drawn:
            handles[label] = _line(axis, label, rows, is_loss, names.index(label))
        _decorate(axis, title, is_loss, drawn, first=number % columns == 0)
        if one and len(drawn) > 1:
            axis.legend(frameon=False, fontsize=9, loc="best")
    axes.flat[0].set_ylim(0, _ceiling(panels))
    if not one:
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside upper center",
            ncols=min(len(handles), 4),
            frameon=False,
            fontsize=10,
        )
    return figure


def _ceiling(panels):
    best = max(
        row.top1 + _Z * row.standard_error
        for _, _, drawn in panels
        for _, rows in drawn
        for row in rows
    )
    return min(max(5, 100 * best * 1.08), 102)


def _line(axis, label, rows, is_loss, number):
    colour = _COLOURS[number % len(_COLOURS)]
    x = [100 * row.share if is_loss else math.log2(_tiles(row)) for row in rows]
    y = [100 * row.top1 for row in rows]
    low = [100 * max(row.top1 - _Z * row.standard_error, 0) for row in rows]
    high = [100 * min(row.top1 + _Z * row.standard_error, 1) for row in rows]
    axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    (line,) = axis.plot(
        x,
        y,
        color=colour,
        marker=_MARKERS[number % len(_MARKERS)],
        markersize=6.5,
        markeredgecolor="white",
        linewidth=1.8,
        clip_on=False,
        zorder=3,
        label=label,
    )
    return line


def _tiles(row):
    return 1 if row.grid is None else row.grid[0] * row.grid[1]


def _decorate(axis, title, is_loss, drawn, first):
    axis.set_title(title, fontsize=11, loc="left", fontweight="bold")
    if is_loss:
        axis.set_xlabel("Information loss (% of pixels)")
        axis.set_xlim(left=0)
    else:
        axis.set_xlabel("Number of tiles")
        counts = sorted({_tiles(row) for _, rows in drawn for row in rows})
        axis.set_xticks([math.log2(count) for count in counts], map(str, counts))
    if first:
        axis.set_ylabel("Top-1 accuracy (%)")
    axis.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
