"""Curves of the page as SVG: small panels that follow its colours, one below another on a phone."""

import math

from keras_patchmix.occlusion.page.markup import Markup, given, join, tag
from keras_patchmix.occlusion.panels import COLOURS, MARKERS, ceiling, row_title

# Units are CSS pixels where a panel is as wide as a phone; wider panels are scaled as a whole.
_WIDTH, _HEIGHT = 360, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 14, 24, 40
_RADIUS = 4.2


def curves(drawn, several):
    """Draws panels.

    Args:
        drawn: List of `Panel`.
        several: Whether the lines are models, named once for all panels, or corruptions, named
            under each.

    Returns:
        `Markup`.
    """
    top = ceiling(drawn)
    figures = [_figure(panel, number, top, several) for number, panel in enumerate(drawn)]
    panels = tag("div", figures, class_="panels")
    if not several:
        return panels
    lines = {line.label: line for panel in drawn for line in panel.lines}
    return join([legend(lines.values()), panels])


def _figure(panel, number, top, several):
    below = None if several or len(panel.lines) == 1 else legend(panel.lines)
    return tag(
        "figure", tag("figcaption", panel.title), _svg(panel, number, top), below, class_="panel"
    )


def legend(lines):
    """Returns a list of `Line`s and what they are drawn like."""
    return tag(
        "ul",
        [tag("li", _swatch(line), given(line.label)) for line in lines],
        class_="legend",
    )


def _swatch(line):
    return tag(
        "svg",
        tag("path", d="M1 7H33", class_=classes(line.number)),
        mark(17, 7, line.number),
        viewBox="0 0 34 14",
        width="34",
        height="14",
        aria_hidden="true",
    )


def _svg(panel, number, top):
    """The axes, then bands, lines and marks of a panel."""
    to_x, ticks = _x_axis(panel)

    def to_y(value):
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)

    name = f"panel-{number}"
    parts = [
        tag("title", panel.title, id=f"{name}-title"),
        tag("desc", _description(panel), id=f"{name}-text"),
        _axes(panel, top, to_y, ticks),
        [_band(piece, line, to_x, to_y) for line in panel.lines for piece in line.pieces],
        [_path(piece, line, to_x, to_y) for line in panel.lines for piece in line.pieces],
        [_marks(line, to_x, to_y) for line in panel.lines],
    ]
    return tag(
        "svg",
        parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_labelledby=f"{name}-title {name}-text",
    )


def _x_axis(panel):
    """The scale from x to pixels, and the ticks as pairs of a pixel and a text."""
    points = [point.x for line in panel.lines for point in line.points]
    if panel.is_loss:
        last = max(*points, 10.0)
        step = next(step for step in (2, 5, 10, 20, 25) if last / step <= 5.1)
        last = max(last, step * math.ceil(last / step - 0.05))  # up to the next tick, if not there
        values = {value: str(value) for value in range(0, int(last) + 1, step)}
    else:
        last = max(*points, 1.0)
        values = {math.log2(count): str(count) for count in panel.tile_counts}

    def to_x(value):
        return _LEFT + 6 + (_WIDTH - _LEFT - _RIGHT - 6) * value / last

    return to_x, [(to_x(value), text) for value, text in values.items()]


def _axes(panel, top, to_y, ticks):
    levels = levels_to(top)
    bottom = to_y(0)
    rules = "".join(f"M{_LEFT} {coordinate(to_y(level))}H{_WIDTH - _RIGHT}" for level in levels[1:])
    notches = "".join(f"M{coordinate(x)} {coordinate(bottom)}v4" for x, _ in ticks)
    label = "Pixels affected, %" if panel.is_loss else "Number of tiles"
    return [
        tag("path", d=rules, class_="rule"),
        tag("path", d=f"M{_LEFT} {coordinate(bottom)}H{_WIDTH - _RIGHT}{notches}", class_="axis"),
        [
            tag("text", level, x=_LEFT - 6, y=coordinate(to_y(level) + 4), text_anchor="end")
            for level in levels
        ],
        [
            tag("text", text, x=coordinate(x), y=coordinate(bottom + 17), text_anchor="middle")
            for x, text in ticks
        ],
        tag("text", "Top-1, %", x=4, y=12),
        tag("text", label, x=_WIDTH - _RIGHT, y=coordinate(bottom + 34), text_anchor="end"),
    ]


def levels_to(top):
    """Returns the ticks of an axis of accuracy that ends at `top` per cent, at most six."""
    step = next(step for step in (1, 2, 5, 10, 20) if top / step <= 5)
    return range(0, top + 1, step)


def _band(points, line, to_x, to_y):
    there = [f"{coordinate(to_x(point.x))} {coordinate(to_y(point.high))}" for point in points]
    back = [
        f"{coordinate(to_x(point.x))} {coordinate(to_y(point.low))}" for point in reversed(points)
    ]
    return tag("path", d=f"M{'L'.join([*there, *back])}Z", class_=f"band s{_colour(line)}")


def _path(points, line, to_x, to_y):
    places = [f"{coordinate(to_x(point.x))} {coordinate(to_y(point.y))}" for point in points]
    return tag("path", d=f"M{'L'.join(places)}", class_=classes(line.number))


def _marks(line, to_x, to_y):
    return [
        tag(
            "g",
            tag("title", f"{line.label}: {_reading(point)}"),
            mark(to_x(point.x), to_y(point.y), line.number),
        )
        for piece in line.pieces
        for point in piece
    ]


def mark(x, y, number):
    """One of the marks of matplotlib's names, around a point."""
    kind, colour = MARKERS[number % len(MARKERS)], f"mark s{number % len(COLOURS)}"
    if kind == "o":
        return tag("circle", cx=coordinate(x), cy=coordinate(y), r=_RADIUS, class_=colour)
    corners = {
        "s": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "D": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
        "^": ((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),
        "v": ((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),
        "P": _cross(upright=True),
        "X": _cross(upright=False),
    }[kind]
    places = [
        f"{coordinate(x + _RADIUS * dx)} {coordinate(y + _RADIUS * dy)}" for dx, dy in corners
    ]
    return tag("path", d=f"M{'L'.join(places)}Z", class_=colour)


def _cross(upright):
    """The twelve corners of a thick plus, or of that turned by an eighth."""
    a, b = 0.42, 1.2
    corners = ((a, b), (a, a), (b, a), (b, -a), (a, -a), (a, -b))
    corners += tuple((-x, -y) for x, y in corners)
    if upright:
        return corners
    half = math.sqrt(0.5)
    return tuple((half * (x - y), half * (x + y)) for x, y in corners)


def _description(panel):
    """The curves in words, for those who do not see them."""
    axis = "the share of pixels affected" if panel.is_loss else "the number of tiles"
    sentences = [f"Top-1 accuracy against {axis}."]
    for line in panel.lines:
        values = "; ".join(_reading(point) for point in line.points)
        sentences.append(f"{line.label}: {values}.")
    return " ".join(sentences)


def _reading(point):
    if point.y is None:
        return f"{row_title(point.row)}: no image scored"
    affected = f"{100 * point.row.share:.1f} % of the pixels, " if point.row.share else ""
    return (
        f"{row_title(point.row)}: {affected}top-1 {point.y:.1f} % "
        f"({point.low:.1f} to {point.high:.1f})"
    )


def _colour(line):
    return line.number % len(COLOURS)


def classes(number):
    """Returns the classes of a line of a number, for colour and dashes."""
    return f"line s{number % len(COLOURS)} d{number // len(COLOURS) % 4}"


def coordinate(value):
    """A coordinate, as short as a tenth of a pixel allows."""
    return Markup(f"{value:.1f}".removesuffix(".0"))
