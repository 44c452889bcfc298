"""Colors, marks and names, the same in all figures and on the page."""

import textwrap

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable

# Okabe and Ito's colors, safe for color blindness, without yellow. Beyond seven lines they
# repeat with other dashes.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = "osD^vPX"
DASHES = ("-", "--", ":", "-.")
PAPER, RULE, SOFT, GOOD, BAD = "#ffffff", "#dddddd", "#777777", "#0b6b3a", "#b3261e"
_NAME_WIDTH = 36  # characters of a line


def new_figure(width, height, purpose="plotting"):
    """Returns an empty `matplotlib.figure.Figure` of so many inches.

    It is made without pyplot, which would pick a global backend and keep every figure alive.
    """
    figure_class = require("matplotlib.figure", purpose).Figure
    return figure_class(figsize=(width, height), layout="constrained")


def line_style(number):
    """Returns matplotlib's arguments for the color, marker and dashes of a line by its number."""
    return {
        "color": COLORS[number % len(COLORS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number // len(COLORS) % len(DASHES)],
        "markeredgecolor": PAPER,
    }


def wrapped(name, width=_NAME_WIDTH, most=3):
    """Wraps a name to `width` characters a line, and cuts it after `most` lines."""
    lines = textwrap.wrap(printable(name), width, max_lines=most, placeholder=" …")
    return "\n".join(lines) or " "


def add_legend(owner, handles, labels, **arguments):
    """Adds a legend whose labels are shown verbatim.

    matplotlib itself drops labels that begin with "_", and reads text between "$" as a formula.

    Args:
        owner: `matplotlib.axes.Axes` or `matplotlib.figure.Figure`.
        handles: List of artists.
        labels: List of strings, one for each.
        **arguments: Of `owner.legend`.

    Returns:
        The legend.
    """
    legend = owner.legend(handles, [" "] * len(handles), frameon=False, **arguments)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return legend


def open_axes(axis, rules=None):
    """Hides the top and right spines, and draws grid lines.

    Args:
        axis: `matplotlib.axes.Axes`.
        rules: "x" or "y", the axis that has grid lines; None draws none.
    """
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
    axis.set_axisbelow(True)
    if rules is not None:
        axis.grid(axis=rules, color=RULE, linewidth=0.8)
