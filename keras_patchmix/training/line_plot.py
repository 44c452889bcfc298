"""The picture of a line of weights: what occlusion costs against what clean accuracy costs."""

from keras_patchmix import _atomic
from keras_patchmix._optional import require


def plot_line(points, max_clean_drop, path=None):
    """Draws accuracy on occluded against clean images, a point for each share of the way.

    Args:
        points: List of `LinePoint`.
        max_clean_drop: Points of clean accuracy that may be given, in per cent.
        path: File to write, atomically, or None.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    require("matplotlib", "plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    clean = [100 * one.clean for one in points]
    occluded = [100 * one.occluded for one in points]
    axes.plot(clean, occluded, color="0.6", linewidth=1, zorder=1)
    for one, x, y in zip(points, clean, occluded, strict=True):
        colour = "tab:green" if one.chosen else "0.25" if one.allowed else "tab:red"
        axes.scatter(x, y, s=70 if one.chosen else 30, color=colour, zorder=2)
        label = "original" if one.share == 0 else f"{100 * one.share:.0f} %"
        right = x > (min(clean) + max(clean)) / 2  # where a label on that side might not fit
        axes.annotate(
            label + (", taken" if one.chosen else ""),
            (x, y),
            (-7 if right else 7, 4),
            textcoords="offset points",
            ha="right" if right else "left",
        )
    least = clean[0] - max_clean_drop
    axes.axvline(least, color="tab:red", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"least clean accuracy, {max_clean_drop:g} below the original",
        (least, min(occluded)),
        (-3, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="bottom",
        fontsize=8,
        color="tab:red",
    )
    axes.margins(0.12)
    axes.set_xlabel("top-1 on clean images, %")
    axes.set_ylabel("mean top-1 under occlusion, %")
    axes.set_title("From the original weights to those after training", fontsize=10)
    if path is not None:
        _atomic.write_figure(path, figure)
    return figure
