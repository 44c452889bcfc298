"""What occlusion costs class by class."""

import statistics

from keras_patchmix.occlusion.page.markup import (
    column,
    given,
    join,
    percent,
    plural,
    row_head,
    table,
    tag,
)
from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.rows import sweeps

_NOTE = (
    "Drop: clean minus corrupted top-1, in points, at the hardest level of each corruption. With "
    "few images of a class these are rough: of 50, one image is 2 points."
)
_SHOWN = 15
_ALL = 2000  # lines of the full list, of all models together


def class_tables(reports):
    """The classes that lose most, for each model; the rest folded away.

    Returns:
        `Markup`, or None where no report holds the outcomes of single examples.
    """
    known = {name: report for name, report in reports.items() if report.outcomes is not None}
    if not known:
        return None
    several = len(reports) > 1
    most = _ALL // len(known)
    parts = [tag("p", _NOTE, class_="small note")]
    for name, report in known.items():
        parts += [tag("h3", given(name)) if several else None, _of(report, most)]
        parts += [_of_set(report, row) for row in report.rows if row.data is not None]
    return join(parts)


def _of_set(report, row):
    """The classes of a set of occluded images that are right least often."""
    lines = [each for each in report.class_rows() if each.name == row.name]
    lines.sort(key=lambda each: (each.top1 is None, each.top1 or 0.0, each.label))
    head = [column("Class"), column("Images"), column("Top-1, %"), column("±")]
    body = [
        tag(
            "tr",
            row_head(_name(each)),
            tag("td", f"{each.n:,}"),
            tag("td", percent(each.top1, 1)),
            tag("td", percent(each.standard_error, 1)),
        )
        for each in lines[:_SHOWN]
    ]
    caption = f"{row.name}: the {_SHOWN} worst of {len(lines):,} classes"
    if len(lines) <= _SHOWN:
        caption = f"{row.name}: classes, by rising accuracy"
    return table(caption, None, [head], [body], class_="classes")


def _of(report, most):
    rows = [members[-1] for members in sweeps(report.rows).values()]
    lines = worst_first(report.class_rows(), report.rows[0].name, [row.name for row in rows])
    shown = lines[:_SHOWN]
    caption = f"The {_SHOWN} worst of {len(lines):,} classes"
    if len(lines) <= _SHOWN:
        caption = "Classes, by falling mean drop"
    parts = [_table(caption, shown, rows)]
    if len(lines) > _SHOWN:
        title = f"All {plural(len(lines), 'class', 'es')}"
        if len(lines) > most:
            title = f"The first {most:,} of {len(lines):,} classes"
        everything = _table("Classes, by falling mean drop", lines[:most], rows)
        parts.append(tag("details", tag("summary", title), everything, class_="long"))
    return join(parts)


def worst_first(class_rows, clean, hardest):
    """Gathers the rows of each class.

    Args:
        class_rows: List of `ClassRow`.
        clean: Name of the clean row.
        hardest: Names of the rows whose drops are wanted.

    Returns:
        List of tuples (clean `ClassRow`, list of drops in the order of `hardest`), by falling mean
        of the drops; a class without any stands last.
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


def _table(caption, lines, rows):
    head = [column("Class"), column("Images"), column("Clean, %")]
    head += [column(row_title(row)) for row in rows]
    body = [
        tag(
            "tr",
            row_head(_name(clean)),
            tag("td", f"{clean.n:,}"),
            tag("td", percent(clean.top1, 1)),
            [tag("td", percent(drop, 1)) for drop in drops],
        )
        for clean, drops in lines
    ]
    return table(caption, None, [head], [body], class_="classes")


def _name(row):
    return f"class {row.label}" if row.class_name is None else str(row.class_name)
