"""The extra for recipes: one training run from the package alone, and its files."""

import tempfile
from pathlib import Path

import keras_patchmix as kpm

with tempfile.TemporaryDirectory() as folder:
    flags = "--dataset shapes --model convnext_mini --epochs 1 --steps-per-epoch 4 --batch-size 16"
    options = kpm.training.parse_options(
        [*flags.split(), "--test-examples", "64", "--occlusion-examples", "32", "--output", folder]
    )
    kpm.training.run(options)
    names = {path.name for path in Path(folder).iterdir()}
assert {"config.json", "metrics.csv", "model.keras", "report.json", "curves.png"} <= names, names
print("a recipe ran")
