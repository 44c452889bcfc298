"""CSV as text, written so that no spreadsheet takes a name for a formula."""

import csv
import io
import json

from keras_patchmix.base.printable import printable

# What spreadsheets take for the beginning of a formula, in full width too.
_FORMULA = tuple("=+-@＝＋－＠")


def write(columns, rows):
    """Returns a table as CSV text with a head, lines ending in a line feed.

    Text is made printable. Text that a spreadsheet would take for a formula gets an apostrophe in
    front, the columns' names too; numbers stay numbers.

    Args:
        columns: Sequence of strings.
        rows: Iterable of dicts from columns to values; what is missing or None is empty, lists and
            dicts are JSON.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return file.getvalue()


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text
