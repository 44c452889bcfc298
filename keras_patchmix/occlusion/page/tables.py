"""The tables of scores: summary, all rows, and paired differences."""

from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.report_text import stopping_line
from keras_patchmix.occlusion.rows import occluded_sets, sweeps
from keras_patchmix.report.text import Table, TableRow, grid_text, level_text, typeset

_SUMMARY = (
    "Mean: over the levels, clean left out (of clean: its accuracy). Area: under the curve "
    "against the share of pixels affected, from clean on, divided by its width. Drop: clean minus "
    "the hardest level, in points."
)
_SETS = (
    " Of a set of occluded images: the mean over its splits; it has no clean counterpart, and so "
    "no drop and no place on a curve."
)
_LEVELS = (
    "Level: the share asked for, or a severity. Pixels: the share of them affected, in percent."
)
_ERROR = "±: one standard error of top-1, in points."
_CONDITION = ("Corruption", "Grid", "Level", "Pixels")


def summary_table(reports):
    """Returns a `Table` with mean, area and drop of each corruption and grid, for each model."""
    lines = {}
    for name, report in reports.items():
        for entry in report.summary:
            lines.setdefault((entry.corruption, entry.grid), {})[name] = entry
    rows = [row for report in reports.values() for row in report.rows]
    sets = {row.corruption for row in rows if row.data is not None}
    titles = {row.corruption: row.title for row in rows if row.data is None}
    clean = ["Clean", ""]
    for report in reports.values():
        clean += [typeset(report.rows[0].top1), "", ""]
    gridded = {row.corruption for row in rows if row.grid is not None}
    body = []
    for (corruption, grid), entries in lines.items():
        cells = [titles.get(corruption, corruption)]
        several = grid is None and corruption in gridded
        cells.append("several" if several else grid_text(grid, "×"))
        for name in reports:
            entry = entries.get(name)
            cells += [typeset(getattr(entry, key, None)) for key in ("mean", "area", "drop")]
        body.append(TableRow(cells))
    return Table(
        "Top-1 accuracy, %",
        ["Corruption", "Grid", *("Mean", "Area", "Drop") * len(reports)],
        [[TableRow(clean)], body],
        note=_SUMMARY + (_SETS if sets else ""),
        models=list(reports),
    )


def rows_tables(reports):
    """Returns a `Table` of all rows; for several models, one for each quantity."""
    if len(reports) == 1:
        return [_of_one(next(iter(reports.values())))]
    tables = [_side_by_side(reports, "Top-1 accuracy, %", f"{_LEVELS} {_ERROR}", _with_error)]
    rows = [row for report in reports.values() for row in report.rows]
    if any(row.n_nonfinite for row in rows) or len({row.n for row in rows}) > 1:
        note = "In brackets: images whose output was not finite, which are not scored."
        note += "".join(f" {line}" for line in dict.fromkeys(_stopping_lines(reports)))
        tables.append(_side_by_side(reports, "Images scored", note, _count))
    if any(row.top5 is not None for row in rows):
        note = "The share of images whose class is among the five highest scores."
        caption, title = "Top-5 accuracy, %", "Top-5 accuracy"
        tables.append(_side_by_side(reports, caption, note, lambda r: typeset(r.top5), title))
    return tables


def _of_one(report):
    columns = {
        "Top-1, %": lambda row: typeset(row.top1),
        "±": lambda row: typeset(row.standard_error),
        "95 % interval": _interval,
        "Top-5, %": lambda row: typeset(row.top5),
        "Images": lambda row: f"{row.n:,}",
        "Not finite": lambda row: f"{row.n_nonfinite:,}",
    }
    if all(row.top5 is None for row in report.rows):
        del columns["Top-5, %"]
    if all(row.interval is None for row in report.rows):
        del columns["95 % interval"]
    if not any(row.n_nonfinite for row in report.rows):
        del columns["Not finite"]
    rows = report.rows
    groups = [[rows[0]], *sweeps(rows).values(), *occluded_sets(rows).values()]
    return Table(
        "Accuracy under every condition",
        [*_CONDITION, *columns],
        [[_line(row, [cell(row) for cell in columns.values()]) for row in g] for g in groups],
        note=" ".join([_LEVELS, _ERROR, *_stopping_lines({"": report})]),
    )


def _stopping_lines(reports):
    for report in reports.values():
        if "sequential" in report.settings:
            yield stopping_line(report.settings["sequential"])


def _interval(row):
    return "–" if row.interval is None else " to ".join(map(typeset, row.interval))


def _side_by_side(reports, caption, note, cell, folded=None):
    """Returns a `Table` of one quantity, with a column for each model."""
    found = [{row.name: row for row in report.rows} for report in reports.values()]

    def line(name):
        rows = [of_model.get(name) for of_model in found]
        first = next(row for row in rows if row is not None)
        return _line(first, ["–" if row is None else cell(row) for row in rows])

    groups = [[line(name) for name in group] for group in _groups(reports)]
    return Table(caption, [*_CONDITION, *reports], groups, note, "models", folded=folded)


def _line(row, cells):
    name = row.title if row.data is None else row.name
    share = "–" if row.share is None else f"{100 * row.share:.1f}"
    return TableRow([name, grid_text(row.grid, "×"), level_text(row), share, *cells], row.name)


def _with_error(row):
    return typeset(row.top1) + ("" if row.top1 is None else f" ± {typeset(row.standard_error)}")


def _count(row):
    return f"{row.n:,}" + (f" ({row.n_nonfinite:,})" if row.n_nonfinite else "")


def _groups(reports):
    """Returns lists of the names of rows: clean, then each corruption and grid."""
    groups = {}
    for report in reports.values():
        groups.setdefault(None, {})[report.rows[0].name] = None
        for key, rows in {**sweeps(report.rows), **occluded_sets(report.rows)}.items():
            groups.setdefault(key, {}).update((row.name, None) for row in rows)
    return [list(names) for names in groups.values()]


def comparison(names, compared, rows):
    """Returns the differences of two models, with intervals and p-values.

    Args:
        names: Pair of the models' names.
        compared: A `Comparison`.
        rows: Dict from names to rows, for their titles.

    Returns:
        Tuple (first name, second name, `Table`, how they were compared, notes).
    """
    lines = [
        TableRow(
            [
                row_title(rows[row.name]) if row.name in rows else row.name,
                typeset(row.top1_a),
                typeset(row.top1_b),
                typeset(row.difference, sign=True),
                f"{typeset(row.low, sign=True)} to {typeset(row.high, sign=True)}",
                _p_value(row.p_value),
                f"{row.n:,}",
            ],
            row.name,
        )
        for row in compared.rows
    ]
    head = ["Condition", *names, "Difference", "95 % interval", "p", "Images"]
    table = Table("Difference of two models", head, [lines], kind="pairs")
    return *names, table, _how(compared), compared.notes


def _how(compared):
    paired = [row.paired for row in compared.rows]
    if all(paired):
        if all(row.p_value is None for row in compared.rows):
            return (
                "paired image by image, on the images that both have scored, which were taken in "
                "random order. The intervals are of all images, and hold whenever one looks."
            )
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
