"""The figure of a line of weights: accuracy under occlusion against accuracy on clean images."""

import dataclasses

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.report.style import BAD, GOOD, SOFT, new_figure, open_axes
from keras_patchmix.report.text import Table, TableRow, typeset


@dataclasses.dataclass(frozen=True)
class LinePoint:
    """Scores at one point of the line, on validation data.

    Attributes:
        share: Position between the weights before and after, in [0, 1].
        clean: Top-1 on clean images, in [0, 1].
        occluded: Mean of the top-1 of all rows of occluded images.
        rows: Dict from a row's name to its top-1.
        clean_change: `clean` minus that of the original.
        low: Low end of the paired 95 % interval of `clean_change`.
        high: High end of it.
        allowed: Whether the loss of clean accuracy is within the limit.
        chosen: Whether this is the result.
    """

    share: float
    clean: float
    occluded: float
    rows: dict
    clean_change: float
    low: float
    high: float
    allowed: bool = True
    chosen: bool = False

    @property
    def title(self):
        """Such as "25 %"; the ends are named."""
        ends = {0.0: " (original)", 1.0: " (fine-tuned)"}
        return f"{100 * self.share:.0f} %{ends.get(self.share, '')}"

    @property
    def verdict(self):
        """What became of the point, in a word or three."""
        return "chosen" if self.chosen else "" if self.allowed else "costs too much"


@dataclasses.dataclass(frozen=True)
class WeightLine:
    """The line between two sets of weights.

    Attributes:
        points: List of `LinePoint`, the original first.
        max_clean_drop: Largest loss of clean accuracy allowed, in points.
        titles: Dict from names of rows to their titles, such as "Patch drop, 8×8, 40 %".
    """

    points: list
    max_clean_drop: float
    titles: dict

    @property
    def words(self):
        """Text alternative of the figure."""
        chosen = next(one for one in self.points if one.chosen)
        return f"Accuracy under occlusion against clean accuracy; chosen: {chosen.title}"

    @property
    def table(self):
        """`Table` with a row for each point."""
        head = ("Weights", "", "Clean", "Occluded, mean", "Change of clean", "95 % interval")
        rows = [
            TableRow(
                [
                    one.title,
                    one.verdict,
                    typeset(one.clean, 1),
                    typeset(one.occluded, 1),
                    *(("", "") if one.share == 0 else _change(one)),
                    *(typeset(value, 1) for value in one.rows.values()),
                ]
            )
            for one in self.points
        ]
        titles = [self.titles[name] for name in self.points[0].rows]
        return Table("Top-1, %, along the line", [*head, *titles], [rows], kind="line")

    def draw(self, path=None):
        """Draws a mark for each point.

        Args:
            path: File to write, atomically, or None.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        figure = new_figure(5, 4)
        axes = figure.add_subplot()
        clean = [100 * one.clean for one in self.points]
        occluded = [100 * one.occluded for one in self.points]
        axes.plot(clean, occluded, color=SOFT, linewidth=1, zorder=1)
        for one, x, y in zip(self.points, clean, occluded, strict=True):
            color = GOOD if one.chosen else SOFT if one.allowed else BAD
            axes.scatter(x, y, s=70 if one.chosen else 30, color=color, zorder=2)
        least = clean[0] - self.max_clean_drop
        axes.axvline(least, color=BAD, linewidth=0.8, linestyle=":")
        axes.annotate(
            f"least clean accuracy, {self.max_clean_drop:g} below the original",
            (least, min(occluded)),
            (-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
            color=BAD,
        )
        axes.set_xlabel("Top-1 on clean images (%)")
        axes.set_ylabel("Mean top-1 under occlusion (%)")
        open_axes(axes)
        axes.margins(0.2)
        figure.draw_without_rendering()  # the layout decides on the slopes of the line
        places = np.column_stack([clean, occluded])
        directions = _directions(axes.transData.transform(places))
        for one, place, away in zip(self.points, places, directions, strict=True):
            label = "original" if one.share == 0 else f"{100 * one.share:.0f} %"
            axes.annotate(
                label + (", chosen" if one.chosen else ""),
                place,
                10 * away,
                textcoords="offset points",
                ha=_side(away[0], "right", "left"),
                va=_side(away[1], "top", "bottom"),
            )
        if path is not None:
            atomic.write_figure(path, figure)
        return figure


def _change(point):
    interval = f"{typeset(point.low, 1, True)} to {typeset(point.high, 1, True)}"
    return typeset(point.clean_change, 1, True), interval


def _directions(places):
    """Returns a unit vector for each point of a line, across the line.

    It points to the outer side of a bend, and to the right where the line is straight.

    Args:
        places: float array of shape `(n, 2)`, in one unit on both axes.
    """
    found = []
    for number, place in enumerate(places):
        before, after = places[max(number - 1, 0)], places[min(number + 1, len(places) - 1)]
        along, outward = after - before, 2 * place - before - after
        across = np.array([along[1], -along[0]]) if along.any() else np.array([1.0, 0.0])
        across = across if across[0] >= 0 else -across
        bends_left = across @ outward < -0.02 * (across @ across)
        found.append((-across if bends_left else across) / np.linalg.norm(across))
    return found


def _side(part, negative, positive):
    return "center" if abs(part) < 0.4 else negative if part < 0 else positive
