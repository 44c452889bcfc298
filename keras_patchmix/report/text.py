"""Tables, numbers and names as text for people."""

import dataclasses
from collections.abc import Sequence

from keras_patchmix.base.printable import printable


@dataclasses.dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes:
        cells: Strings, the first one the row's header. The last cell spans the remaining columns.
        name: Name of the report's row, or None.
    """

    cells: Sequence[str]
    name: str | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        caption: Short title.
        columns: Titles of the columns.
        groups: List of lists of `TableRow`.
        note: Explanation above the table.
        kind: CSS class: "classes", "line", "pairs", "settings" or None.
        models: Names of the models that share the columns after the second equally.
        folded: Title of the element that hides the table until it is opened, or None.
    """

    caption: str
    columns: Sequence[str]
    groups: Sequence[Sequence[TableRow]]
    note: str | None = None
    kind: str | None = None
    models: Sequence[str] = ()
    folded: str | None = None


def aligned(head, lines, left=2):
    """Aligns cells in columns, with a rule below the header.

    Args:
        head: Sequence of strings, which are made printable.
        lines: Sequence of sequences of strings, each as long as `head`; printable alike.
        left: Number of left-aligned columns; the others are right-aligned.

    Returns:
        A string without a final newline.
    """
    head, *lines = ([printable(cell) for cell in line] for line in (head, *lines))
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    out = []
    for line in (head, *lines):
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
    out.insert(1, "-" * max(map(len, out)))
    return "\n".join(out)


def markdown(head, lines, left=2):
    """Formats cells as a table in Markdown.

    Args:
        head: Sequence of strings, which are made printable.
        lines: Sequence of sequences of strings, each as long as `head`; printable alike.
        left: Number of left-aligned columns; the others are right-aligned.

    Returns:
        A string without a final newline.
    """
    rule = [":--" if i < left else "--:" for i in range(len(head))]
    shown = [[printable(cell).replace("|", "\\|") for cell in line] for line in (head, *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (shown[0], rule, *shown[1:]))


def percent(value, digits=2):
    """Formats a share in percent; empty for None."""
    return "" if value is None else f"{100 * value:.{digits}f}"


def typeset(share, digits=2, sign=False):
    """Formats a share in percent with a true minus sign; a dash for None."""
    if share is None:
        return "–"
    number = 100 * share
    if round(number, digits) == 0:
        number, sign = 0.0, False  # no sign before zero
    return f"{number:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def plural(count, noun, ending="s"):
    """Returns such as "1 image" or "2,000 images"."""
    return f"{count:,} {noun}{'' if count == 1 else ending}"


def grid_text(grid, sign="x"):
    """Formats a grid as "7x7"; empty for None."""
    return "" if grid is None else sign.join(map(str, grid))


def level_text(row, space=" "):
    """Formats the level of a row or a condition as "50 %", its severity as "3"; empty for None."""
    if row.severity is not None:
        return f"{row.severity:.6g}"
    return "" if row.level is None else f"{100 * row.level:.6g}{space}%"


def class_text(number, names=None):
    """Returns the name of a class, or such as "class 3" if it is not known.

    Args:
        number: Class id, which may be beyond `names`.
        names: Sequence of names, or None.
    """
    return str(names[number]) if names and number < len(names) else f"class {number}"
