"""Dots of the page as SVG: accuracy on sets of occluded images, each with its interval."""

from keras_patchmix.occlusion.dots import TITLE, words
from keras_patchmix.occlusion.page.curves import classes, coordinate, legend, levels_to, mark
from keras_patchmix.occlusion.page.markup import join, tag
from keras_patchmix.occlusion.panels import Line, end_of_axis

_WIDTH, _LEFT, _RIGHT = 360, 6, 14
_NAME, _DOT, _GAP, _BOTTOM = 18, 15, 6, 40  # heights


def dot_figure(sets, several):
    """Draws the dots of all sets.

    Args:
        sets: What `keras_patchmix.occlusion.dots.dots` returned.
        several: Whether dots are of several models.

    Returns:
        `Markup`, or None where there are no sets.
    """
    if not sets:
        return None
    models = {dot.label: dot.number for members in sets.values() for dot in members}
    lines = [Line(label, number, ()) for label, number in models.items()]
    text = "Images of their own, that have no clean counterpart. Bars are Wilson’s 95 % intervals."
    figure = tag("figure", _svg(sets), class_="panel")
    return join(
        [
            tag("h3", TITLE),
            tag("p", text, class_="small"),
            legend(lines) if several else None,
            tag("div", figure, class_="panels"),
        ]
    )


def _svg(sets):
    top = end_of_axis(dot.high for members in sets.values() for dot in members)
    parts, y = [], 0
    for name, members in sets.items():
        parts.append(tag("text", words(name), x=_LEFT, y=y + 13))
        y += _NAME
        for dot in members:
            parts.append(_dot(name, dot, y + _DOT / 2, lambda v: _to_x(v, top)))
            y += _DOT
        y += _GAP
    return tag(
        "svg",
        tag("title", TITLE, id="dots-title"),
        tag("desc", _description(sets), id="dots-text"),
        _axis(top, y),
        parts,
        viewBox=f"0 0 {_WIDTH} {y + _BOTTOM}",
        role="img",
        aria_labelledby="dots-title dots-text",
    )


def _to_x(value, top):
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / top


def _axis(top, bottom):
    ticks = [(coordinate(_to_x(value, top)), value) for value in levels_to(top)]
    return [
        tag("path", d="".join(f"M{x} 0V{bottom}" for x, _ in ticks), class_="rule"),
        [
            tag("text", value, x=x, y=bottom + 17, text_anchor="middle" if value else "start")
            for x, value in ticks
        ],
        tag("text", "Top-1, %", x=_WIDTH - _RIGHT, y=bottom + 34, text_anchor="end"),
    ]


def _dot(name, dot, y, to_x):
    if dot.y is None:
        return None
    low, high = (coordinate(to_x(value)) for value in (dot.low, dot.high))
    return tag(
        "g",
        tag("title", _reading(name, dot)),
        tag("path", d=f"M{low} {coordinate(y)}H{high}", class_=classes(dot.number)),
        mark(to_x(dot.y), y, dot.number),
        data_set=name,
    )


def _reading(name, dot):
    if dot.y is None:
        return f"{words(name)}, {dot.label}: no image scored"
    interval = f"{dot.low:.1f} to {dot.high:.1f}"
    return f"{words(name)}, {dot.label}: top-1 {dot.y:.1f} % ({interval})"


def _description(sets):
    readings = [_reading(name, dot) for name, members in sets.items() for dot in members]
    return ". ".join(["Top-1 accuracy on sets of occluded images", *readings]) + "."
