"""A whole run: one model, or two side by side, from the options to the last line printed."""

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from keras_patchmix.base.printable import say
from keras_patchmix.base.run_directory import RunDirectory
from keras_patchmix.cli.messages import in_words, result_line
from keras_patchmix.datasets.class_names import class_lines
from keras_patchmix.devices.strategies import open_strategy
from keras_patchmix.occlusion import Report
from keras_patchmix.occlusion.plot import plot_reports
from keras_patchmix.occlusion.report_text import skipped_line
from keras_patchmix.report import text
from keras_patchmix.training.fitting import fit, write_config
from keras_patchmix.training.mixing_steps import label_of
from keras_patchmix.training.training_data import load

if TYPE_CHECKING:
    from keras_patchmix.cli.train.options import TrainOptions


class TrainDirectory(RunDirectory):
    """The directory of a training run; its config.json is the options, flat.

    Args:
        options: A `TrainOptions`, whose `output` is the directory.
    """

    def __init__(self, options):
        self._all_options = options.to_dict()
        results = ("epoch-*.npz", "model.keras", "report.json")
        super().__init__(
            options.output,
            "train",
            options.deciding(),
            [options.init],
            results,
            options.flags(),
            options.defaults(),
        )

    def _encode(self, recipe, options, files):
        return {"recipe": recipe, **self._all_options, "files": files}

    def _decode(self, data):
        options = {key: value for key, value in data.items() if key not in ("recipe", "files")}
        return data["recipe"], options, data["files"]


def run(options: "TrainOptions") -> "dict[str, Report]":
    """Trains, scores under occlusion, and writes the run directory.

    It holds config.json, metrics.csv, occlusion.jsonl, checkpoints, model.keras, report.json,
    report.csv, report.html and curves.png. With `options.compare` a folder of that name inside
    holds the same for the second model, and curves.png shows both. A run that was stopped goes on
    after its last whole epoch; a finished one is only printed again.

    Args:
        options: A `TrainOptions`, with `output`.

    Returns:
        Dict from the mixing to its `keras_patchmix.occlusion.Report` on the test split.

    Raises:
        FileExistsError: The directory asked for holds something else.
        ValueError: It holds a run with other options, or something in them does not fit.
        OSError: It cannot be written to, or is in use.
        keras_patchmix.training.fit_callbacks.Diverged: The loss is no longer finite.
    """
    strategy = open_strategy(options.strategy)
    directory = TrainDirectory(options)
    path = directory.path
    strategy.barrier(f"--output {path}")
    folders = {options.mixing: path}
    if options.compare:
        folders[options.compare] = path / options.compare
    finished = (path / "curves.png").exists()
    if finished and all((folder / "report.json").exists() for folder in folders.values()):
        say(f"This run is finished: {path}")
        reports = {
            mixing: Report.load(folder / "report.json") for mixing, folder in folders.items()
        }
    else:
        with directory.locked() if strategy.is_chief else contextlib.nullcontext():
            reports = _train_all(options, directory, folders, strategy)
    say("\n" + comparison(reports) + "\n")
    say(f"Picture: {path / 'curves.png'}   Data: {path / 'report.json'}")
    say(result_line(_result(options, reports, path)))
    return reports


def _train_all(options, directory, folders, strategy):
    data = load(options)
    first = (
        f"{options.dataset}: {data.num_train} training images of "
        f"{'x'.join(map(str, data.info.image_shape))}, {data.info.num_classes} classes. "
        f"Results go to {directory.path}"
    )
    say("\n".join([first, *class_lines(data.info.class_names)]))
    if strategy.is_chief:
        directory.begin()
    reports = {}
    for mixing, folder in folders.items():
        say(f"\nTraining with {label_of(mixing)}, {options.epochs} epochs")
        own = dataclasses.replace(options, mixing=mixing)
        if folder != directory.path and strategy.is_chief:
            write_config(own, folder)
        reports[mixing] = fit(data, own, folder, strategy)
    if strategy.is_chief:
        plot_reports(
            {label_of(mixing): report for mixing, report in reports.items()},
            directory.path / "curves.png",
        )
    return reports


def comparison(reports):
    """Top-1 of one or two reports side by side, as text.

    With two, the last columns are the difference, first minus second, image by image, and its
    95 % interval, see `keras_patchmix.occlusion.Report.compare`. Files that could not be read are
    named below.

    Args:
        reports: Dict from a mixing to its report.
    """
    columns = list(reports.values())
    head = ["", "share", *(label_of(mixing) for mixing in reports)]
    compared = None
    if len(columns) == 2:
        head += ["difference", "95 % interval"]
        compared = Report.compare(*columns)
    lines = [head]
    for row in columns[0].rows:
        others = [report.row(row.name) for report in columns]
        grid = "" if row.grid is None else f" {row.grid[0]}x{row.grid[1]}"
        line = [
            row.corruption.replace("_", " ") + grid,
            "" if row.level is None else f"{100 * row.share:.0f} %",
            *(text.percent(other.top1, 1) for other in others),
        ]
        if compared is not None:
            change = {entry.name: entry for entry in compared.rows}.get(row.name)
            line += ["", ""] if change is None else change.cells(1)
        lines.append(line)
    n = columns[0].settings["n"]
    title = f"Top-1 accuracy in % on {n} test images; share is that of the pixels affected."
    table = title + "\n" + text.aligned(lines[0], lines[1:], left=1)
    if compared is not None:
        table += "\n\n" + in_words(compared, *map(label_of, reports))
    skipped = skipped_line(reports)
    return table if skipped is None else f"{table}\n\n{skipped}"


def _result(options, reports, directory):
    report = reports[options.mixing]
    result = {
        "dataset": options.dataset,
        "mixing": options.mixing,
        "seed": options.seed,
        "epochs": options.epochs,
        "directory": str(directory),
        "top1": top1_by_row(report),
    }
    if options.compare:
        result[f"top1_{options.compare}"] = top1_by_row(reports[options.compare])
    return result


def top1_by_row(report):
    """Returns top-1 by row, to four digits, as the last line of a recipe has it."""
    return {row.name: None if row.top1 is None else round(row.top1, 4) for row in report.rows}
