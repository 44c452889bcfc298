"""Tables of text on the page."""

import dataclasses
from collections.abc import Sequence


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
