"""Tables of what occlusion costs class by class."""

import statistics

from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.rows import sweeps
from keras_patchmix.report.text import Table, TableRow, class_text, plural, typeset

_SHOWN = 15
_ALL = 2000  # most rows of the full tables, of all models together


def class_tables(reports):
    """Tables of the classes that lose most, and a folded one of all classes, for each model.

    Returns:
        List of tuples (name of the model, or None for a single one; list of `Table`), of the
        reports that hold the outcomes of single examples.
    """
    known = {name: report for name, report in reports.items() if report.outcomes is not None}
    return [
        (name if len(reports) > 1 else None, _of(report, _ALL // len(known)))
        for name, report in known.items()
    ]


def _of(report, most):
    hardest = [members[-1] for members in sweeps(report.rows).values()]
    rows = report.class_rows()
    lines = worst_first(rows, report.rows[0].name, [row.name for row in hardest])
    head = ["Class", "Images", "Clean, %", *map(row_title, hardest)]
    body = [
        TableRow([*_class(clean), typeset(clean.top1, 1), *(typeset(drop, 1) for drop in drops)])
        for clean, drops in lines[:most]
    ]
    few, caption, count = len(lines) <= _SHOWN, "Classes, by falling mean drop", f"{len(lines):,}"
    shown = caption if few else f"The {_SHOWN} worst of {count} classes"
    tables = [Table(shown, head, [body[:_SHOWN]], kind="classes")]
    if not few:
        title = f"All {plural(len(lines), 'class', 'es')}"
        if len(lines) > most:
            title = f"The first {most:,} of {count} classes"
        tables.append(Table(caption, head, [body], kind="classes", folded=title))
    return tables + [_of_set(row.name, rows) for row in report.rows if row.data is not None]


def _of_set(name, rows):
    """The classes of a set of occluded images with the lowest accuracy."""
    lines = [each for each in rows if each.name == name]
    lines.sort(key=lambda each: (each.top1 is None, each.top1 or 0.0, each.label))
    body = [
        TableRow([*_class(each), typeset(each.top1, 1), typeset(each.standard_error, 1)])
        for each in lines[:_SHOWN]
    ]
    caption = f"{name}: the {_SHOWN} worst of {len(lines):,} classes"
    if len(lines) <= _SHOWN:
        caption = f"{name}: classes, by rising accuracy"
    return Table(caption, ["Class", "Images", "Top-1, %", "±"], [body], kind="classes")


def _class(row):
    name = row.class_name
    return class_text(row.label) if name is None else str(name), f"{row.n:,}"


def worst_first(class_rows, clean, hardest):
    """Gathers the rows of each class.

    Args:
        class_rows: List of `ClassRow`.
        clean: Name of the clean row.
        hardest: Names of the rows whose drops are wanted.

    Returns:
        List of tuples (clean `ClassRow`, list of drops in the order of `hardest`), by falling mean
        of the drops; classes without drops are last.
    """
    found = {(row.label, row.name): row for row in class_rows}
    lines = [
        (row, [found[row.label, name].drop for name in hardest])
        for row in class_rows
        if row.name == clean
    ]

    def order(line):
        drops = [drop for drop in line[1] if drop is not None]
        return (not drops, -statistics.fmean(drops) if drops else 0.0, line[0].label)

    return sorted(lines, key=order)
