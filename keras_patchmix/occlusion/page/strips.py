"""Patch selectivity of single images as dots in a strip for each model, as SVG."""

import math

from keras_patchmix.occlusion.page.curves import classes, coordinate, mark
from keras_patchmix.occlusion.page.markup import tag
from keras_patchmix.occlusion.panels import COLOURS

_WIDTH, _LEFT, _RIGHT = 360, 12, 14
_NAME, _STRIP, _GAP, _BOTTOM = 20, 34, 12, 40  # heights
_DOT = 2.2  # radius
_BLIND = 0.5
_TITLE = "Patch selectivity of each image"


def strip_figure(found, numbers):
    """Draws a strip for each model: a dot for each image, the mean and its interval over them.

    Args:
        found: Dict from a model's name to its `keras_patchmix.explain.SelectivityReport`.
        numbers: Dict from a model's name to its number, for its colour and mark.

    Returns:
        `Markup`.
    """
    low, high, step = _range(found)

    def to_x(value):
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (10 * value - low) / (high - low)

    parts, tops, y = [], [], 0
    for name, report in found.items():
        number, top = numbers[name], y + _NAME
        parts.append(tag("text", name, x=_LEFT, y=y + 13))
        parts += [_strip(report, number, top, to_x), _mean(name, report, number, top, to_x)]
        tops.append(top)
        y = top + _STRIP + _GAP
    svg = tag(
        "svg",
        tag("title", _TITLE, id="strips-title"),
        tag("desc", _description(found), id="strips-text"),
        _axis(range(low, high + 1, step), tops, y, to_x),
        parts,
        viewBox=f"0 0 {_WIDTH} {y + _BOTTOM}",
        role="img",
        aria_labelledby="strips-title strips-text",
    )
    return tag(
        "div", tag("figure", tag("figcaption", _TITLE), svg, class_="panel"), class_="panels"
    )


def _range(found):
    """The ends of the axis and the step of its ticks, in tenths: 0.5 and all values are within."""
    values = [10 * value for report in found.values() for value in report.values]
    low, high = min(4, math.floor(min(values))), max(6, math.ceil(max(values)))
    step = 1 if high - low <= 6 else 2
    return low - low % step, high + -high % step, step


def _axis(tenths, tops, bottom, to_x):
    """Rules behind each strip, not behind the names over them, and the ticks below."""
    ticks = [(coordinate(to_x(tick / 10)), tick / 10) for tick in tenths]

    def rules(x):
        return "".join(f"M{x} {top}v{_STRIP}" for top in tops)

    return [
        tag("path", d="".join(rules(x) for x, _ in ticks), class_="rule"),
        tag("path", d=rules(coordinate(to_x(_BLIND))), class_="axis d1"),
        [tag("text", f"{v:.1f}", x=x, y=bottom + 17, text_anchor="middle") for x, v in ticks],
        tag("text", "Dashed: blind to what belongs", x=_LEFT, y=bottom + 34),
        tag("text", "Selectivity", x=_WIDTH - _RIGHT, y=bottom + 34, text_anchor="end"),
    ]


def _strip(report, number, top, to_x):
    """The dots; images one after another from the top to the bottom, so that few overlap."""
    count = len(report.rows)
    inner = _STRIP - 2 * _DOT
    dots = [
        tag(
            "circle",
            cx=coordinate(to_x(value)),
            cy=coordinate(top + _DOT + inner * _spread(place, count)),
            r=_DOT,
            class_=f"dot s{number % len(COLOURS)}",
        )
        for place, value in enumerate(report.values)
    ]
    return tag("g", dots)


def _spread(place, count):
    """A place in [0, 1) that is far from those of the images before: steps of the golden ratio."""
    return 0.5 if count == 1 else (0.5 + place * 0.6180339887498949) % 1


def _mean(name, report, number, top, to_x):
    low, high = (coordinate(to_x(value)) for value in report.interval)
    y = top + _STRIP / 2
    return tag(
        "g",
        tag("title", reading(name, report)),
        tag("path", d=f"M{low} {coordinate(y)}H{high}", class_=classes(number)),
        mark(to_x(report.mean), y, number),
        data_model=name,
    )


def reading(name, report):
    """Returns the result of a model in words."""
    low, high = report.interval
    return (
        f"{name}: mean {report.mean:.3f} ({low:.3f} to {high:.3f}), "
        f"images from {report.values.min():.2f} to {report.values.max():.2f}"
    )


def _description(found):
    return " ".join(f"{reading(name, report)}." for name, report in found.items())
