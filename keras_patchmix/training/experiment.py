"""A whole run: one model, or two side by side, from the options to the last line printed."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from keras_patchmix.occlusion.plot import plot_reports
from keras_patchmix.training import pipeline
from keras_patchmix.training.fitting import fit

LABELS = {
    "none": "no mixing",
    "patchmix": "Patch Mixing",
    "cutmix": "CutMix",
    "mixup": "MixUp",
}


def run(options):
    """Trains, scores under occlusion, and writes the run directory.

    It holds config.json, metrics.csv, occlusion.jsonl, model.keras, report.json, report.csv,
    correct.npz (which test images were right, for paired comparisons) and curves.png. With
    `options.compare` a folder of that name inside holds the same for the second model, and
    curves.png shows both.

    Args:
        options: A `keras_patchmix.training.TrainOptions`.

    Returns:
        Dict from the mixing to its `keras_patchmix.occlusion.Report` on the test split.

    Raises:
        FileExistsError: The directory asked for holds something already.
    """
    directory = Path(options.directory())
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise FileExistsError(
            f"--output must be a new or an empty directory. Received: {str(directory)!r}"
        )
    directory.mkdir(parents=True, exist_ok=True)
    data = pipeline.load(options)
    print(
        f"{options.dataset}: {data.num_train} training images of "
        f"{'x'.join(map(str, data.info.image_shape))}, {data.info.num_classes} classes. "
        f"Results go to {directory}",
        flush=True,
    )
    folders = {options.mixing: directory}
    if options.compare:
        folders[options.compare] = directory / options.compare
    reports = {}
    for mixing, folder in folders.items():
        print(f"\nTraining with {LABELS[mixing]}, {options.epochs} epochs", flush=True)
        reports[mixing] = fit(data, dataclasses.replace(options, mixing=mixing), folder)
    plot_reports(
        {LABELS[mixing]: report for mixing, report in reports.items()}, directory / "curves.png"
    )
    print("\n" + comparison(reports) + "\n")
    print(f"Picture: {directory / 'curves.png'}   Data: {directory / 'report.json'}")
    print("RESULT " + json.dumps(_result(options, reports, directory)), flush=True)
    return reports


def comparison(reports):
    """Top-1 of one or two reports side by side, as text.

    With two, the last columns are the difference, first minus second, and half the width of its
    95 % interval: 1.96 standard errors of the difference paired over the same images.

    Args:
        reports: Dict from a mixing to its report.
    """
    columns = list(reports.values())
    head = ["", "level", *(LABELS[mixing] for mixing in reports)]
    if len(columns) == 2:
        head += ["difference", "+-"]
    lines = [head]
    for row in columns[0].rows:
        others = [report.row(row.name) for report in columns]
        grid = "" if row.grid is None else f" {row.grid[0]}x{row.grid[1]}"
        line = [
            row.corruption.replace("_", " ") + grid,
            "" if row.level is None else f"{100 * row.share:.0f} %",
            *(f"{100 * other.top1:.1f}" for other in others),
        ]
        if len(columns) == 2:
            difference, error = paired_difference(*(r.correct[row.name] for r in columns))
            line += [f"{100 * difference:+.1f}", f"{196 * error:.1f}"]
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    n = columns[0].rows[0].n
    text = [f"Top-1 accuracy in % on {n} test images; level is the share of pixels affected."]
    for line in lines:
        first = line[0].ljust(widths[0])
        text.append(
            "  ".join([first, *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        )
    return "\n".join(text)


def paired_difference(first, second):
    """The difference of two accuracies on the same images, and its standard error.

    Args:
        first: Bool array `(n,)`, which images the first model had right.
        second: The same of the second model.

    Returns:
        Two floats.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    return float(difference.mean()), float(difference.std() / math.sqrt(len(difference)))


def _result(options, reports, directory):
    report = reports[options.mixing]
    result = {
        "dataset": options.dataset,
        "mixing": options.mixing,
        "seed": options.seed,
        "epochs": options.epochs,
        "directory": str(directory),
        "top1": {row.name: round(row.top1, 4) for row in report.rows},
    }
    if options.compare:
        rows = reports[options.compare].rows
        result[f"top1_{options.compare}"] = {row.name: round(row.top1, 4) for row in rows}
    return result
