"""The figure of a line of weights: accuracy under occlusion against accuracy on clean images."""

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class WeightLine:
    """The line between two sets of weights.

    Attributes:
        points: List of `LinePoint`, the original first.
        max_clean_drop: Largest loss of clean accuracy allowed, in points.
    """

    points: list
    max_clean_drop: float

    @property
    def words(self):
        """Text alternative of the figure."""
        taken = next(one for one in self.points if one.chosen)
        return (
            f"Accuracy under occlusion against clean accuracy; {100 * taken.share:.0f} % of the "
            "way was taken"
        )

    @property
    def table(self):
        """`Table` with a row for each point."""
        head = ("Way", "Clean", "Change", "95 % interval", "Occluded, mean")
        rows = [
            TableRow(
                [
                    f"{100 * one.share:.0f} %",
                    typeset(one.clean, 1),
                    typeset(one.clean_change, 1, True),
                    f"{typeset(one.low, 1, True)} to {typeset(one.high, 1, True)}",
                    typeset(one.occluded, 1),
                    *(typeset(value, 1) for value in one.rows.values()),
                    "taken" if one.chosen else "" if one.allowed else "costs too much",
                ]
            )
            for one in self.points
        ]
        return Table("Top-1, %, along the line", [*head, *self.points[0].rows, ""], [rows])

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
            colour = GOOD if one.chosen else SOFT if one.allowed else BAD
            axes.scatter(x, y, s=70 if one.chosen else 30, color=colour, zorder=2)
            label = "original" if one.share == 0 else f"{100 * one.share:.0f} %"
            right = x > (min(clean) + max(clean)) / 2  # where a label to the right might not fit
            axes.annotate(
                label + (", taken" if one.chosen else ""),
                (x, y),
                (-7 if right else 7, 4),
                textcoords="offset points",
                ha="right" if right else "left",
            )
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
        axes.margins(0.12)
        axes.set_xlabel("Top-1 on clean images (%)")
        axes.set_ylabel("Mean top-1 under occlusion (%)")
        open_axes(axes)
        if path is not None:
            atomic.write_figure(path, figure)
        return figure
