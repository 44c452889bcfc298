"""The extra for recipes: one training run from the package alone, and its files."""

import tempfile
from pathlib import Path

from keras_patchmix.cli.train.command import run
from keras_patchmix.cli.train.options import TrainOptions

with tempfile.TemporaryDirectory() as folder:
    flags = "--dataset shapes --model convnext_mini --epochs 1 --steps-per-epoch 4 --batch-size 16"
    options = TrainOptions.parse(
        [*flags.split(), "--test-examples", "64", "--occlusion-examples", "32", "--output", folder]
    )
    run(options)
    names = {path.name for path in Path(folder).iterdir()}
assert {"config.json", "metrics.csv", "model.keras", "report.json", "curves.png"} <= names, names
print("a recipe ran")
