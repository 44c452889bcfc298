"""Tables of several run directories: mean over seeds, and paired differences with intervals.

    python benchmarks/compare_runs.py runs/cifar10-* --plot curves.png
    python benchmarks/compare_runs.py runs/*-[12] runs/*-[12]/none --csv curves.csv

The second form is for runs of `keras-patchmix train --compare none`, which leave the other model in
a directory of its own.

Every directory is one of the training recipes. Runs are grouped by model and mixing; each seed of a
mixing is paired with the baseline's run of the same model and seed, image by image. The difference
is the mean over images and seeds; its interval is 1.96 standard errors over the images, of the
difference averaged over the seeds. It speaks of these trained models on further images of the kind;
how much another seed changes is to be read off the differences seed by seed, which are printed too.
A line "mean" takes the mean over the levels of a corruption, for each image. There is a table for
each model. Bands in the picture are Wilson's 95 % intervals over the images of one run, around the
mean over seeds. The CSV file has a line for each row, mixing and seed. The last line is RESULT and
a JSON object.
"""

import argparse
import csv
import dataclasses
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from keras_patchmix.occlusion import Report, plot_reports
from keras_patchmix.training.mixing_steps import LABELS


def load_runs(directories):
    """Dict from model to dict from mixing to dict from seed to a report."""
    runs = defaultdict(lambda: defaultdict(dict))
    known = None
    for directory in map(Path, directories):
        if not (directory / "report.json").exists():
            raise SystemExit(f"{directory} holds no finished run")
        config = json.loads((directory / "config.json").read_text())
        report = Report.load(directory)
        here = {"images": report.settings["labels_sha256"][:12], "epochs": config["epochs"]}
        known = known or (directory, here)
        for name, value in here.items():
            if value != known[1][name]:
                raise SystemExit(
                    f"All runs must have the same {name}: {known[1][name]} in {known[0]}, {value} "
                    f"in {directory}"
                )
        model, mixing, seed = (config[key] for key in ("model", "mixing", "seed"))
        if seed in runs[model][mixing]:
            raise SystemExit(f"Two runs of {model}, {mixing} with seed {seed}")
        runs[model][mixing][seed] = report
    return runs


def mean_report(runs):
    """A report whose top-1 values are means over the seeds of one mixing."""
    reports = list(runs.values())
    rows = [
        dataclasses.replace(same[0], top1=float(np.mean([row.top1 for row in same])))
        for same in zip(*(report.rows for report in reports), strict=True)
    ]
    return Report(rows, reports[0].settings)


def lines_of(report):
    """Yields (name, what to print of it, names of the rows that are averaged)."""
    waiting = []  # the levels so far of one corruption and grid
    for row, following in zip(report.rows, [*report.rows[1:], None], strict=True):
        kind = row.corruption + ("" if row.grid is None else " " + "x".join(map(str, row.grid)))
        title = kind.replace("_", " ")
        if row.level is None:
            yield row.name, (title, ""), [row.name]
            continue
        yield row.name, (title, f"{100 * row.share:.0f} %"), [row.name]
        waiting.append(row.name)
        if following is None or (following.corruption, following.grid) != (
            row.corruption,
            row.grid,
        ):
            yield f"{kind}, mean", (title, "mean"), waiting
            waiting = []


def correct(report, names):
    """Share of some rows that a report has right, for each image: float array (n,)."""
    return np.mean([report.correct[name].astype(float) for name in names], axis=0)


def table(runs, baseline, result, model):
    """Prints the table of one model as Markdown; adds its numbers to `result`."""
    mixings = sorted(runs, key=lambda mixing: (mixing != baseline, mixing))
    head = ["top-1 %", "pixels affected"]
    for mixing in mixings:
        head.append(f"{mixing} (seeds {', '.join(map(str, sorted(runs[mixing])))})")
        if mixing != baseline:
            pairs = sorted(set(runs[mixing]) & set(runs[baseline]))
            head.append(f"{mixing} - {baseline} (seeds {', '.join(map(str, pairs))})")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    first = next(iter(runs[baseline].values()))
    for name, cells, rows in lines_of(first):
        share = first.row(name).share if [name] == rows else None
        line = list(cells)
        for mixing in mixings:
            found = {seed: correct(report, rows) for seed, report in runs[mixing].items()}
            mean = float(np.mean(list(found.values())))
            line.append(f"{100 * mean:.1f}")
            entry = {"model": model, "name": name, "mixing": mixing, "top1": round(mean, 4)}
            entry["share"] = share
            entry["seeds"] = {seed: round(float(found[seed].mean()), 4) for seed in sorted(found)}
            if mixing != baseline:
                shared = sorted(set(found) & set(runs[baseline]))
                if not shared:
                    raise SystemExit(
                        f"No seed of {mixing} has a run of {baseline} too: {sorted(found)} and "
                        f"{sorted(runs[baseline])}"
                    )
                pairs = np.stack(
                    [found[seed] - correct(runs[baseline][seed], rows) for seed in shared]
                )
                by_image = pairs.mean(0)
                error = by_image.std() / math.sqrt(len(by_image))
                each = ", ".join(f"{100 * pair.mean():+.1f}" for pair in pairs)
                line.append(f"{100 * by_image.mean():+.1f} ± {196 * error:.1f} ({each})")
                entry["difference"] = round(float(by_image.mean()), 4)
                entry["half_interval"] = round(1.96 * float(error), 4)
            result.append(entry)
        print("| " + " | ".join(line) + " |")


def write_csv(path, result):
    """Writes a line for each row, mixing and seed."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "mixing", "seed", "row", "share", "top1"])
        for one in result:
            for seed, top1 in one["seeds"].items():
                cells = [one["model"], one["mixing"], seed, one["name"], one["share"], top1]
                writer.writerow(cells)


def main():
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="DIR")
    parser.add_argument("--baseline", default="none", metavar="MIXING")
    parser.add_argument("--plot", metavar="FILE", help="also draw the curves, means over seeds")
    parser.add_argument("--csv", metavar="FILE", help="also write top-1 of every row and seed")
    options = parser.parse_args()
    runs = load_runs(options.runs)
    result, drawn = [], {}
    for model, mixings in sorted(runs.items()):
        if options.baseline not in mixings:
            raise SystemExit(
                f"No run of {model} has the mixing {options.baseline!r}: {sorted(mixings)}"
            )
        if len(runs) > 1:
            print(f"\n{model}:\n")
        table(mixings, options.baseline, result, model)
        for mixing, seeds in mixings.items():
            label = " + ".join(LABELS.get(part, part) for part in mixing.split("+"))
            name = f"{model}, {label}" if len(runs) > 1 else label
            several = f", mean of {len(seeds)} seeds" if len(seeds) > 1 else ""
            drawn[name + several] = mean_report(seeds)
    if options.plot:
        plot_reports(drawn, options.plot)
    if options.csv:
        write_csv(options.csv, result)
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
