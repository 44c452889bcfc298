"""What an explanation prints, and its table of every image."""

import numpy as np

from keras_patchmix.base import csv_text
from keras_patchmix.base.printable import printable
from keras_patchmix.cli import command_line
from keras_patchmix.cli.explain.drawing import classes_text
from keras_patchmix.report.text import aligned, class_text, percent

_NOISE = 0.18  # of maps that had nothing to show: see docs/explain.md
_NAMED = 10
_COLUMNS = (
    "model", "image", "class_id", "class_name", "contrast_id", "contrast_name", "predicted",
    "share", "num_masks", "noise", "selectivity", "deletion_area", "insertion_area",
)  # fmt: skip


def rows_csv(explanations):
    """Returns every image and model as one CSV text; what is not known is empty.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
    """
    lines = []
    for name, one in explanations.items():
        areas = {row["image"]: row for row in one.rows}
        for row in one.rows if one.report is None else _data_rows(one.report):
            lines.append({**row, **areas.get(row["image"], {}), "model": name})
    return csv_text.write(_COLUMNS, lines)


def _data_rows(report):
    names = report.settings.get("class_names")
    for row in report.rows:
        pair = {"class": row["label"], "contrast": row["contrast"]}
        found = {**row, "image": f"image {row['index']}"}
        for kind, number in pair.items():
            found[f"{kind}_id"] = number
            found[f"{kind}_name"] = class_text(number, names)
        yield found


def tables(explanations):
    """Returns what is printed of all models, as one text.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
    """
    reports = {name: one.report for name, one in explanations.items()}
    if None in reports.values():
        parts = [_image_table(explanations)]
    else:
        parts = [_selectivity_table(reports), _differences(reports), _area_table(explanations)]
    parts += [_noise_line(explanations), skipped_line(explanations)]
    return "\n\n".join(part for part in parts if part)


def differences(reports):
    """Compares the first model with every further one, image by image.

    Args:
        reports: Dict from a model's name to its `SelectivityReport`.

    Returns:
        Dict from the further ones' names to (difference, low, high): the first one less the other,
        see `SelectivityReport.compare`.
    """
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


def _differences(reports):
    if len(reports) < 2:
        return None
    first = next(iter(reports))
    lines = [
        (f"{first} - {name}", f"{mean:+.3f}", f"{low:+.3f} to {high:+.3f}")
        for name, (mean, low, high) in differences(reports).items()
    ]
    return aligned(("difference, image by image", "mean", "95 % interval"), lines, left=1)


def _area_table(explanations):
    lines = [
        (name, *(f"{_mean_area(one, kind):.3f}" for kind in ("deletion", "insertion")))
        for name, one in explanations.items()
    ]
    count = len(next(iter(explanations.values())).rows)
    images = "the first image" if count == 1 else f"the first {count} images"
    head = (f"areas on {images}", "deletion (lower is better)", "insertion (higher is better)")
    return aligned(head, lines, left=1)


def _mean_area(one, kind):
    return float(np.mean([row[f"{kind}_area"] for row in one.rows]))


def _image_table(explanations):
    pairs = zip(*(one.rows for one in explanations.values()), strict=True)
    rows = [pair for rows in pairs for pair in zip(explanations, rows, strict=True)]
    measured = any(row["selectivity"] is not None for _, row in rows)
    lines = [
        (
            row["image"],
            name,
            classes_text(row),
            "" if row["selectivity"] is None else f"{row['selectivity']:.3f}",
            f"{row['noise']:.2f}",
            f"{row['deletion_area']:.3f}",
            f"{row['insertion_area']:.3f}",
        )
        for name, row in rows
    ]
    head = ("image", "model", "explained", "selectivity", "noise", "deletion", "insertion")
    if not measured:
        head, *lines = ((*line[:3], *line[4:]) for line in (head, *lines))
    return (
        aligned(head, lines, left=3)
        + "\n\nnoise: greatest standard error of the map over its range; deletion (lower is "
        "better) and insertion (higher is better): areas under the curves"
    )


def _noise_line(explanations):
    """Says how many maps are so noisy that they may show nothing, or None."""
    said = []
    for name, one in explanations.items():
        rows = one.rows if one.report is None else one.report.rows
        noisy = sum(row["noise"] >= _NOISE for row in rows)
        if noisy:
            said.append(f"{name} {noisy} of {len(rows)}")
    if not said:
        return None
    return (
        f"Maps whose noise is {_NOISE} or more, as it is of maps that have nothing to show: "
        f"{', '.join(said)}. Take more --num-masks"
    )


def skipped_line(explanations):
    """Returns which files could not be read, or None.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
    """
    reasons = {k: v for one in explanations.values() for k, v in one.skipped.items()}
    if not reasons:
        return None
    named = ", ".join(
        f"{printable(name)} ({reason})" for name, reason in list(reasons.items())[:_NAMED]
    )
    more = len(reasons) - _NAMED
    return f"Not read: {len(reasons)}: {named}" + (f" and {more} more" if more > 0 else "")


def result_line(options, directory, explanations):
    """Returns the last line: RESULT and a JSON object of one line.

    Args:
        options: An `ExplanationOptions`.
        directory: A `pathlib.Path`.
        explanations: Dict from a model's name to its `Explanation`.
    """
    first = next(iter(explanations.values()))
    rows = first.rows if first.report is None else first.report.rows
    if first.report is None:
        source = {"images": list(options.image)}
    else:
        source = {"dataset": options.dataset, "split": first.settings["split"]}
    result = {
        **source,
        "method": options.method,
        "seed": options.seed,
        "n": len(rows),
        "skipped": len(first.skipped),
        "directory": str(directory),
        "models": {name: _numbers(one) for name, one in explanations.items()},
    }
    reports = {name: one.report for name, one in explanations.items()}
    if first.report is not None and len(reports) > 1:
        result["differences"] = {
            name: [round(value, 4) for value in found]
            for name, found in differences(reports).items()
        }
    return command_line.result_line(result)


def _numbers(one):
    found = {kind: _mean_area(one, kind) for kind in ("deletion", "insertion")}
    values = [row["selectivity"] for row in one.rows if row["selectivity"] is not None]
    if one.report is not None:
        low, high = one.report.interval
        found.update(selectivity=one.report.mean, low=low, high=high)
        found["accuracy"] = one.report.accuracy
    elif values:
        found["selectivity"] = float(np.mean(values))
    return {key: None if value is None else round(value, 4) for key, value in found.items()}
