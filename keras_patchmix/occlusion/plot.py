"""Pictures of accuracy against information loss, for one report or several models side by side."""

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_patchmix import _atomic
from keras_patchmix._names import printable
from keras_patchmix._optional import require
from keras_patchmix._types import FilePath
from keras_patchmix.occlusion.dots import TITLE, dots, words
from keras_patchmix.occlusion.panels import COLOURS, MARKERS, as_dict, ceiling, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.occlusion.report import Report

_DASHES = ("-", "--", ":", "-.")
_LABEL_WIDTH = 36  # characters of a line of a label


def plot_reports(
    reports: "Report | Mapping[str, Report]", path: FilePath | None = None
) -> "Figure":
    """Draws top-1 accuracy against information loss, the true share of pixels affected.

    One report: one panel with a line per corruption and grid (one panel per kind of corruption
    where there are more than five), and one for permutations against the number of tiles. Several:
    one panel per corruption and grid, with a line per model. Bands are Wilson's 95 % intervals.
    Sets of occluded images stand in a panel of their own, as dots with intervals. Where a row has
    no score, as no output was finite, the line has a gap.

    Args:
        reports: A `Report`, or a dict from a model's name to its report. A dict of one report is
            drawn as that report, under its name there.
        path: File to write atomically; its ending decides the format: PNG, PDF or SVG.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state changed.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: No report.
    """
    named = as_dict(reports)
    drawn = panels(named)
    figure = _draw(drawn, dots(named, drawn), one=len(named) == 1)
    _title(figure, named)
    if path is not None:
        _atomic.write_figure(path, figure)
    return figure


def _draw(drawn, sets, one):
    # The object interface: pyplot would pick a global backend and keep every figure alive.
    figure_class = require("matplotlib.figure", "plotting a report").Figure
    count = len(drawn) + bool(sets)
    columns = count if count <= 3 else 2 if count == 4 else 3
    lines = -(-count // columns)
    width, height = (5.4, 4.2) if one else (4.4, 3.4)
    labels = [line.label for panel in drawn for line in panel.lines]
    if not one:
        labels += [dot.label for members in sets.values() for dot in members]
    labels = list(dict.fromkeys(labels))
    figure = figure_class(
        figsize=(
            max(width * columns, 5.4),
            height * lines + 0.4 + (0 if one else 0.25 * _legend_lines(labels)),
        ),
        layout="constrained",
    )
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
    handles = {}
    for number, axis in enumerate(axes.flat):
        if number == len(drawn) and sets:
            axis.remove()
            # Its own y axis: that of the others is accuracy.
            handles |= _dots(figure.add_subplot(lines, columns, number + 1), sets)
            continue
        if number >= len(drawn):
            axis.set_visible(False)
            continue
        panel = drawn[number]
        for line in panel.lines:
            handles[line.label] = _line(axis, line)
        _decorate(axis, panel, first=number % columns == 0)
        if one and len(panel.lines) > 1:
            _name(
                axis.legend(**_unnamed(axis.lines), fontsize=9, loc="best"),
                [line.label for line in panel.lines],
            )
    axes.flat[0].set_ylim(0, ceiling(drawn))
    if not one:
        legend = figure.legend(
            **_unnamed(handles.values()),
            loc="outside lower center",
            ncols=_legend_columns(labels),
            fontsize=10,
        )
        _name(legend, handles)
    return figure


def _title(figure, named):
    """Says what was scored, and on how many images."""
    counts = {report.rows[0].n + report.rows[0].n_nonfinite for report in named.values()}
    sets = any(report.datasets for report in named.values())
    images = f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,} to {max(counts):,}"
    text = f"{images} image{'' if counts == {1} else 's'}"
    text += ", and those of the sets" if sets else ""
    if len(named) == 1:
        text = f"{next(iter(named))}: {text}"
    title = figure.suptitle(_wrapped(text, 70), fontsize=11, x=0.01, ha="left")
    title.set_parse_math(False)


def _legend_columns(labels):
    longest = max(min(len(label), _LABEL_WIDTH) for label in labels)
    return max(1, min(len(labels), 4, 100 // (longest + 8)))


def _legend_lines(labels):
    rows = -(-len(labels) // _legend_columns(labels))
    return rows * max(_wrapped(label).count("\n") + 1 for label in labels)


def _unnamed(handles):
    """Arguments of a legend, without names: matplotlib leaves out those that begin with "_"."""
    handles = list(handles)
    return {"handles": handles, "labels": [" "] * len(handles), "frameon": False}


def _name(legend, labels):
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)  # a "$" in a name is a dollar
        text.set_text(_wrapped(label))


def _wrapped(text, width=_LABEL_WIDTH):
    lines = textwrap.wrap(printable(text), width, max_lines=3, placeholder=" …")
    return "\n".join(lines) or " "


def _line(axis, line):
    colour = COLOURS[line.number % len(COLOURS)]
    for points in line.pieces:
        axis.fill_between(
            [point.x for point in points],
            [point.low for point in points],
            [point.high for point in points],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    (drawn,) = axis.plot(
        [point.x for point in line.points],
        [math.nan if point.y is None else point.y for point in line.points],
        color=colour,
        linestyle=_DASHES[line.number // len(COLOURS) % len(_DASHES)],
        marker=MARKERS[line.number % len(MARKERS)],
        markersize=6.5,
        markeredgecolor="white",
        linewidth=1.8,
        clip_on=False,
        zorder=3,
        label=line.label,
    )
    return drawn


def _dots(axis, sets):
    """Draws sets from top to bottom, and below each name a dot for each model.

    Returns:
        Dict from the labels of models to what a legend shows of them.
    """
    handles, ends = {}, [10.0]
    most = max(map(len, sets.values()))
    for place, (name, members) in enumerate(sets.items()):
        axis.text(
            0.01,
            place,
            _wrapped(words(name)),
            transform=axis.get_yaxis_transform(),
            va="center",
            fontsize=9,
            parse_math=False,
        )
        for i, dot in enumerate(members):
            if dot.y is None:
                continue
            ends.append(dot.high)
            handles[dot.label] = axis.errorbar(
                [dot.y],
                [place + 0.25 + 0.6 * (i + 0.5) / max(most, 2)],
                xerr=[[dot.y - dot.low], [dot.high - dot.y]],
                color=COLOURS[dot.number % len(COLOURS)],
                marker=MARKERS[dot.number % len(MARKERS)],
                markersize=6.5,
                markeredgecolor="white",
                linewidth=1.8,
                label=dot.label,
            )
    axis.set_ylim(len(sets), -0.4)
    axis.set_xlim(0, min(1.05 * max(ends), 102))
    axis.set_yticks([])
    axis.set_title(TITLE, fontsize=11, loc="left", fontweight="bold")
    axis.set_xlabel("Top-1 accuracy (%)")
    axis.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(labelsize=9)
    return handles


def _decorate(axis, panel, first):
    title = printable(panel.title)
    axis.set_title(title, fontsize=11, loc="left", fontweight="bold", parse_math=False)
    if panel.is_loss:
        axis.set_xlabel("Information loss (% of pixels)")
        axis.set_xlim(left=0)
    else:
        axis.set_xlabel("Number of tiles")
        counts = panel.tile_counts
        axis.set_xticks([math.log2(count) for count in counts], map(str, counts))
    if first:
        axis.set_ylabel("Top-1 accuracy (%)")
    axis.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
