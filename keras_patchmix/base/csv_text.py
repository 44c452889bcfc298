"""CSV text in which no spreadsheet takes a name for a formula."""

import csv
import io
import json

from keras_patchmix.base.printable import printable

# First characters of formulas, in full width too.
_FORMULA = tuple("=+-@＝＋－＠")


def write(columns, rows):
    """Returns a table as CSV text with a header.

    Text is made printable, and gets an apostrophe in front if it looks like a formula.

    Args:
        columns: Sequence of strings.
        rows: Iterable of dicts from columns to values. Missing values and None are empty, lists and
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
