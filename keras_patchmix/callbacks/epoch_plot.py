"""Accuracy under occlusion over the epochs of a training, as a picture."""

from keras_patchmix.base import atomic
from keras_patchmix.base.optional import require
from keras_patchmix.occlusion.panels import curve_title
from keras_patchmix.report.curves import SETS_TITLE, set_title
from keras_patchmix.report.style import open_axes

_CLEAN = "#777777"
_MEAN = "#0072B2"
_MOST_COLUMNS = 3


def plot_epochs(timeline, curves, path=None):
    """Draws values over epochs: their mean beside the clean images, then a panel for each sweep.

    Levels of a sweep go from light to dark as they get harder; the clean curve is repeated in
    every panel of a sweep, thin and grey. Points stand at the epochs that were scored.

    Args:
        timeline: List of dicts with the keys "epoch" and "values", a dict from names to numbers in
            [0, 1]. Entries that lack one of the names are of another suite and are left out.
        curves: Dict from a panel's title to a dict from a curve's label to its name in "values",
            mildest first.
        path: PNG, PDF or SVG file to write, atomically.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state changed.

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
    overview = {"clean images": "val_occlusion_clean", "mean under occlusion": "val_occlusion_mean"}
    for label, colour in zip(overview, (_CLEAN, _MEAN), strict=True):
        _line(axes[0], entries, overview[label], label, color=colour, linewidth=2.2)
    axes[0].set_title("Overview", fontsize=11, loc="left", fontweight="bold")
    for axis, (title, members) in zip(axes[1:], curves.items(), strict=True):
        if title != SETS_TITLE:  # which are other images
            thin = {"color": _CLEAN, "linewidth": 0.9, "markersize": 2}
            _line(axis, entries, "val_occlusion_clean", "clean", **thin)
        for (label, name), colour in zip(members.items(), _ramp(len(members)), strict=True):
            _line(axis, entries, name, label, color=colour, linewidth=1.6)
        axis.set_title(title, fontsize=11, loc="left", fontweight="bold")
    for axis in axes:
        _decorate(axis)
    best = max(entry["values"][name] for entry in entries for name in names)
    axes[0].set_ylim(0, min(max(5, 108 * best), 102))
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


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
        if condition.data is not None:
            curves.setdefault(SETS_TITLE, {})[set_title(condition.name)] = log_name(condition)
            continue
        grid = condition.grid
        if condition.level is None:
            title = condition.title
            label = "all" if grid is None else f"{grid[0]}×{grid[1]} tiles"
        else:
            title = curve_title(condition.title, grid)
            label = f"{100 * condition.level:g} %"
        curves.setdefault(title, {})[label] = log_name(condition)
    return curves


def _panels(count):
    # The object interface: pyplot would pick a global backend and keep every figure alive.
    figure_class = require("matplotlib.figure", "the picture of scores over epochs").Figure
    columns = 2 if count == 4 else min(count, _MOST_COLUMNS)
    rows = -(-count // columns)
    figure = figure_class(figsize=(4.4 * columns, 3.4 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for axis in axes[count:]:
        axis.set_visible(False)
    for number, axis in enumerate(axes[:count]):
        if number % columns == 0:
            axis.set_ylabel("Top-1 accuracy (%)")
        if number + columns >= count:
            axis.set_xlabel("Epoch, counted from 0")
    return figure, axes[:count]


def _ramp(count):
    """Returns blues from light to dark, dark enough for white paper."""
    colormap = require("matplotlib", "the picture of scores over epochs").colormaps["Blues"]
    return [colormap(0.35 + 0.6 * (i + 1) / count) for i in range(count)]


def _line(axis, entries, name, label, **style):
    axis.plot(
        [entry["epoch"] for entry in entries],
        [100 * entry["values"][name] for entry in entries],
        label=label,
        clip_on=False,
        **{
            "marker": "o",
            "markersize": 5.5 if len(entries) <= 30 else 0,
            "markeredgecolor": "white",
        }
        | style,
    )


def _decorate(axis):
    ticker = require("matplotlib.ticker", "the picture of scores over epochs")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=6))
    axis.legend(frameon=False, fontsize=9, loc="best")
    open_axes(axis, "y")
