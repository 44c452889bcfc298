"""Patch selectivity as a figure: images as dots, and the mean of each model with its interval."""

import dataclasses

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.report.style import SOFT, line_style, new_figure, open_axes, wrapped


@dataclasses.dataclass(frozen=True)
class Strip:
    """The patch selectivity of a model.

    Attributes:
        name: Of the model.
        number: Index of the style, from 0.
        values: Array of shape (n,) in [0, 1], one for each image.
        mean: Of the values.
        low: Low end of its 95 % interval.
        high: High end.
    """

    name: str
    number: int
    values: np.ndarray
    mean: float
    low: float
    high: float

    @property
    def words(self):
        """Text alternative."""
        return (
            f"{self.name}: mean {self.mean:.3f} ({self.low:.3f} to {self.high:.3f}), images from "
            f"{self.values.min():.2f} to {self.values.max():.2f}."
        )


def draw_strips(strips, path=None):
    """Draws a strip for each model.

    Args:
        strips: List of `Strip`.
        path: File to write atomically, or None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    names = [wrapped(one.name, 24) for one in strips]
    height = 1.0 + 0.5 * len(names) + 0.12 * sum(1 + name.count("\n") for name in names)
    figure = new_figure(5, height)
    axis = figure.subplots()
    axis.axvline(0.5, color=SOFT, linewidth=1, linestyle="--", zorder=0)
    for place, one in enumerate(strips):
        style = line_style(one.number)
        heights = place + 0.02 + 0.32 * _spread(one.values)
        axis.scatter(one.values, heights, s=14, color=style["color"], alpha=0.6, linewidths=0)
        bar = place - 0.16
        axis.plot([one.low, one.high], [bar, bar], color=style["color"], linewidth=2.5)
        axis.plot([one.mean], [bar], **style, markersize=6.5)
        axis.annotate(
            f"{one.mean:.3f}", (one.high, bar), (6, 0), textcoords="offset points",
            va="center", fontsize=9, color=style["color"],
        )  # fmt: skip
    axis.set_yticks(range(len(names)), names, fontsize=9, parse_math=False)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.set_xlabel(
        "Patch selectivity; dashed: blind to what is foreign\n"
        "Bar: mean and its 95 % interval; dots: images",
        fontsize=9,
    )
    open_axes(axis)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


def _spread(values):
    """Returns heights in [0, 1] that keep dots of similar values apart, without randomness."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(values))
    found[order] = (np.arange(len(values)) * 0.6180339887) % 1
    return found
