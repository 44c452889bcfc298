"""What helps a hardening, one factor at a time: the table of docs/how_to/harden.md.

    python benchmarks/lite0.py lite0.keras
    python benchmarks/harden_search.py --model lite0.keras --data-dir DIR --output search.jsonl

EfficientNet-Lite0 on Imagenette at 96 pixels, small enough that a variant takes minutes: 3,000
images, two epochs, scored on 2,000 others of the training split, at the end of the line and at half
of the way. Test images are not used. Variants of one seed see the same images in the same order.
Each result is a line of JSON in the output; what is there is not run again.
"""

import argparse
import functools
import json
import os
import time
from pathlib import Path

import numpy as np

SIZE, TRAIN, HELD_OUT, BATCH, EPOCHS = 96, 3000, 2000, 64, 2
RATE = 3e-4


def mixed(grid_size=4, probability=0.5, label_smoothing=0.0, **settings):
    """Returns a `PatchMixing`."""
    from keras_patchmix import PatchMixing

    return PatchMixing(
        grid_size, probability=probability, label_smoothing=label_smoothing, **settings
    )


def turns(*grids):
    """Returns layers that take turns, drawn batch by batch."""
    from keras_patchmix.layers import RandomChoice

    return RandomChoice([mixed(grid) for grid in grids], label_smoothing=0.0)


def boxes(foreign):
    """Returns a control of the study."""
    from harden_study import Boxes

    return Boxes(foreign, 0)


class Patched:
    """A quarter of the images get black patches or noise, a half foreign patches as by default.

    Args:
        noise: Whether black patches and patches of noise take turns.
        own: Whether labels stay those of the image itself, whatever is foreign in it.
        sharp: Whether shares in labels are squared, and divided by their sum.
    """

    def __init__(self, fills=0.0, noise=False, own=False, sharp=False, **settings):
        self._mix, self._fills, self._noise = mixed(seed=0, **settings), fills, noise
        self._own, self._sharp = own, sharp
        self._rng = np.random.default_rng(0)

    def __call__(self, batch):
        """Returns the batch, a dict with images and labels, mixed."""
        images, labels = (np.array(part) for part in self._mix((batch["images"], batch["labels"])))
        if self._own:
            labels = batch["labels"]
        if self._sharp:
            labels = labels**2 / (labels**2).sum(1, keepdims=True)
        rows, columns = self._mix.grid_size
        for i in np.flatnonzero(self._rng.random(len(images)) < self._fills):
            filled = self._rng.random((rows, columns)) < self._rng.random()
            side = (images.shape[1] // rows, images.shape[2] // columns)
            filled = filled.repeat(side[0], 0).repeat(side[1], 1)
            images[i], labels[i] = batch["images"][i], batch["labels"][i]
            noise = self._noise and self._rng.random() < 0.5
            images[i][filled] = self._rng.integers(0, 256, (filled.sum(), 3)) if noise else 0
        return {"images": images, "labels": labels}


class Until:
    """Mixes with `mix` until a share of the steps is done, and not after that."""

    def __init__(self, mix, share):
        self._mix, self._left = mix, round(share * EPOCHS * (TRAIN // BATCH))

    def __call__(self, batch):
        """Returns the batch, mixed or not."""
        self._left -= 1
        return self._mix(batch) if self._left >= 0 else batch


def then_unmixed(share):
    """Returns the default of `harden`, until a share of the steps is done."""
    return Until(Patched(0.25), share)


def same(batch):
    """Returns the batch."""
    return batch


# Name, what mixes, other settings of the training.
VARIANTS = {
    "no mixing": (lambda: same, {}),
    "Patch Mixing, 4x4, probability 0.5": (mixed, {}),
    "CutMix": (functools.partial(boxes, True), {}),
    "erasing": (functools.partial(boxes, False), {}),
    "probability 0.75": (functools.partial(mixed, probability=0.75), {}),
    "probability 1": (functools.partial(mixed, probability=1.0), {}),
    "ratio up to 0.6": (functools.partial(mixed, ratio=(0, 0.6)), {}),
    "grid 8x8": (functools.partial(mixed, 8), {}),
    "grids 4x4, 8x8, 16x16 in turns": (functools.partial(turns, 4, 8, 16), {}),
    "a quarter black": (functools.partial(Patched, 0.25), {}),
    "a quarter black or noise": (functools.partial(Patched, 0.25, noise=True), {}),
    "labels of the image itself, ratio up to 0.6": (
        functools.partial(Patched, own=True, ratio=(0, 0.6)),
        {},
    ),
    "half black, nothing foreign": (functools.partial(Patched, 0.5, probability=0.0), {}),
    "labels of the image itself, ratio up to 0.6, a quarter black": (
        functools.partial(Patched, 0.25, own=True, ratio=(0, 0.6)),
        {},
    ),
    "a quarter black, the last quarter of the steps unmixed": (
        functools.partial(then_unmixed, 0.75),
        {},
    ),
    "a quarter black, half of the label by the original": (
        functools.partial(Patched, 0.25),
        {"distillation": 0.5},
    ),
    "labels sharpened": (functools.partial(Patched, sharp=True), {}),
    "smoothing 0.1": (functools.partial(mixed, label_smoothing=0.1), {}),
    "half of the label by the original": (mixed, {"distillation": 0.5}),
    "all of the label by the original": (mixed, {"distillation": 1.0}),
    "batch normalization trained": (mixed, {"freeze_batch_norm": False}),
    "learning rate 1e-4": (mixed, {"learning_rate": 1e-4}),
    "learning rate 1e-3": (mixed, {"learning_rate": 1e-3}),
    "moving average, 0.99": (mixed, {"average": 0.99}),
    "first half of the layers frozen": (mixed, {"frozen": 0.5}),
    "six epochs": (mixed, {"epochs": 6}),
    "no mixing, six epochs": (lambda: same, {"epochs": 6}),
}


def run(name, seed, options, arrays):
    """Returns the scores of a variant, a dict of JSON values."""
    import keras
    import lite0

    from keras_patchmix.occlusion.benchmark import Benchmark
    from keras_patchmix.training.fine_tuning import FineTuneSettings, FineTuning
    from keras_patchmix.training.hardening import line_suite
    from keras_patchmix.training.training_batches import TrainingBatches
    from keras_patchmix.training.weight_line import copy_of, weights_between

    (images, labels), held_out = arrays
    benchmark = Benchmark(held_out, line_suite((SIZE, SIZE)), batch_size=100)
    original = lite0.with_columns(keras.saving.load_model(options.model), lite0.IMAGENETTE)
    copy = copy_of(original)

    def scores(weights):
        copy.set_weights(weights)
        return [round(100 * row.top1, 2) for row in benchmark.run(copy, False).rows]

    before = original.get_weights()
    if name == "original":
        return {"all": scores(before)}
    mixing, changes = VARIANTS[name]
    changes = dict(changes)
    average, frozen = changes.pop("average", None), changes.pop("frozen", 0)
    for layer in copy.layers[: int(frozen * len(copy.layers))]:
        layer.trainable = False
    settings = FineTuneSettings(
        **{
            "epochs": EPOCHS,
            "learning_rate": RATE,
            "batch_size": BATCH,
            "mixing": mixing(),
            "seed": seed,
            **changes,
        }
    )
    batches = Augmented(TrainingBatches((images, labels), BATCH, seed), seed)
    averaged = before

    def update_average(step):
        nonlocal averaged
        share = min(average, (step + 1) / (step + 10))
        averaged = weights_between(copy.get_weights(), averaged, share)

    started = time.monotonic()
    tuning = FineTuning(copy, original, settings, 10)
    tuning.run(batches, on_step=update_average if average else None)
    minutes = (time.monotonic() - started) / 60
    after = averaged if average else copy.get_weights()
    result = {"all": scores(after), "half": scores(weights_between(before, after, 0.5))}
    return {**result, "minutes": round(minutes, 2)}


class Augmented:
    """`TrainingBatches` whose images are flipped and shifted, as the seed and the step say."""

    def __init__(self, batches, seed):
        self._batches, self._seed = batches, seed
        self.steps, self.batch_size = batches.steps, batches.batch_size

    def one_pass(self, number):
        """Yields the batches of a pass."""
        for step, batch in enumerate(self._batches.one_pass(number), number * self.steps):
            augment(batch.images, np.random.default_rng((self._seed, step)))
            yield batch


def augment(images, rng):
    """Flips and shifts images, in place."""
    margin = SIZE // 8
    around = ((margin, margin), (margin, margin), (0, 0))
    for i, image in enumerate(images):
        image = image[:, ::-1] if rng.random() < 0.5 else image
        top, left = rng.integers(0, 2 * margin + 1, 2)
        images[i] = np.pad(image, around, "reflect")[top : top + SIZE, left : left + SIZE]


def arrays_of(data_dir):
    """Returns images and labels to train on, and others to score, as arrays."""
    from keras_patchmix import datasets

    splits = f"train[:{TRAIN}]", f"train[-{HELD_OUT}:]"
    loaded = [
        datasets.load("imagenette/160px-v2", split, image_size=SIZE, data_dir=data_dir)
        for split in splits
    ]
    return [tuple(map(np.stack, zip(*part.as_numpy_iterator(), strict=True))) for part in loaded]


def main():
    """Runs what the output does not hold yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="of lite0.py")
    parser.add_argument("--data-dir", required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, default=Path("search.jsonl"), metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants, by default all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], metavar="N")
    parser.add_argument("--threads", default="0", metavar="N", help="of TensorFlow; 0: all cores")
    options = parser.parse_args()
    for kind in ("INTRAOP", "INTEROP"):
        os.environ[f"TF_NUM_{kind}_THREADS"] = options.threads
    arrays = arrays_of(options.data_dir)
    lines = options.output.read_text().splitlines() if options.output.exists() else []
    done = [(line["name"], line["seed"]) for line in map(json.loads, lines)]
    for seed in options.seeds:
        for name in options.only or ("original", *VARIANTS):
            if (name, seed) not in done:
                line = json.dumps({"name": name, "seed": seed, **run(name, seed, options, arrays)})
                print(line, flush=True)
                with options.output.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
