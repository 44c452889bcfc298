"""The results of all models together: what is written and printed once they are scored."""

from keras_patchmix.base import atomic, csv_text
from keras_patchmix.cli import messages
from keras_patchmix.occlusion.page import write_page
from keras_patchmix.occlusion.plot import plot_reports
from keras_patchmix.occlusion.report_text import csv_lines, skipped_line
from keras_patchmix.report import text

_MAX_CLASSES = 15


def write(directory, reports, examples, selectivity=None):
    """Writes the curves, the page, and with several models the common table.

    Args:
        directory: A `pathlib.Path`.
        reports: Dict from a model's name to its `keras_patchmix.occlusion.Report`.
        examples: Of `Benchmark.examples`.
        selectivity: Dict from a model's name to its `SelectivityReport`, or None.
    """
    shown = reports if len(reports) > 1 else next(iter(reports.values()))
    if len(reports) > 1:
        tables = [csv_lines(report) for report in reports.values()]
        # A column for every setting of any report.
        columns = dict.fromkeys(column for own, _ in tables for column in own)
        lines = [line for _, lines in tables for line in lines]
        atomic.write_text(directory / "report.csv", csv_text.write(columns, lines))
    elif selectivity is not None:
        (selectivity,) = selectivity.values()
    plot_reports(shown, directory / "curves.png")
    # The last file: if it exists, all others do.
    write_page(shown, directory / "report.html", examples, selectivity=selectivity)


def tables(reports):
    """Returns what is printed of the reports: with two models their paired differences too."""
    if len(reports) == 1:
        return next(iter(reports.values())).table()
    if len(reports) == 2:
        first, second = reports.values()
        parts = [_heading(first), first.compare(second).table(), skipped_line(reports)]
    else:
        parts = [_side_by_side(reports), skipped_line(reports)]
    return "\n\n".join(part for part in parts if part is not None)


def _side_by_side(reports):
    """Returns top-1 in percent of several models, a column each."""
    first = next(iter(reports.values()))
    top1 = [{row.name: row.top1 for row in report.rows} for report in reports.values()]
    lines = [
        (
            row.corruption if row.data is None else row.name,
            text.grid_text(row.grid),
            "" if row.level is None else f"{100 * row.share:.1f} %",
            *(text.percent(by_row.get(row.name)) for by_row in top1),
        )
        for row in first.rows
    ]
    head = ("top-1 %", "grid", "share", *reports)
    return f"{_heading(first)}\n\n{text.aligned(head, lines)}"


def class_table(name, report):
    """Returns the classes that lose most in the hardest condition, as text."""
    rows = report.class_rows()
    scored = [row for row in report.rows[1:] if row.top1 is not None and row.data is None]
    if not scored:
        return f"{name}: no condition was scored"
    hardest = min(scored, key=lambda row: row.top1).name
    clean = {row.label: row.top1 for row in rows if row.name == report.rows[0].name}
    worst = sorted(
        (row for row in rows if row.name == hardest and row.drop is not None),
        key=lambda row: (-row.drop, row.label),
    )
    lines = [
        (
            row.class_name if row.class_name is not None else str(row.label),
            str(row.n),
            text.percent(clean[row.label], 1),
            text.percent(row.top1, 1),
            text.percent(row.drop, 1),
        )
        for row in worst[:_MAX_CLASSES]
    ]
    head = ("class", "n", "clean %", f"{hardest} %", "drop")
    more = len(worst) - len(lines)
    rest = f"\n... and {more} more in classes.csv" if more else ""
    return f"{name}: classes that lose most\n\n{text.aligned(head, lines, left=1)}{rest}"


def selectivity_table(reports):
    """Returns patch selectivity as text: of each model, and the paired difference of two.

    Args:
        reports: Dict from a model's name to its `SelectivityReport`.
    """
    head = ("patch selectivity", "mean", "95 % interval", "images", "right %", "map noise")
    lines = [
        (
            name,
            f"{report.mean:.3f}",
            "{:.3f} to {:.3f}".format(*report.interval),
            str(len(report.rows)),
            text.percent(report.accuracy, 1),
            f"{report.noise:.2f}",
        )
        for name, report in reports.items()
    ]
    shown = text.aligned(head, lines, left=1)
    if len(reports) == 2:
        (first, report), (second, other) = reports.items()
        difference, low, high = report.compare(other)
        shown += (
            f"\n\n{first} minus {second}, image by image: {difference:+.3f} "
            f"(95 % interval {low:+.3f} to {high:+.3f})"
        )
    return shown


def result_line(options, split, directory, reports, selectivity=None):
    """Returns the last line: RESULT and a JSON object of one line."""
    first = next(iter(reports.values()))
    sets = [row for row in first.rows if row.data is not None]
    result = {
        "dataset": options.dataset,
        "split": split,
        "seed": options.seed,
        "n": first.settings["n"],
        "skipped": len(first.all_skipped),
        **({"sets": {row.name: row.n for row in sets}} if sets else {}),
        "directory": str(directory),
        "top1": {
            name: {
                row.name: None if row.top1 is None else round(row.top1, 4) for row in report.rows
            }
            for name, report in reports.items()
        },
    }
    if selectivity:
        result["selectivity"] = {
            name: round(report.mean, 4) for name, report in selectivity.items()
        }
    return messages.result_line(result)


def _heading(report):
    size = "x".join(map(str, report.settings["image_size"]))
    skipped = f", {len(report.skipped)} more could not be read" if report.skipped else ""
    sets = "".join(
        f"\n{row.name}: {row.n + row.n_nonfinite} images of its own"
        for row in report.rows
        if row.data is not None
    )
    return f"{report.settings['n']} images of {size}{skipped}{sets}"
