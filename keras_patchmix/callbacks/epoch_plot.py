"""Pictures of values over the epochs of a training."""

import math

from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require
from keras_patchmix.occlusion.panels import curve_title
from keras_patchmix.report.curves import SETS_TITLE, set_title
from keras_patchmix.report.style import open_axes
from keras_patchmix.report.text import level_text

_GRAY = "#777777"
_BLUE = "#0072B2"
_MOST_COLUMNS = 3
_MOST_MARKERS = 30
_PURPOSE = "the picture of values over epochs"


def plot_epochs(timeline, curves, path=None):
    """Draws occlusion scores over epochs: an overview, then a panel for each sweep.

    The overview has the mean and the clean images. Levels of a sweep go from light to dark as they
    get harder; the clean curve is repeated in every panel of a sweep, thin and gray.

    Args:
        timeline: List of dicts with the keys "epoch" and "values", a dict from names to numbers in
            [0, 1]. Entries that lack one of the names are of another suite and are left out.
        curves: Dict from a panel's title to a dict from a curve's label to its name in "values",
            mildest first.
        path: PNG, PDF or SVG file to write, atomically.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: No entry holds all the names.
    """
    names = {name for members in curves.values() for name in members.values()}
    names |= {"val_occlusion_clean", "val_occlusion_mean"}
    entries = [entry for entry in timeline if names <= set(entry["values"])]
    if not entries:
        raise ValueError(
            f"`timeline` must hold an entry with values for all curves. Received: {len(timeline)} "
            "entries"
        )
    figure, axes = _panels(len(curves) + 1)
    axes[0].set_title("Overview", fontsize=11, loc="left", fontweight="bold")
    for label, name, color in (
        ("clean images", "val_occlusion_clean", _GRAY),
        ("mean under occlusion", "val_occlusion_mean", _BLUE),
    ):
        _line(axes[0], entries, name, label, color=color, linewidth=2.2)
    blues = require("matplotlib", _PURPOSE).colormaps["Blues"]
    for axis, (title, members) in zip(axes[1:], curves.items(), strict=True):
        axis.set_title(title, fontsize=11, loc="left", fontweight="bold")
        if title != SETS_TITLE:  # sets have no clean counterpart
            thin = {"color": _GRAY, "linewidth": 0.9, "markersize": 2}
            _line(axis, entries, "val_occlusion_clean", "clean", **thin)
        for number, (label, name) in enumerate(members.items(), start=1):
            color = blues(0.35 + 0.6 * number / len(members))
            _line(axis, entries, name, label, color=color, linewidth=1.6)
    for axis in axes:
        _finish(axis, 6)
    best = max(entry["values"][name] for entry in entries for name in names)
    axes[0].set_ylim(0, min(max(5, 108 * best), 102))
    return _written(figure, path)


def epoch_curves(conditions, log_name):
    """Groups conditions into the panels of `plot_epochs`.

    Args:
        conditions: `keras_patchmix.occlusion.Condition`s, the clean one first.
        log_name: Function from a condition to its name in the logs.

    Returns:
        Dict from titles to dicts from labels to names.
    """
    curves = {}
    for condition in conditions[1:]:
        grid = condition.grid
        if condition.data is not None:
            title, label = SETS_TITLE, set_title(condition.name)
        elif condition.level is None and condition.severity is None:
            title = condition.title
            label = "all" if grid is None else f"{grid[0]}×{grid[1]} tiles"
        else:
            title, label = curve_title(condition.title, grid), level_text(condition)
        curves.setdefault(title, {})[label] = log_name(condition)
    return curves


def plot_selectivity(timeline, path=None):
    """Draws patch selectivity over epochs, with its 95 % interval as a band.

    Epochs without finite scores are gaps.

    Args:
        timeline: List of dicts with the keys "epoch", "finite" and "values", as of
            `keras_patchmix.callbacks.SelectivityBenchmark`.
        path: PNG, PDF or SVG file to write, atomically.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = _figure(figsize=(6, 3.6))
    axis = figure.subplots()
    epochs = [entry["epoch"] for entry in timeline]
    name = "val_patch_selectivity"
    mean, low, high = (
        [entry["values"][name + end] if entry["finite"] else math.nan for entry in timeline]
        for end in ("", "_low", "_high")
    )
    band = {"alpha": 0.18, "linewidth": 0, "label": "95 % interval"}
    axis.fill_between(epochs, low, high, color=_BLUE, **band)
    marker = "o" if len(epochs) <= _MOST_MARKERS else None
    axis.plot(epochs, mean, color=_BLUE, marker=marker, markeredgecolor="white", label="mean")
    # At least 0.4 to 0.6, so that noise does not fill the picture.
    lowest = min((value for value in low if math.isfinite(value)), default=1)
    highest = max((value for value in high if math.isfinite(value)), default=0)
    axis.set_ylim(min(0.4, lowest - 0.02), max(0.6, highest + 0.02))
    axis.axhline(0.5, color=_GRAY, linewidth=1, linestyle="--", label="blind to what belongs")
    axis.set_xlabel("Epoch, counted from 0")
    axis.set_ylabel("Patch selectivity")
    counts = {entry["n"] for entry in timeline}
    about = f"{counts.pop()} images" if len(counts) == 1 else "images that changed"
    axis.set_title(f"Patch selectivity of {about}", fontsize=11, loc="left", fontweight="bold")
    _finish(axis, 8)
    return _written(figure, path)


def _figure(**arguments):
    # The object interface: pyplot would select a global backend and keep every figure alive.
    figure_class = require("matplotlib.figure", _PURPOSE).Figure
    return figure_class(layout="constrained", **arguments)


def _panels(count):
    columns = 2 if count == 4 else min(count, _MOST_COLUMNS)
    rows = -(-count // columns)
    figure = _figure(figsize=(4.4 * columns, 3.4 * rows))
    axes = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for axis in axes[count:]:
        axis.set_visible(False)
    for number, axis in enumerate(axes[:count]):
        if number % columns == 0:
            axis.set_ylabel("Top-1 accuracy (%)")
        if number + columns >= count:
            axis.set_xlabel("Epoch, counted from 0")
    return figure, axes[:count]


def _line(axis, entries, name, label, **style):
    markers = {"marker": "o", "markeredgecolor": "white"}
    markers["markersize"] = 5.5 if len(entries) <= _MOST_MARKERS else 0
    axis.plot(
        [entry["epoch"] for entry in entries],
        [100 * entry["values"][name] for entry in entries],
        label=label,
        clip_on=False,
        **{**markers, **style},
    )


def _finish(axis, ticks):
    ticker = require("matplotlib.ticker", _PURPOSE)
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=ticks))
    axis.legend(frameon=False, fontsize=9, loc="best")
    open_axes(axis, "y")


def _written(figure, path):
    if path is not None:
        atomic.write_figure(path, figure)
    return figure
