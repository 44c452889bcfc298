"""CSV as text: written so that no spreadsheet takes a name for a formula, and read back."""

import csv
import io
import json

from keras_patchmix._names import printable
from keras_patchmix._schema import Mismatch, check

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


def read(text):
    """Reads what `write` returned, numbers as text.

    Returns:
        List of dicts from columns to text.

    Raises:
        Mismatch: It is no such table: columns that repeat, lines of differing length.
    """
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise Mismatch("", str(error)) from error
    check(len(lines) > 0, "", "it is empty")
    head, *rows = ([_unmarked(cell) for cell in line] for line in lines)
    check(len(set(head)) == len(head), "", "two columns have one name")
    for number, row in enumerate(rows, start=2):
        same = len(row) == len(head)
        check(same, f"line {number}", f"has {len(row)} cells, and the head {len(head)}")
    return [dict(zip(head, row, strict=True)) for row in rows]


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _unmarked(cell):
    marked = cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA)
    return cell[1:] if marked else cell
