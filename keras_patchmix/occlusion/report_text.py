"""Reports as text: tables, CSV, and the files that could not be read."""

import collections
import dataclasses

from keras_patchmix.base import csv_text
from keras_patchmix.base.printable import printable
from keras_patchmix.occlusion.intervals import interval_of
from keras_patchmix.occlusion.report_file import SCHEMA_VERSION
from keras_patchmix.occlusion.rows import ClassRow
from keras_patchmix.report import text

_MOST_SKIPPED = 10  # files named in a line


def table(report):
    """Returns the rows and the summary of a `Report` as a text table."""
    size = "x".join(map(str, report.settings["image_size"]))
    n = report.settings.get("n", report.rows[0].n)
    sequential = report.settings.get("sequential")
    if sequential is not None:
        n = f"up to {n} of {sequential['population']}"
    title = f"{printable(report.settings['model'] or 'model')}: {n} images of {size}"
    if report.settings.get("preprocess"):
        title += f", through {printable(report.settings['preprocess'])}"
    if report.settings.get("one_output"):
        title += f", the one output read as a {report.settings['one_output']}"
    parts = [title, "", text.aligned(*_row_cells(report))]
    if sequential is not None:
        parts += ["", stopping_line(sequential)]
    if report.summary:
        parts += ["", "top-1 %, summed up", text.aligned(*_summary_cells(report))]
    if report.datasets:
        parts.append("")
        for row in report.rows:
            if row.data is not None:
                source = "" if row.data == row.name else f", {row.data}"
                count = row.n + row.n_nonfinite
                parts.append(f"{row.name}: {count} images of its own{source}.")
    bad = sum(row.n_nonfinite for row in report.rows)
    if bad:
        parts += ["", f"{bad} outputs were not finite and are not scored."]
    skipped = report.all_skipped
    if skipped:
        names = ", ".join(entry["name"] for entry in skipped[:5])
        more = ", ..." if len(skipped) > 5 else ""
        parts += ["", f"{len(skipped)} images could not be read: {names}{more}"]
    if report.settings.get("left_out"):
        parts += ["", f"Left out of the folder: {report.settings['left_out']}"]
    return "\n".join(parts)


def markdown(report):
    """Returns the rows and the summary of a `Report` as tables in Markdown."""
    parts = [text.markdown(*_row_cells(report))]
    if report.summary:
        parts.append(text.markdown(*_summary_cells(report)))
    return "\n\n".join(parts) + "\n"


def stopping_line(sequential):
    """Returns a sentence on when the rows of a sequential evaluation stopped.

    Args:
        sequential: Dict of the settings.
    """
    points = f"{sequential['precision']:g} points"
    compared = sequential.get("compared_to")
    if compared is None:
        until = f"until its interval was within {points}"
    else:
        until = (
            f"until its difference to {printable(compared)} had a known sign, or was known to be "
            f"below {points}"
        )
    return (
        f"Images were taken in random order, for each row {until}. The intervals are of all "
        f"{sequential['population']} images, and hold whenever one looks."
    )


def _row_cells(report):
    """Returns head and lines of the table of all rows."""
    head = ["corruption", "grid", "level", "share", "top-1 %", "+-", "top-5 %"]
    lines = [
        [
            row.corruption if row.data is None else row.name,
            text.grid_text(row.grid),
            text.level_text(row),
            "" if row.share is None else f"{100 * row.share:.1f} %",
            text.percent(row.top1),
            text.percent(row.standard_error),
            text.percent(row.top5),
        ]
        for row in report.rows
    ]
    if "sequential" in report.settings:
        head += ["95 % interval", "images"]
        for line, row in zip(lines, report.rows, strict=True):
            ends = "" if row.interval is None else " to ".join(map(text.percent, row.interval))
            line += [ends, str(row.n)]
    return head, lines


def _summary_cells(report):
    """Returns head and lines of the table of the summary."""
    lines = [
        (each.corruption, text.grid_text(each.grid), *map(text.percent, values))
        for each in report.summary
        for values in [(each.mean, each.area, each.drop)]
    ]
    return ("corruption", "grid", "mean", "area", "drop"), lines


def flat(row):
    """Returns a `Row` as a dict of numbers and text: the columns of a table as data."""
    values = {**dataclasses.asdict(row), "grid": text.grid_text(row.grid)}
    del values["interval"]
    low, high = interval_of(row) or (None, None)
    return {**values, "low": low, "high": high}


def csv(report):
    """Returns the rows of a `Report` as CSV text."""
    return csv_text.write(*csv_lines(report))


def class_csv(report):
    """Returns the rows of all classes of a `Report` as CSV text."""
    columns = [field.name for field in dataclasses.fields(ClassRow)]
    return csv_text.write(columns, map(dataclasses.asdict, report.class_rows()))


def csv_lines(report):
    """Returns the columns of `Report.to_csv`, and a list of dicts from them to values."""
    columns = list(flat(report.rows[0]))
    settings = {key: value for key, value in report.settings.items() if key not in columns}
    version = {"schema_version": SCHEMA_VERSION}
    lines = []
    for row in report.rows:
        own = report.datasets[row.name].settings if row.name in report.datasets else {}
        of_line = {key: own.get(key, value) for key, value in settings.items()}
        lines.append({**flat(row), **version, **of_line})
    return [*columns, *version, *settings], lines


def skipped_of(reports):
    """Returns a list of the (name, reason) of files that could not be read.

    A file that several reports name is listed once; files of the same name in one report are all
    listed.

    Args:
        reports: Iterable of `Report`s.
    """
    counts = collections.Counter()
    for report in reports:
        counts |= collections.Counter((one["name"], one["reason"]) for one in report.all_skipped)
    return list(counts.elements())


def skipped_line(reports):
    """Returns a line that names the files that could not be read, or None.

    Args:
        reports: Dict from names to `Report`s.
    """
    skipped = skipped_of(reports.values())
    if not skipped:
        return None
    return f"Could not be read: {files_line(skipped, ', named in report.html')}"


def files_line(files, where=""):
    """Returns such as "a.jpg (the file is empty); and 3 more".

    Args:
        files: List of tuples (name, reason).
        where: What follows the number of those that are not named. Defaults to `""`.
    """
    names = "; ".join(f"{name} ({reason})" for name, reason in files[:_MOST_SKIPPED])
    rest = len(files) - _MOST_SKIPPED
    return f"{names}; and {rest} more{where}" if rest > 0 else names
