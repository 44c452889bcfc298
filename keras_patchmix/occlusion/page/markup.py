"""HTML put together so that text is escaped unless it says that it is HTML."""

import html

from keras_patchmix._names import printable

_SHEET = 30  # rows
_VOID = {"img", "link", "meta"}


class Markup(str):
    """Text that is HTML, and is put into a page as it is. Any other text is escaped."""

    __slots__ = ()


def tag(name, /, *children, **attributes):
    """Makes an element.

    Args:
        name: Such as `"td"`.
        *children: Strings, `Markup`, other values (written as `str` does), or lists of these; None
            is left out.
        **attributes: `class_` is "class", other underscores are hyphens. None and False leave the
            attribute out, True gives it no value.

    Returns:
        `Markup`.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children, separator=""):
    """Returns children, as `tag` takes them, one after another as `Markup`."""
    parts = []
    for child in children:
        if isinstance(child, list | tuple):
            parts.append(join(child))
        elif child is not None:
            parts.append(escape(child))
    return Markup(separator.join(parts))


def escape(value):
    """Returns any value as `Markup` that a browser shows as that text, between tags or in quotes.

    It is made printable first: a browser would drop control characters, and UTF-8 has no code for
    what undecodable file names hold.
    """
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(printable(value, lines=True), quote=True))


def given(value):
    """Marks a name that came with the data, whose direction of writing must not leak out."""
    return tag("bdi", value)


def percent(share, digits=2, sign=False):
    """Returns a share as a number of per cent with a true minus, or a dash for None."""
    if share is None:
        return "–"
    number = 100 * share
    if round(number, digits) == 0:
        number, sign = 0.0, False  # no minus before nothing
    return f"{number:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def plural(count, noun, ending="s"):
    """Returns such as "1 image" or "2,000 images"."""
    return f"{count:,} {noun}{'' if count == 1 else ending}"


def table(caption, note, head, bodies, class_=None):
    """Makes a table that scrolls inside its own box where it is too wide.

    Args:
        caption: What it shows, in few words.
        note: How to read it, above the table; or None.
        head: List of rows of header cells, `Markup`.
        bodies: List of groups of rows; a row is `Markup`.
        class_: Class of the table.
    """
    made = tag(
        "table",
        tag("caption", caption),
        tag("thead", [tag("tr", row) for row in head]),
        [tag("tbody", rows) for rows in bodies],
        class_=class_,
    )
    # One that fits on a sheet of paper is not torn apart.
    short = " short" if sum(map(len, bodies)) <= _SHEET else ""
    return join(
        [
            None if note is None else tag("p", note, class_="small note"),
            # Whoever has no mouse scrolls with the keys, once the box has the focus.
            tag("div", made, class_=f"scroll{short}", tabindex="0"),
        ]
    )


def column(text, **attributes):
    """Makes a header cell of a column."""
    return tag("th", text, scope="col", **attributes)


def row_head(text):
    """Makes a header cell of a row."""
    return tag("th", text, scope="row")
