"""Patch selectivity of trained runs, with and without mixing: the figures of docs/results.md.

    python benchmarks/selectivity_study.py runs/study/imagenette-*-[123] --data-dir DIR \
        --output runs/selectivity

Every directory is a run of one of the training recipes; the runs of `train --compare none` are
DIR and DIR/none. All models meet the same images of the test split, the same foreign parts and the
same masks. Each run has a folder in the output directory, as it lies below the folder of all runs;
the same command goes on where it was, and refuses files of another model or of other settings.
Differences to the run of the same model and seed
without mixing are paired image by image: their mean over images and seeds, and the 95 % interval by
the bootstrap over images of the difference averaged over the seeds. The last line is RESULT and a
JSON object.
"""

import argparse
import json
import os
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from keras_patchmix import datasets, explain, occlusion
from keras_patchmix.base.run_directory import file_digest
from keras_patchmix.explain.selectivity import SelectivityReport

CORRUPTIONS = {
    "replacement": lambda: occlusion.PatchReplacement(4, (0.3,)),
    "superimposed": lambda: occlusion.Superimpose(levels=0.3),
}
_SHOWN = 4
_RESAMPLES = 10_000


def settings_of(options):
    """The arguments that all measurements share."""
    return {
        "max_examples": options.max_examples,
        "num_masks": options.num_masks,
        "grid_size": options.grid_size,
        "from_logits": True,
        "num_kept": _SHOWN,
    }


def open_data(config, options):
    """Returns the images that a run was tested on, and their count."""
    names = datasets.split_names(config["dataset"], options.data_dir)
    split = next(name for name in ("test", "validation", "train") if name in names)
    size = (config["image_size"],) * 2 if config["image_size"] else None
    return datasets.load_for_scoring(config["dataset"], split, size, options.data_dir, 64)


def folders_of(directories, output):
    """Returns the folder of the results of each run: its path below the folder of all runs."""
    directories = [one.resolve() for one in directories]
    root = os.path.commonpath([one.parent for one in directories])
    return [output / one.relative_to(root) for one in directories]


def measure(directory, folder, config, options):
    """Returns a dict from a corruption's name to the report of one run, measured or read."""
    found, model = {}, None
    origin = {**settings_of(options), "sha256": file_digest(directory / "model.keras")}
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in CORRUPTIONS.items():
        path = folder / f"{name}.json"
        if not path.exists():
            if model is None:
                model = keras.saving.load_model(directory / "model.keras", compile=False)
                data = open_data(config, options)
            report = explain.selectivity_benchmark(
                model,
                data,
                corruption=make(),
                backup=path.with_suffix(".backup"),
                **settings_of(options),
            )
            np.savez_compressed(path.with_suffix(".npz"), **report.examples)
            report.settings["origin"] = origin
            report.to_json(path)
            print(f"{directory}, {name}: {report}", flush=True)
        found[name] = SelectivityReport.load(path)
        if found[name].settings.get("origin") != origin:
            raise SystemExit(f"{path} is not of {directory} as it is now, or of other flags")
    return found


def interval(values):
    """95 % interval of a mean over images, by the bootstrap with a fixed seed."""
    draws = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    return np.quantile(values[draws].mean(1), (0.025, 0.975))


def with_interval(values, sign=""):
    """Text of the mean over seeds and images of values (seeds, images), and each seed's mean."""
    low, high = interval(values.mean(0))
    each = ", ".join(f"{one.mean():{sign}.3f}" for one in values)
    return f"{values.mean():{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}] ({each})"


def table(reports, baseline):
    """Prints Markdown; returns the numbers."""
    print(
        "\n| foreign parts | model | mixing | patch selectivity | difference | accuracy | noise |"
    )
    print("|---" * 7 + "|")
    numbers = []
    for corruption in CORRUPTIONS:
        for model, mixings in sorted(reports.items()):
            for mixing in sorted(mixings, key=lambda one: (one != baseline, one)):
                runs = mixings[mixing]
                values = np.stack([runs[seed][corruption].values for seed in sorted(runs)])
                accuracy = np.mean([runs[seed][corruption].accuracy for seed in runs])
                noise = np.median([runs[seed][corruption].noise for seed in runs])
                difference = None
                if mixing != baseline and set(runs) <= set(mixings.get(baseline, {})):
                    own = [mixings[baseline][seed][corruption].values for seed in sorted(runs)]
                    difference = values - np.stack(own)
                cells = [corruption, model, mixing, with_interval(values)]
                cells += ["" if difference is None else with_interval(difference, "+")]
                cells += [f"{100 * accuracy:.1f} %", f"{noise:.2f}"]
                print("| " + " | ".join(cells) + " |")
                numbers.append(
                    {
                        **{"corruption": corruption, "model": model, "mixing": mixing},
                        "selectivity": round(float(values.mean()), 4),
                        "difference": None if difference is None else round(difference.mean(), 4),
                        "images": values.shape[1],
                        "seeds": len(values),
                    }
                )
    return numbers


def between_models(reports, baseline):
    """Prints how the models without mixing differ, pair by pair."""
    models = [model for model in sorted(reports) if baseline in reports[model]]
    for corruption in CORRUPTIONS:
        for number, model in enumerate(models):
            for other in models[number + 1 :]:
                runs, others = reports[model][baseline], reports[other][baseline]
                seeds = sorted(set(runs) & set(others))
                difference = np.stack(
                    [others[s][corruption].values - runs[s][corruption].values for s in seeds]
                )
                print(f"{corruption}, {other} - {model}: {with_interval(difference, '+')}")


def draw(folders, configs, options):
    """Draws the maps of the first seed of every model and mixing, one picture a corruption."""
    for corruption in CORRUPTIONS:
        first, maps = None, {}
        for folder, config in zip(folders, configs, strict=True):
            if config["seed"] != min(one["seed"] for one in configs):
                continue
            kept = np.load(folder / f"{corruption}.npz")
            first = kept if first is None else first
            maps[f"{config['model']}, {config['mixing']}"] = kept["maps"]
        path = options.output / f"{corruption}.png"
        explain.plot_saliency(first["images"], maps, path, first["masks"], diverging=False)
        print(f"Picture: {path}")


def main():
    """Measures what is missing, prints the table, draws the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data-dir", metavar="DIR")
    parser.add_argument("--baseline", default="none", metavar="MIXING")
    parser.add_argument("--max-examples", type=int, default=64, metavar="N")
    parser.add_argument("--num-masks", type=int, default=1000, metavar="N")
    parser.add_argument("--grid-size", type=int, default=4, metavar="N")
    options = parser.parse_args()
    directories = [one for one in options.runs if (one / "model.keras").exists()]
    if not directories:
        raise SystemExit("None of the directories holds a model.keras")
    options.output.mkdir(parents=True, exist_ok=True)
    configs = [json.loads((one / "config.json").read_text()) for one in directories]
    if len({(config["dataset"], config["image_size"]) for config in configs}) > 1:
        raise SystemExit("The runs must be of one data set and one size of images")
    folders = folders_of(directories, options.output)
    reports = defaultdict(lambda: defaultdict(dict))
    for directory, folder, config in zip(directories, folders, configs, strict=True):
        model, mixing, seed = (config[key] for key in ("model", "mixing", "seed"))
        if seed in reports[model][mixing]:
            raise SystemExit(f"Two runs of {model}, {mixing} with seed {seed}")
        reports[model][mixing][seed] = measure(directory, folder, config, options)
    numbers = table(reports, options.baseline)
    between_models(reports, options.baseline)
    draw(folders, configs, options)
    print("RESULT " + json.dumps(numbers))


if __name__ == "__main__":
    main()
