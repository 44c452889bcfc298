"""The tables of scores: summary, all rows, and paired differences."""

from keras_patchmix.occlusion.page.markup import (
    column,
    escape,
    given,
    join,
    percent,
    row_head,
    table,
    tag,
)
from keras_patchmix.occlusion.panels import curve_title, row_title
from keras_patchmix.occlusion.rows import occluded_sets, sweeps

_SUMMARY = (
    "Mean: over the levels, clean left out (of clean: its accuracy). Area: under the curve "
    "against the share of pixels affected, from clean on, divided by its width. Drop: clean minus "
    "the hardest level, in points."
)

_SETS = (
    " Of a set of occluded images: the mean over its splits; it has no clean counterpart, and so "
    "no drop and no place on a curve."
)

_LEVELS = "Level: the share asked for. Pixels: the share of them affected, in per cent."
_ERROR = "±: one standard error of top-1, in points."
_CONDITION = tuple(column(title) for title in ("Corruption", "Grid", "Level", "Pixels"))


def summary_table(reports):
    """One line for each corruption and grid, with mean, area and drop of each model."""
    lines = {}
    for name, report in reports.items():
        for entry in report.summary:
            key = (entry["corruption"], None if entry["grid"] is None else tuple(entry["grid"]))
            lines.setdefault(key, {})[name] = entry
    sets = {name for report in reports.values() for name, _ in occluded_sets(report.rows)}
    head = [column("Corruption"), column("Grid")]
    clean = [
        [tag("td", percent(report.rows[0].top1), class_="first"), tag("td"), tag("td")]
        for report in reports.values()
    ]
    body = [
        tag(
            "tr",
            row_head(given(corruption) if corruption in sets else curve_title(corruption, None)),
            tag("td", "" if corruption in sets else _grid(grid, entries)),
            [_summary_cells(entries.get(name)) for name in reports],
        )
        for (corruption, grid), entries in lines.items()
    ]
    labels = [column("Mean", class_="first"), column("Area"), column("Drop")]
    return table(
        "Top-1 accuracy, %",
        _SUMMARY + (_SETS if sets else ""),
        _heads(head, labels, reports),
        [[tag("tr", row_head("Clean"), tag("td"), clean)], body],
    )


def _summary_cells(entry):
    entry = entry or {"mean": None, "area": None, "drop": None}
    return [
        tag("td", percent(entry["mean"]), class_="first"),
        tag("td", percent(entry["area"])),
        tag("td", percent(entry["drop"])),
    ]


def _grid(grid, entries):
    if grid is not None:
        return f"{grid[0]}×{grid[1]}"
    return "" if any(entry["levels"] for entry in entries.values()) else "several"


def rows_tables(reports):
    """Every row of every report: one table for one model, one a quantity for several."""
    if len(reports) == 1:
        return _of_one(next(iter(reports.values())))
    tables = [_side_by_side(reports, "Top-1 accuracy, %", f"{_LEVELS} {_ERROR}", _with_error)]
    rows = [row for report in reports.values() for row in report.rows]
    if any(row.n_nonfinite for row in rows) or not _same_counts(reports):
        note = "In brackets: images whose output was not finite, which are not scored."
        tables.append(_side_by_side(reports, "Images scored", note, _count))
    if any(row.top5 is not None for row in rows):
        note = "The share of images whose class is among the five highest scores."
        top5 = _side_by_side(reports, "Top-5 accuracy, %", note, lambda row: percent(row.top5))
        tables.append(tag("details", tag("summary", "Top-5 accuracy"), top5))
    return join(tables)


def _of_one(report):
    columns = {
        "Top-1, %": lambda row: percent(row.top1),
        "±": lambda row: percent(row.standard_error),
        "Top-5, %": lambda row: percent(row.top5),
        "Images": lambda row: f"{row.n:,}",
        "Not finite": lambda row: f"{row.n_nonfinite:,}",
    }
    if all(row.top5 is None for row in report.rows):
        del columns["Top-5, %"]
    if not any(row.n_nonfinite for row in report.rows):
        del columns["Not finite"]
    head = [*_CONDITION, *(column(title) for title in columns)]
    rows = report.rows
    groups = [[rows[0]], *sweeps(rows).values(), *occluded_sets(rows).values()]
    bodies = [
        [_line(row, [tag("td", cell(row)) for cell in columns.values()]) for row in group]
        for group in groups
    ]
    return table("Accuracy under every condition", f"{_LEVELS} {_ERROR}", [head], bodies)


def _side_by_side(reports, caption, note, cell):
    """One quantity of all models, a column each; a dash where a model has no such row."""
    found = [{row.name: row for row in report.rows} for report in reports.values()]
    head = [*_CONDITION, *(column(given(name), class_="model") for name in reports)]

    def line(name):
        rows = [of_model.get(name) for of_model in found]
        first = next(row for row in rows if row is not None)
        return _line(first, [tag("td", "–" if row is None else cell(row)) for row in rows])

    return table(caption, note, [head], [[line(name) for name in g] for g in _groups(reports)])


def _line(row, cells):
    return tag("tr", _condition(row), cells, data_row=row.name)


def _with_error(row):
    if row.top1 is None:
        return percent(None)
    return [percent(row.top1), tag("small", f" ± {percent(row.standard_error)}")]


def _count(row):
    return f"{row.n:,}" + (f" ({row.n_nonfinite:,})" if row.n_nonfinite else "")


def _condition(row):
    grid = "" if row.grid is None else f"{row.grid[0]}×{row.grid[1]}"
    level = "" if row.level is None else f"{100 * row.level:.6g} %"
    return [
        row_head(given(row.name) if row.data is not None else curve_title(row.corruption, None)),
        tag("td", grid),
        tag("td", level),
        tag("td", "–" if row.share is None else f"{100 * row.share:.1f}"),
    ]


def _same_counts(reports):
    """Whether all rows of all reports are about equally many images."""
    return len({row.n for report in reports.values() for row in report.rows}) == 1


def _groups(reports):
    """The names of all rows: clean first, then a list for each corruption and grid."""
    groups = {}
    for report in reports.values():
        groups.setdefault(None, {})[report.rows[0].name] = None
        for key, rows in {**sweeps(report.rows), **occluded_sets(report.rows)}.items():
            groups.setdefault(key, {}).update((row.name, None) for row in rows)
    return [list(names) for names in groups.values()]


def comparison_table(names, comparison, rows):
    """The differences of two models, with intervals and p-values.

    Args:
        names: Pair of the models' names.
        comparison: A `Comparison`.
        rows: Dict from names to rows, to say in words what a row is.
    """
    first, second = names
    head = [
        column("Condition"),
        column(given(first), class_="model"),
        column(given(second), class_="model"),
        column("Difference"),
        column("95 % interval"),
        column("p"),
        column("Images"),
    ]
    body = [
        tag(
            "tr",
            row_head(row_title(rows[row.name]) if row.name in rows else row.name),
            tag("td", percent(row.top1_a)),
            tag("td", percent(row.top1_b)),
            tag("td", percent(row.difference, sign=True), class_="key"),
            tag("td", f"{percent(row.low, sign=True)} to {percent(row.high, sign=True)}"),
            tag("td", _p_value(row.p_value)),
            tag("td", f"{row.n:,}"),
            data_row=row.name,
        )
        for row in comparison.rows
    ]
    note = join(
        [
            escape("Top-1 in per cent, and "),
            given(first),
            escape(" minus "),
            given(second),
            escape(f" in points, {_how(comparison)}"),
        ]
    )
    notes = [tag("p", note, class_="small") for note in getattr(comparison, "notes", ())]
    return join([table("Difference of two models", note, [head], [body], class_="pairs"), notes])


def _how(comparison):
    paired = [row.paired for row in comparison.rows]
    if all(paired):
        return (
            "paired image by image. p: McNemar's exact test that both are right equally often, "
            "each row on its own, not corrected for the number of rows."
        )
    return "as of two samples, not paired image by image" + (
        " in every row." if any(paired) else "."
    )


def _p_value(p):
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def _heads(columns, labels, reports):
    """The header of a table: one row for one model, two for several, which share the columns."""
    if len(reports) == 1:
        return [[*columns, *labels]]
    models = [
        tag("th", given(name), scope="colgroup", colspan=len(labels), class_="first model")
        for name in reports
    ]
    return [[tag("td", colspan=len(columns)), *models], [*columns, *labels * len(reports)]]
