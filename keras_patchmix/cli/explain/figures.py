"""The figures of an explanation: maps, curves, patch selectivity."""

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require
from keras_patchmix.cli.explain.explanation import CURVES, reports_of
from keras_patchmix.cli.explain.row_text import bar_text, said
from keras_patchmix.explain import plot_saliency
from keras_patchmix.report.selectivity import Strip, draw_strips
from keras_patchmix.report.style import add_legend, line_style, wrapped


def draw_figures(directory, explanations, figures):
    """Draws selectivity.png of a data set, curves.png and, last, explain.png.

    Args:
        directory: A `pathlib.Path`.
        explanations: Dict from a model's name to its `Explanation`.
        figures: Integer, the number of images in explain.png.

    Raises:
        ImportError: matplotlib is not installed.
    """
    strips = [
        Strip(name, number, report.values, report.mean, *report.interval)
        for number, (name, report) in enumerate(reports_of(explanations).items())
        if report is not None
    ]
    if strips:
        draw_strips(strips, directory / "selectivity.png")
    _draw_curves(explanations, directory / "curves.png")
    # The last file: if it exists, all others do.
    _draw_maps(explanations, directory / "explain.png", figures)


def _draw_maps(explanations, path, figures):
    first, shown = next(iter(explanations.values())), slice(figures)
    masks = first.arrays.get("masks")
    rows = {name: one.rows[shown] for name, one in explanations.items()}
    plot_saliency(
        first.arrays["images"][shown],
        {
            name: _shown_maps(one.arrays["maps"][shown], rows[name])
            for name, one in explanations.items()
        },
        path,
        None if masks is None else masks[shown],
        captions=[row["image"] for row in first.rows[shown]],
        diverging=first.rows[0]["contrast_id"] is not None,
        notes={name: [said(row) for row in some] for name, some in rows.items()},
        labels={name: [bar_text(row) for row in some] for name, some in rows.items()},
    )


def _shown_maps(maps, rows):
    """Returns the maps of rows; contrastive ones less what a pixel has that does not matter."""
    zeros = [0 if row["contrast_id"] is None else row.get("mean_score", 0) for row in rows]
    return maps - np.array(zeros, np.float32)[:, None, None]


def _draw_curves(explanations, path):
    """Draws deletion and insertion: the means over the images, and thin lines for each image."""
    figure_class = require("matplotlib.figure", "plotting deletion and insertion").Figure
    labels = []
    for name, explanation in explanations.items():
        areas = ", ".join(f"{kind} {explanation.mean_area(kind):.3f}" for kind in CURVES)
        labels.append(wrapped(f"{name}; area: {areas}", 80, most=None))
    height = 3.6 + 0.2 * sum(1 + label.count("\n") for label in labels)
    figure = figure_class(figsize=(8, height), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, kind, better, treated in zip(
        axes, CURVES, ("lower", "higher"), ("deleted", "put back"), strict=True
    ):
        lines = _draw_kind(axis, explanations, kind)
        axis.set_title(f"{kind} ({better} is better)", fontsize=9)
        axis.set_xlabel(f"most salient pixels {treated}, %", fontsize=9)
    axes[0].set_ylabel("probability of the class explained", fontsize=9)
    count = len(next(iter(explanations.values())).rows)
    title = "1 image" if count == 1 else f"mean of {count} images; thin lines: each image"
    legend = {"loc": "outside lower center", "fontsize": 9, "title_fontsize": 8}
    add_legend(figure, lines, labels, title=title, **legend)
    atomic.write_figure(path, figure)


def _draw_kind(axis, explanations, kind):
    """Draws the curves of all models, and returns the lines of their means."""
    lines = []
    for number, explanation in enumerate(explanations.values()):
        style = line_style(number)
        color, dashes = style["color"], style["linestyle"]
        shares = 100 * np.array(explanation.curves["shares"])
        curves = np.array(explanation.curves[kind])
        if len(curves) > 1:
            axis.plot(shares, curves.T, color=color, linewidth=0.6, alpha=0.3)
        lines += axis.plot(shares, curves.mean(0), dashes, color=color, linewidth=2)
    axis.set_xlim(0, 100)
    axis.set_ylim(-0.02, 1.02)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return lines
