"""The results of all models together: the table of images, the figures, and what is printed."""

import numpy as np

from keras_patchmix.base import atomic, csv_text
from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable
from keras_patchmix.cli import messages
from keras_patchmix.explain import plot_saliency
from keras_patchmix.report.selectivity import Strip, draw_strips
from keras_patchmix.report.style import add_legend, line_style, wrapped
from keras_patchmix.report.text import aligned, class_text, percent

_NOISE = 0.18  # of maps that had nothing to show: see docs/explain.md
_MAX_NAMED = 10
_CURVES = ("deletion", "insertion")
_COLUMNS = (
    "model", "image", "class_id", "class_name", "contrast_id", "contrast_name", "predicted",
    "share", "num_masks", "noise", "selectivity", "deletion_area", "insertion_area",
)  # fmt: skip


def write(directory, explanations, figures):
    """Writes rows.csv, selectivity.png of a data set, curves.png and, last, explain.png.

    Args:
        directory: A `pathlib.Path`.
        explanations: Dict from a model's name to its `Explanation`.
        figures: Integer, the number of images in explain.png.

    Raises:
        ImportError: matplotlib is not installed.
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
        yield {
            **row,
            "image": f"image {row['index']}",
            "class_id": row["label"],
            "class_name": class_text(row["label"], names),
            "contrast_id": row["contrast"],
            "contrast_name": class_text(row["contrast"], names),
        }


def draw_figures(directory, explanations, figures):
    """Draws the figures; see `write`."""
    strips = [
        Strip(name, number, report.values, report.mean, *report.interval)
        for number, (name, report) in enumerate(_reports(explanations).items())
        if report is not None
    ]
    if strips:
        draw_strips(strips, directory / "selectivity.png")
    _draw_curves(explanations, directory / "curves.png")
    # The last file: if it exists, all others do.
    _draw_maps(explanations, directory / "explain.png", figures)


def _draw_maps(explanations, path, figures):
    first, shown = next(iter(explanations.values())), slice(figures)
    masks = first.arrays.get("masks")
    plot_saliency(
        first.arrays["images"][shown],
        {name: one.arrays["maps"][shown] for name, one in explanations.items()},
        path,
        None if masks is None else masks[shown],
        captions=[row["image"] for row in first.rows[shown]],
        diverging=False,  # a map's mean says how sure the model is, not where it looks
        notes={
            name: [_classes_text(row) for row in one.rows[shown]]
            for name, one in explanations.items()
        },
    )


def _classes_text(row):
    """Returns the classes of a map, such as "cat rather than dog"."""
    if row["contrast_name"] is None:
        return row["class_name"]
    return f"{row['class_name']} rather than {row['contrast_name']}"


def _draw_curves(explanations, path):
    """Draws deletion and insertion: the means over the images, and thin lines for each image."""
    figure_class = require("matplotlib.figure", "plotting deletion and insertion").Figure
    labels = []
    for name, explanation in explanations.items():
        areas = ", ".join(f"{kind} {_mean_area(explanation, kind):.3f}" for kind in _CURVES)
        labels.append(wrapped(f"{name}; area: {areas}", 80, most=None))
    height = 3.6 + 0.2 * sum(1 + label.count("\n") for label in labels)
    figure = figure_class(figsize=(8, height), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, kind, better, treated in zip(
        axes, _CURVES, ("lower", "higher"), ("deleted", "put back"), strict=True
    ):
        lines = _draw_kind(axis, explanations, kind)
        axis.set_title(f"{kind} ({better} is better)", fontsize=9)
        axis.set_xlabel(f"most salient pixels {treated}, %", fontsize=9)
    axes[0].set_ylabel("probability of the class explained", fontsize=9)
    count = len(next(iter(explanations.values())).rows)
    title = "1 image" if count == 1 else f"mean of {count} images; thin lines: each image"
    legend = {"loc": "outside lower center", "fontsize": 9, "title_fontsize": 8}
    add_legend(figure, lines, labels, title=title, **legend)
    atomic.write_figure(path, figure)


def _draw_kind(axis, explanations, kind):
    """Draws the curves of all models, and returns the lines of their means."""
    lines = []
    for number, explanation in enumerate(explanations.values()):
        style = line_style(number)
        colour, dashes = style["color"], style["linestyle"]
        shares = 100 * np.array(explanation.curves["shares"])
        curves = np.array(explanation.curves[kind])
        if len(curves) > 1:
            axis.plot(shares, curves.T, color=colour, linewidth=0.6, alpha=0.3)
        lines += axis.plot(shares, curves.mean(0), dashes, color=colour, linewidth=2)
    axis.set_xlim(0, 100)
    axis.set_ylim(-0.02, 1.02)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return lines


def tables(explanations):
    """Returns the printed tables of all models, as one text.

    Args:
        explanations: Dict from a model's name to its `Explanation`.
    """
    reports = _reports(explanations)
    if None in reports.values():
        parts = [_image_table(explanations)]
    else:
        parts = [_selectivity_table(reports), _difference_table(reports), _area_table(explanations)]
    parts += [_noise_line(explanations), _skipped_line(explanations)]
    return "\n\n".join(part for part in parts if part)


def _reports(explanations):
    return {name: explanation.report for name, explanation in explanations.items()}


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
        (name, *(f"{_mean_area(explanation, kind):.3f}" for kind in _CURVES))
        for name, explanation in explanations.items()
    ]
    count = len(next(iter(explanations.values())).rows)
    images = "the first image" if count == 1 else f"the first {count} images"
    head = (f"areas on {images}", "deletion (lower is better)", "insertion (higher is better)")
    return aligned(head, lines, left=1)


def _mean_area(explanation, kind):
    return float(np.mean([row[f"{kind}_area"] for row in explanation.rows]))


def _image_table(explanations):
    images = zip(*(explanation.rows for explanation in explanations.values()), strict=True)
    rows = [pair for rows in images for pair in zip(explanations, rows, strict=True)]
    lines = [
        (
            row["image"],
            name,
            _classes_text(row),
            "" if row["selectivity"] is None else f"{row['selectivity']:.3f}",
            f"{row['noise']:.2f}",
            f"{row['deletion_area']:.3f}",
            f"{row['insertion_area']:.3f}",
        )
        for name, row in rows
    ]
    head = ("image", "model", "explained", "selectivity", "noise", "deletion", "insertion")
    if all(row["selectivity"] is None for _, row in rows):
        head, *lines = ((*line[:3], *line[4:]) for line in (head, *lines))
    return (
        aligned(head, lines, left=3)
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
    return (
        f"Maps whose noise is {_NOISE} or more, as it is of maps that have nothing to show: "
        f"{', '.join(counts)}. Take more --num-masks"
    )


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
    first, reports = next(iter(explanations.values())), _reports(explanations)
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
    numbers = {kind: _mean_area(explanation, kind) for kind in _CURVES}
    values = [row["selectivity"] for row in explanation.rows if row["selectivity"] is not None]
    report = explanation.report
    if report is not None:
        low, high = report.interval
        numbers.update(selectivity=report.mean, low=low, high=high, accuracy=report.accuracy)
    elif values:
        numbers["selectivity"] = float(np.mean(values))
    return {key: None if value is None else round(value, 4) for key, value in numbers.items()}
