"""The figure of accuracy under occlusion: curves in panels, and sets of occluded images as dots."""

import dataclasses
import itertools
import math

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.report.style import add_legend, line_style, new_figure, open_axes, wrapped

SETS_TITLE = "Sets of occluded images"
_WIDTH = 4.4  # inches of a panel
_AXES = {
    "share": "Information loss (% of pixels)",
    "tiles": "Number of tiles",
    "severity": "Severity",
}
_AXES_IN_WORDS = {
    "share": "the share of pixels affected",
    "tiles": "the number of tiles",
    "severity": "severity",
}


@dataclasses.dataclass(frozen=True)
class Point:
    """The score under one condition.

    Attributes:
        x: Percent of the pixels affected, the binary logarithm of the number of tiles, or the
            severity, which is 0 of the clean images.
        y: Top-1 accuracy in percent; None where no image was scored.
        low: Low end of its 95 % interval, in percent; None where `y` is.
        high: High end.
        words: Text alternative, such as "Patch drop, 60 %: top-1 31.0 %".
    """

    x: float
    y: float | None
    low: float | None
    high: float | None
    words: str


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        label: Name in the legend.
        number: Index of the style, from 0; a label has the same one in all panels.
        points: Tuple of `Point`, from left to right, the clean one first.
    """

    label: str
    number: int
    points: tuple


@dataclasses.dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: Such as "Patch drop, 14×14 grid".
        axis: What x is: `"share"` of pixels affected, number of `"tiles"`, or `"severity"`.
        lines: Tuple of `Line`.
    """

    title: str
    axis: str
    lines: tuple


@dataclasses.dataclass(frozen=True)
class Dot:
    """The score of one model on one set of occluded images.

    Attributes:
        label: The model's name.
        number: Index of the style, that of the model's `Line`s.
        y: Top-1 accuracy in percent; None where no image was scored.
        low: Low end of its 95 % interval, in percent; None where `y` is.
        high: High end.
    """

    label: str
    number: int
    y: float | None
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class Curves:
    """The curves and dots of one or several models.

    Attributes:
        panels: List of `Panel`.
        sets: Dict from the name of a set of occluded images to a list of `Dot`.
        several: Whether lines and dots are of several models.
    """

    panels: list
    sets: dict
    several: bool

    @property
    def top(self):
        """Upper limit of the accuracy axis in percent: 100, or less if all is far below."""
        points = [point for panel in self.panels for line in panel.lines for point in line.points]
        best = max((point.high for point in points if point.high is not None), default=100.0)
        return next((end for end in (5, 10, 20, 40, 60, 80) if 1.04 * best <= end), 100)

    @property
    def models(self):
        """Dict from the label of a model to its number; empty for one model."""
        drawn = [line for panel in self.panels for line in panel.lines]
        drawn += [dot for dots in self.sets.values() for dot in dots]
        return {one.label: one.number for one in drawn} if self.several else {}

    def draw(self, title):
        """Draws all panels as one `matplotlib.figure.Figure` with a title."""
        count, labels = len(self.panels) + bool(self.sets), list(map(wrapped, self.models))
        columns = count if count <= 3 else 2 if count == 4 else 3
        rows = -(-count // columns)
        width, height = (_WIDTH, 3.4) if self.several else (5.4, 4.2)
        longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
        beside = max(1, min(len(labels), 4, 100 // (longest + 8)))
        below = 0.25 * -(-len(labels) // beside) * _most_lines(labels)
        figure = new_figure(max(width * columns, 5.4), height * rows + 0.4 + below)
        first = None
        for number, panel in enumerate(self.panels):
            axis = first = figure.add_subplot(rows, columns, number + 1, sharey=first)
            axis.tick_params(labelleft=number % columns == 0)
            _draw_panel(axis, panel, self.top, legend=not self.several)
            _title(axis, panel.title)
            if number % columns:
                axis.set_ylabel("")
        if self.sets:
            axis = figure.add_subplot(rows, columns, count)
            _draw_sets(axis, self.sets)
            _title(axis, SETS_TITLE)
        if labels:
            self._add_legend(figure, "outside lower center", beside)
        heading = figure.suptitle(wrapped(title, 70), fontsize=11, x=0.01, ha="left")
        heading.set_parse_math(False)
        return figure

    def figures(self):
        """Draws each panel as a figure of its own, for a page.

        Returns:
            List of tuples (title, text alternative, `matplotlib.figure.Figure`). The first one is
            the legend if there are several models.
        """
        found = []
        if self.several:
            labels = list(map(wrapped, self.models))
            figure = new_figure(_WIDTH, 0.1 + 0.2 * len(labels) * _most_lines(labels))
            self._add_legend(figure, "center left", 1)
            found.append(("Models", ", ".join(self.models), figure))
        for panel in self.panels:
            figure = new_figure(_WIDTH, 3.1)
            _draw_panel(figure.subplots(), panel, self.top, legend=not self.several)
            found.append((panel.title, _panel_words(panel), figure))
        if self.sets:
            lines = sum(1 + len(dots) for dots in self.sets.values())
            figure = new_figure(_WIDTH, 0.7 + 0.22 * lines)
            _draw_sets(figure.subplots(), self.sets)
            found.append((SETS_TITLE, _set_words(self.sets), figure))
        return found

    def _add_legend(self, figure, place, columns):
        lines = require("matplotlib.lines", "plotting a report")
        handles = [lines.Line2D([], [], **line_style(n)) for n in self.models.values()]
        labels = list(map(wrapped, self.models))
        add_legend(figure, handles, labels, loc=place, ncols=columns, fontsize=10)


def set_title(name):
    """Returns the title in figures of a row about a set of occluded images."""
    return name.replace("_", " ")


def _most_lines(labels):
    return max((label.count("\n") + 1 for label in labels), default=1)


def _title(axis, title):
    title = printable(title)
    axis.set_title(title, fontsize=11, loc="left", fontweight="bold", parse_math=False)


def _draw_panel(axis, panel, top, legend):
    for line in panel.lines:
        style, points = line_style(line.number), line.points
        # Rows without a score leave a gap.
        for scored, piece in itertools.groupby(points, key=lambda point: point.y is not None):
            if scored:
                band = [(point.x, point.low, point.high) for point in piece]
                bounds = zip(*band, strict=True)
                axis.fill_between(*bounds, color=style["color"], alpha=0.15, linewidth=0)
        axis.plot(
            [point.x for point in points],
            [math.nan if point.y is None else point.y for point in points],
            **style,
            markersize=6.5,
            linewidth=1.8,
            clip_on=False,
            zorder=3,
            label=line.label,
        )
    axis.set_xlabel(_AXES[panel.axis])
    if panel.axis == "tiles":
        places = sorted({point.x for line in panel.lines for point in line.points})
        axis.set_xticks(places, [f"{2**place:.0f}" for place in places])
    else:
        axis.set_xlim(left=0)
    axis.set_ylabel("Top-1 accuracy (%)")
    axis.set_ylim(0, top)
    open_axes(axis, "y")
    if legend and len(panel.lines) > 1:
        labels = [wrapped(line.label) for line in panel.lines]
        add_legend(axis, axis.lines, labels, fontsize=9, loc="best")


def _draw_sets(axis, sets):
    """Draws the name of each set from top to bottom, and below it a dot for each model."""
    ends, most = [10.0], max(map(len, sets.values()))
    for place, (name, dots) in enumerate(sets.items()):
        transform = axis.get_yaxis_transform()
        text = axis.text(0.01, place, wrapped(set_title(name)), transform=transform, va="center")
        text.set(fontsize=9, parse_math=False)
        for number, dot in enumerate(dots):
            if dot.y is None:
                continue
            ends.append(dot.high)
            style = line_style(dot.number)
            style.pop("linestyle")
            y = place + 0.25 + 0.6 * (number + 0.5) / max(most, 2)
            error = [[dot.y - dot.low], [dot.high - dot.y]]
            axis.errorbar([dot.y], [y], xerr=error, **style, markersize=6.5, linewidth=1.8)
    axis.set_ylim(len(sets), -0.4)
    axis.set_xlim(0, min(1.05 * max(ends), 102))
    axis.set_yticks([])
    axis.set_xlabel("Top-1 accuracy (%)")
    open_axes(axis, "x")
    axis.spines["left"].set_visible(False)


def _panel_words(panel):
    sentences = [f"Top-1 accuracy against {_AXES_IN_WORDS[panel.axis]}."]
    for line in panel.lines:
        sentences.append(f"{line.label}: {'; '.join(point.words for point in line.points)}.")
    return " ".join(sentences)


def _set_words(sets):
    readings = [
        f"{set_title(name)}, {dot.label}: "
        + (
            "no image scored"
            if dot.y is None
            else f"top-1 {dot.y:.1f} % ({dot.low:.1f} to {dot.high:.1f})"
        )
        for name, dots in sets.items()
        for dot in dots
    ]
    return ". ".join(["Top-1 accuracy on sets of occluded images", *readings]) + "."
