"""Tables, numbers and names as text for people."""

import dataclasses
from collections.abc import Sequence

from keras_patchmix.base.printable import printable


@dataclasses.dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes:
        cells: Strings, the first one its head. The last cell spans the columns that are left.
        name: Of the row of a report that it is about, or None.
    """

    cells: Sequence[str]
    name: str | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        caption: What it shows, in few words.
        columns: Titles of the columns.
        groups: List of lists of `TableRow`.
        note: How to read it.
        kind: What its style depends on: "classes", "pairs", "settings" or nothing.
        models: Names of models that share the columns after the second, equally many each.
        folded: The title that it is folded away under, or None.
    """

    caption: str
    columns: Sequence[str]
    groups: Sequence[Sequence[TableRow]]
    note: str | None = None
    kind: str | None = None
    models: Sequence[str] = ()
    folded: str | None = None


def aligned(head, lines, left=2):
    """Lays cells out in columns, with a rule below the head.

    Args:
        head: Sequence of strings, which are made printable.
        lines: Sequence of sequences of strings, each as long as `head`; printable alike.
        left: Number of columns, from the first, that are set flush left; others flush right.

    Returns:
        A string without a line end at its end.
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


def percent(value, digits=2):
    """Returns a share in per cent, or nothing for None."""
    return "" if value is None else f"{100 * value:.{digits}f}"


def typeset(share, digits=2, sign=False):
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


def grid_text(grid):
    """Returns such as "7x7", or nothing for None."""
    return "" if grid is None else "x".join(map(str, grid))


def class_text(number, names=None):
    """Returns what a class is called: by its name, or "class 3".

    Args:
        number: Integer, at least 0. A model may have more classes than there are names.
        names: Sequence of names, or None where they are not known.
    """
    return str(names[number]) if names and number < len(names) else f"class {number}"
