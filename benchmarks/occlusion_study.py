"""ConvNeXt and ViT, with and without Patch Mixing, at equal budgets: the runs of docs/results.md.

    python benchmarks/occlusion_study.py --data-dir DIR --output runs/study --jobs 2
    python benchmarks/compare_runs.py runs/study/imagenette-convnext-*

Each run is one of the recipes, on one core, in a directory of its own; the same command goes on
where it was, and skips what is finished. `--dry-run` prints the commands only.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
# Both models of a data set see as many images; learning rates are the defaults of the recipes.
DATASETS = {
    "imagenette": {
        "flags": [
            *("--dataset", "imagenette/160px-v2", "--image-size", "64", "--epochs", "30"),
            *("--batch-size", "64", "--occlusion-every", "10"),
        ],
        "vit": "vit_mini8",
        "seeds": (1, 2, 3),
    },
    "cifar10": {
        "flags": ["--dataset", "cifar10", "--epochs", "10", "--occlusion-every", "5"],
        "vit": "vit_mini4",
        "seeds": (1, 2),
    },
}
MIXINGS = ("none", "patchmix")


def commands(data_dir, output):
    """Yields (name, arguments of Python), seed after seed."""
    for dataset, settings in DATASETS.items():
        models = {
            "convnext": ["train_convnext.py", "--model", "convnext_mini"],
            # XLA makes the transformer faster on a CPU, and the other slower.
            "vit": ["train_vit.py", "--model", settings["vit"], "--xla", "on"],
        }
        for seed in settings["seeds"]:
            for model, (recipe, *flags) in models.items():
                for mixing in MIXINGS:
                    name = f"{dataset}-{model}-{mixing}-{seed}"
                    yield (
                        name,
                        [
                            str(RECIPES / recipe),
                            *flags,
                            *settings["flags"],
                            *("--data-dir", data_dir, "--mixing", mixing, "--seed", str(seed)),
                            *("--output", str(output / name)),
                        ],
                    )


def run(name, arguments, logs):
    """Runs one command on one core; returns whether it ended well."""
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    with open(logs / f"{name}.log", "a") as log:
        status = subprocess.call(
            [sys.executable, *arguments], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    print(f"{name}: {'done' if status == 0 else f'status {status}, see its log'}", flush=True)
    return status == 0


def main():
    """Runs what is not finished."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, default=Path("runs/study"), metavar="DIR")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs side by side")
    parser.add_argument("--only", default="", metavar="TEXT", help="runs with this in their name")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    chosen = [
        (name, arguments)
        for name, arguments in commands(options.data_dir, options.output)
        if options.only in name
    ]
    if options.dry_run:
        for _, arguments in chosen:
            print("python " + " ".join(arguments))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        ended = list(pool.map(lambda item: run(*item, options.output), chosen))
    if not all(ended):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
