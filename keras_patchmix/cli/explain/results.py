"""The results of all models together: the table of images, and what is printed."""

import numpy as np

from keras_patchmix.base import atomic, csv_text
from keras_patchmix.base.printable import printable
from keras_patchmix.cli import messages
from keras_patchmix.cli.explain.explanation import CURVES, reports_of
from keras_patchmix.cli.explain.figures import draw_figures
from keras_patchmix.cli.explain.row_text import classes_text, said
from keras_patchmix.report.text import aligned, class_text, percent

_NOISE = 0.18  # of maps that had nothing to show: see docs/explain.md
_MAX_NAMED = 10
_COLUMNS = (
    "model", "image", "class_id", "class_name", "contrast_id", "contrast_name", "predicted",
    "predicted_name", "probability", "class_probability", "contrast_probability", "share",
    "num_masks", "mean_score", "noise", "selectivity", "deletion_area", "insertion_area",
)  # fmt: skip


def write(directory, explanations, figures):
    """Writes rows.csv, selectivity.png of a data set, curves.png and, last, explain.png.

    Its arguments and errors are those of `draw_figures`.
    """
    atomic.write_text(directory / "rows.csv", rows_csv(explanations))
    draw_figures(directory, explanations, figures)


def rows_csv(explanations):
    """Returns the rows of every model and image as CSV text; unknown values are empty."""
    lines = []
    for name, explanation in explanations.items():
        rows = {row["image"]: row for row in explanation.rows}
        every = explanation.rows
        if explanation.report is not None:
            every = _report_rows(explanation.report)
        lines += [{**row, **rows.get(row["image"], {}), "model": name} for row in every]
    return csv_text.write(_COLUMNS, lines)


def _report_rows(report):
    names = report.settings.get("class_names")
    for row in report.rows:
        if "predicted" in row:
            row = {**row, "predicted_name": class_text(row["predicted"], names)}
        yield {
            **row,
            "image": f"image {row['index']}",
            "class_id": row["label"],
            "class_name": class_text(row["label"], names),
            "contrast_id": row["contrast"],
            "contrast_name": class_text(row["contrast"], names),
        }


def tables(explanations):
    """Returns the printed tables of all models, as one text.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
    """
    reports = reports_of(explanations)
    if None in reports.values():
        parts = [_image_table(explanations)]
    else:
        parts = [_selectivity_table(reports), _difference_table(reports), _area_table(explanations)]
    parts += [_noise_line(explanations), _skipped_line(explanations)]
    return "\n\n".join(part for part in parts if part)


def _differences(reports):
    """Returns a dict from each further model to `compare` of the first model with it."""
    (_, first), *others = reports.items()
    return {name: first.compare(report) for name, report in others}


def _selectivity_table(reports):
    lines = []
    for name, report in reports.items():
        low, high = report.interval
        lines.append(
            (
                name,
                f"{report.mean:.3f}",
                f"{low:.3f} to {high:.3f}",
                str(len(report.rows)),
                f"{report.noise:.2f}",
                percent(report.accuracy, 1),
            )
        )
    head = ("patch selectivity", "mean", "95 % interval", "n", "noise", "accuracy %")
    return (
        aligned(head, lines, left=1)
        + "\n\nnoise: median of the maps' greatest standard error over their range; "
        "accuracy: on the images with foreign parts"
    )


def _difference_table(reports):
    if len(reports) < 2:
        return None
    first = next(iter(reports))
    lines = [
        (f"{first} - {name}", f"{mean:+.3f}", f"{low:+.3f} to {high:+.3f}")
        for name, (mean, low, high) in _differences(reports).items()
    ]
    return aligned(("difference, image by image", "mean", "95 % interval"), lines, left=1)


def _area_table(explanations):
    lines = [
        (name, *(f"{explanation.mean_area(kind):.3f}" for kind in CURVES))
        for name, explanation in explanations.items()
    ]
    count = len(next(iter(explanations.values())).rows)
    images = "the first image" if count == 1 else f"the first {count} images"
    head = (f"areas on {images}", "deletion (lower is better)", "insertion (higher is better)")
    return aligned(head, lines, left=1)


def _image_table(explanations):
    images = zip(*(explanation.rows for explanation in explanations.values()), strict=True)
    rows = [pair for rows in images for pair in zip(explanations, rows, strict=True)]
    lines = [
        (
            row["image"],
            name,
            said(row),
            classes_text(row),
            "" if row["selectivity"] is None else f"{row['selectivity']:.3f}",
            f"{row['noise']:.2f}",
            f"{row['deletion_area']:.3f}",
            f"{row['insertion_area']:.3f}",
        )
        for name, row in rows
    ]
    head = ("image", "model", "says", "explained", "selectivity", "noise", "deletion", "insertion")
    if all(row["selectivity"] is None for _, row in rows):
        head, *lines = ((*line[:4], *line[5:]) for line in (head, *lines))
    return (
        aligned(head, lines, left=4)
        + "\n\nnoise: greatest standard error of the map over its range; deletion (lower is "
        "better) and insertion (higher is better): areas under the curves"
    )


def _noise_line(explanations):
    """Returns how many maps are so noisy that they may show nothing, or None."""
    counts = []
    for name, explanation in explanations.items():
        rows = explanation.rows if explanation.report is None else explanation.report.rows
        noisy = sum(row["noise"] >= _NOISE for row in rows)
        if noisy:
            counts.append(f"{name} {noisy} of {len(rows)}")
    if not counts:
        return None
    return f"Maps that may be noise ({_NOISE} or more): {', '.join(counts)}. Use more --num-masks"


def _skipped_line(explanations):
    """Returns which files could not be read, or None."""
    reasons = {}
    for explanation in explanations.values():
        reasons.update(explanation.skipped)
    if not reasons:
        return None
    shown = list(reasons.items())[:_MAX_NAMED]
    files = ", ".join(f"{printable(name)} ({reason})" for name, reason in shown)
    more = len(reasons) - len(shown)
    return f"Not read: {len(reasons)}: {files}" + (f" and {more} more" if more else "")


def result_line(options, directory, explanations):
    """Returns the last line: RESULT and a JSON object of one line.

    Args:
        options: An `ExplainOptions`.
        directory: A `pathlib.Path`.
        explanations: Dict from a model's name to its `Explanation`.
    """
    first, reports = next(iter(explanations.values())), reports_of(explanations)
    if first.report is None:
        rows, source = first.rows, {"images": list(options.image)}
    else:
        rows = first.report.rows
        source = {"dataset": options.dataset, "split": first.settings["split"]}
    result = {
        **source,
        "method": options.method,
        "seed": options.seed,
        "n": len(rows),
        "skipped": len(first.skipped),
        "directory": str(directory),
        "models": {name: _numbers(explanation) for name, explanation in explanations.items()},
    }
    if first.report is not None and len(reports) > 1:
        result["differences"] = {
            name: [round(value, 4) for value in difference]
            for name, difference in _differences(reports).items()
        }
    return messages.result_line(result)


def _numbers(explanation):
    numbers = {kind: explanation.mean_area(kind) for kind in CURVES}
    values = [row["selectivity"] for row in explanation.rows if row["selectivity"] is not None]
    report = explanation.report
    if report is not None:
        low, high = report.interval
        numbers.update(selectivity=report.mean, low=low, high=high, accuracy=report.accuracy)
    elif values:
        numbers["selectivity"] = float(np.mean(values))
    return {key: None if value is None else round(value, 4) for key, value in numbers.items()}
