"""The pictures of an explanation."""

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require
from keras_patchmix.explain import plot_saliency
from keras_patchmix.report.selectivity import Strip, draw_strips
from keras_patchmix.report.style import add_legend, line_style, wrapped


def draw_all(directory, explanations, most):
    """Writes selectivity.png, for data sets, curves.png and, at last, explain.png.

    Args:
        directory: A `pathlib.Path`.
        explanations: Dict from a model's name to its `Explanation`.
        most: The number of images in explain.png.

    Raises:
        ImportError: matplotlib is not installed.
    """
    strips = [
        Strip(name, number, one.report.values, one.report.mean, *one.report.interval)
        for number, (name, one) in enumerate(explanations.items())
        if one.report is not None
    ]
    if strips:
        draw_strips(strips, directory / "selectivity.png")
    plot_curves(explanations, directory / "curves.png")
    # It comes last: where it is, everything is.
    plot_maps(explanations, directory / "explain.png", most)


def plot_maps(explanations, path=None, most=4):
    """Draws images beside the maps of all models, see `keras_patchmix.explain.plot_saliency`.

    Args:
        explanations: Dict from a model's name to its `Explanation`, all of the same images.
        path: File to write atomically, or None.
        most: The first so many images are drawn.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    first = next(iter(explanations.values()))
    masks = first.arrays.get("masks")
    shown = slice(most)
    return plot_saliency(
        first.arrays["images"][shown],
        {name: one.arrays["maps"][shown] for name, one in explanations.items()},
        path,
        None if masks is None else masks[shown],
        captions=[row["image"] for row in first.rows[shown]],
        diverging=False,  # a map's mean says how sure the model is, not where it looks
        notes={
            name: [classes_text(row) for row in one.rows[shown]]
            for name, one in explanations.items()
        },
    )


def classes_text(row):
    """Returns which classes a map is about, such as "cat rather than dog"."""
    if row["contrast_name"] is None:
        return row["class_name"]
    return f"{row['class_name']} rather than {row['contrast_name']}"


def plot_curves(explanations, path=None):
    """Draws deletion and insertion: the mean over the images, and each image as a thin line.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
        path: File to write atomically, or None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure_class = require("matplotlib.figure", "plotting deletion and insertion").Figure
    labels = [wrapped(_with_areas(*pair), 80, most=None) for pair in explanations.items()]
    height = 3.6 + 0.2 * sum(1 + label.count("\n") for label in labels)
    figure = figure_class(figsize=(8, height), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    handles = _draw_curves(axes[0], explanations, "deletion")
    _draw_curves(axes[1], explanations, "insertion")
    axes[0].set_title("deletion (lower is better)", fontsize=9)
    axes[1].set_title("insertion (higher is better)", fontsize=9)
    axes[0].set_xlabel("most salient pixels deleted, %", fontsize=9)
    axes[1].set_xlabel("most salient pixels put back, %", fontsize=9)
    axes[0].set_ylabel("probability of the class explained", fontsize=9)
    count = len(next(iter(explanations.values())).rows)
    title = "1 image" if count == 1 else f"mean of {count} images; thin lines: each image"
    arguments = {"loc": "outside lower center", "fontsize": 9, "title_fontsize": 8}
    add_legend(figure, handles, labels, title=title, **arguments)
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


def _draw_curves(axis, explanations, kind):
    """Draws the curves of all models, and returns the lines of their means."""
    handles = []
    for place, one in enumerate(explanations.values()):
        style = line_style(place)
        colour, dashes = style["color"], style["linestyle"]
        shares, curves = 100 * np.array(one.curves["shares"]), np.array(one.curves[kind])
        if len(curves) > 1:
            axis.plot(shares, curves.T, color=colour, linewidth=0.6, alpha=0.3)
        handles += axis.plot(shares, curves.mean(0), dashes, color=colour, linewidth=2)
    axis.set_xlim(0, 100)
    axis.set_ylim(-0.02, 1.02)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return handles


def _with_areas(name, one):
    areas = ", ".join(
        f"{kind} {np.mean([row[f'{kind}_area'] for row in one.rows]):.3f}"
        for kind in ("deletion", "insertion")
    )
    return f"{name}; area: {areas}"
