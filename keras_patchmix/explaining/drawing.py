"""The pictures of an explanation."""

import textwrap

import numpy as np

from keras_patchmix import _atomic
from keras_patchmix._names import printable
from keras_patchmix._optional import require
from keras_patchmix.explain import plot_saliency
from keras_patchmix.occlusion.panels import COLOURS, MARKERS

_DASHES = ("-", "--", ":", "-.")  # where colours repeat
_NAME_WIDTH = 24  # characters of a line of a model's name


def draw_all(directory, explanations, most):
    """Writes selectivity.png, for data sets, curves.png and, at last, explain.png.

    Args:
        directory: A `pathlib.Path`.
        explanations: Dict from a model's name to its `Explanation`.
        most: The number of images in explain.png.

    Raises:
        ImportError: matplotlib is not installed.
    """
    reports = {name: one.report for name, one in explanations.items() if one.report is not None}
    if reports:
        plot_selectivity(reports, directory / "selectivity.png")
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


def plot_selectivity(reports, path=None):
    """Draws the patch selectivity of every image as a dot, and each model's mean with its interval.

    Args:
        reports: Dict from a model's name to its `SelectivityReport`.
        path: File to write atomically, or None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure_class = require("matplotlib.figure", "plotting patch selectivity").Figure
    names = [_wrapped(name) for name in reports]
    lines = sum(1 + name.count("\n") for name in names)
    height = 1.0 + 0.5 * len(names) + 0.12 * lines
    figure = figure_class(figsize=(6.4, height), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0.5, color="0.5", linewidth=1, linestyle="--", zorder=0)
    for place, report in enumerate(reports.values()):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        dots = place + 0.02 + 0.32 * _spread(report.values)
        axis.scatter(report.values, dots, s=9, color=colour, alpha=0.45, linewidths=0)
        (low, high), bar = report.interval, place - 0.16
        axis.plot([low, high], [bar, bar], color=colour, linewidth=2.5)
        axis.plot(report.mean, bar, marker, color=colour, markersize=6)
        axis.annotate(
            f"{report.mean:.3f}", (high, bar), (6, 0), textcoords="offset points",
            va="center", fontsize=8, color=colour,
        )  # fmt: skip
    axis.set_yticks(range(len(names)), names, fontsize=9, parse_math=False)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.set_xlabel(
        "patch selectivity: 0.5 is blind to what is foreign, 1 rests on the image's own alone\n"
        "bar: mean of the images and its 95 % interval; dots below it: images",
        fontsize=8,
    )
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    if path is not None:
        _atomic.write_figure(path, figure)
    return figure


def plot_curves(explanations, path=None):
    """Draws deletion and insertion: the mean over the images, and each image as a thin line.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
        path: File to write atomically, or None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure_class = require("matplotlib.figure", "plotting deletion and insertion").Figure
    labels = [_wrapped(_with_areas(*pair), 80) for pair in explanations.items()]
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
    legend = figure.legend(
        handles,
        [" "] * len(handles),  # matplotlib leaves out names that begin with "_"
        loc="outside lower center",
        ncols=1,
        fontsize=9,
        title=title,
        title_fontsize=8,
        frameon=False,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)  # a "$" in a name is a dollar
        text.set_text(label)
    if path is not None:
        _atomic.write_figure(path, figure)
    return figure


def _draw_curves(axis, explanations, kind):
    """Draws the curves of all models, and returns the lines of their means."""
    handles = []
    for place, one in enumerate(explanations.values()):
        colour = COLOURS[place % len(COLOURS)]
        shares, curves = 100 * np.array(one.curves["shares"]), np.array(one.curves[kind])
        if len(curves) > 1:
            axis.plot(shares, curves.T, color=colour, linewidth=0.6, alpha=0.3)
        dashes = _DASHES[place // len(COLOURS) % len(_DASHES)]
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


def _spread(values):
    """Heights in [0, 1] that keep dots of like values apart: the same for the same values."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(values))
    found[order] = (np.arange(len(values)) * 0.6180339887) % 1
    return found


def _wrapped(name, width=_NAME_WIDTH):
    name = printable(name)
    return "\n".join(textwrap.wrap(name, width)) or name
