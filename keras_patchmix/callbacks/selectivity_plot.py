"""Patch selectivity over the epochs of a training, and the maps behind it, as pictures."""

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require
from keras_patchmix.explain.figure import plot_saliency
from keras_patchmix.report.style import open_axes

_COLOUR = "#0072B2"
_NAME = "val_patch_selectivity"


def plot_selectivity(timeline, path=None):
    """Draws patch selectivity over epochs, with its 95 % interval as a band.

    Points stand at the epochs that were scored; epochs without finite scores are gaps.

    Args:
        timeline: List of dicts with the keys "epoch", "finite" and "values", as of
            `keras_patchmix.callbacks.SelectivityBenchmark`.
        path: PNG, PDF or SVG file to write, atomically.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state changed.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "the picture of selectivity over epochs").Figure(
        figsize=(6, 3.6), layout="constrained"
    )
    axis = figure.subplots()
    epochs = [entry["epoch"] for entry in timeline]
    mean, low, high = (
        [entry["values"][_NAME + end] if entry["finite"] else float("nan") for entry in timeline]
        for end in ("", "_low", "_high")
    )
    axis.fill_between(
        epochs, low, high, color=_COLOUR, alpha=0.18, linewidth=0, label="95 % interval"
    )
    marker = "o" if len(epochs) <= 30 else None
    axis.plot(epochs, mean, color=_COLOUR, marker=marker, markeredgecolor="white", label="mean")
    # So that noise does not fill the picture.
    axis.set_ylim(*_limits(low, high))
    axis.axhline(0.5, color="#777777", linewidth=1, linestyle="--", label="blind to what belongs")
    ticker = require("matplotlib.ticker", "the picture of selectivity over epochs")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=8))
    axis.set_xlabel("Epoch, counted from 0")
    axis.set_ylabel("Patch selectivity")
    counts = {entry["n"] for entry in timeline}
    about = f"{counts.pop()} images" if len(counts) == 1 else "images that changed"
    axis.set_title(f"Patch selectivity of {about}", fontsize=11, loc="left", fontweight="bold")
    axis.legend(frameon=False, fontsize=9)
    open_axes(axis, "y")
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


def _limits(low, high):
    """0.4 to 0.6, or as much more as the intervals need."""
    low, high = ([value for value in values if np.isfinite(value)] for values in (low, high))
    return min(0.4, min(low, default=1) - 0.02), max(0.6, max(high, default=0) + 0.02)


def plot_examples(report, path=None):
    """Draws the first images of a report beside their maps.

    Args:
        report: A `keras_patchmix.explain.SelectivityReport`.
        path: PNG, PDF or SVG file to write, atomically.

    Returns:
        A `matplotlib.figure.Figure`, or None for a report without images, as one that was loaded.

    Raises:
        ImportError: matplotlib is not installed.
    """
    if not report.examples:
        return None
    images = report.examples["images"]
    captions = [
        f"image {row['index']}: class {row['label']}, foreign {row['contrast']}"
        for row in report.rows[: len(images)]
    ]
    epoch = report.settings.get("epoch")
    return plot_saliency(
        images,
        {"c-RISE" if epoch is None else f"epoch {epoch}": report.examples["maps"]},
        path,
        report.examples["masks"],
        captions,
        report.settings["value_range"],
        diverging=False,  # from the lowest value to the highest, as the number scales a map
    )
