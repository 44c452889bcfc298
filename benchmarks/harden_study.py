"""Hardening against its controls: the runs of docs/results.md.

    python benchmarks/lite0.py lite0.keras
    python benchmarks/harden_study.py imagenette-lite0 --model lite0.keras --data-dir DIR
    python benchmarks/harden_study.py cifar10-lite0 --model lite0.keras --data-dir DIR
    python benchmarks/harden_study.py imagenette-convnext --study runs/study --data-dir DIR
    python benchmarks/compare_runs.py runs/harden/imagenette-lite0-*

Every arm starts from the same model, trains as `harden` does, walks the same line and is scored
once, on test images: the default suite and superimposed objects. "default" is what `harden` does:
half of the training images get patches of other images, a quarter black ones. The other arms differ
in what half of the images get: nothing; CutMix, a box of another image; erasing, a box of noise of
as many pixels; Patch Mixing, and nothing else. "original" is the model before. With
`--study`, the directory of occlusion_study.py's runs, the models are its networks trained without
mixing, and "scratch" is its network trained with Patch Mixing. Runs that are finished are skipped.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

ARMS = ("original", "none", "cutmix", "erasing", "patchmix", "default")
PARTS = {
    # data set, pixels a side, epochs, learning rate
    "imagenette-lite0": ("imagenette/160px-v2", 128, 3, 3e-4),
    # A third of the rates that they were trained with.
    "imagenette-convnext": ("imagenette/160px-v2", 64, 10, 1e-3),
    "imagenette-vit": ("imagenette/160px-v2", 64, 10, 3e-4),
    "cifar10-lite0": ("cifar10", 96, 3, 3e-4),
}
_BATCH = 64


class Boxes:
    """Half of the images get a box of uniform area, of another image or of noise.

    Labels follow the pixels where they are of another image, and stay where they are noise.
    """

    def __init__(self, foreign, seed):
        self._foreign, self._rng = foreign, np.random.default_rng(seed)

    def __call__(self, batch):
        """Returns the batch, a dict with images and labels, mixed."""
        images, labels = batch["images"].copy(), batch["labels"].copy()
        height, width = images.shape[1:3]
        for i in np.flatnonzero(self._rng.random(len(images)) < 0.5):
            side = np.sqrt(self._rng.random())
            rows, columns = round(side * height), round(side * width)
            top = self._rng.integers(height - rows + 1)
            left = self._rng.integers(width - columns + 1)
            box = slice(top, top + rows), slice(left, left + columns)
            if self._foreign:
                j = (i + self._rng.integers(1, len(images))) % len(images)
                share = rows * columns / (height * width)
                images[i][box] = batch["images"][j][box]
                labels[i] = (1 - share) * batch["labels"][i] + share * batch["labels"][j]
            else:
                images[i][box] = self._rng.integers(0, 256, (rows, columns, images.shape[3]))
        return {"images": images, "labels": labels}


def mixing_of(arm, size, seed):
    """Returns the argument `mixing` of `harden` for an arm; None is its default."""
    from keras_patchmix.training.hardening import default_grid
    from keras_patchmix.training.patch_occlusion import PatchOcclusion

    if arm == "none":
        return lambda batch: batch
    if arm == "patchmix":
        return PatchOcclusion(default_grid((size, size)), black=0.0)
    return None if arm == "default" else Boxes(arm == "cutmix", seed)


def data_of(part, data_dir, seed):
    """Returns training images, augmented by flips and shifts, validation and test images."""
    import tensorflow as tf

    from keras_patchmix import datasets

    name, size, _, _ = PARTS[part]
    parts = ("train[:90%]", "train[90%:]", None)
    if name == "cifar10":  # a small data set of one's own, and a few minutes
        parts = ("train[:10000]", "train[90%:92%]", "test[:2000]")
    train, validation, test = (
        datasets.load(name, split or "validation", image_size=size, data_dir=data_dir)
        for split in parts
    )
    margin = size // 8
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)

    def augment(example, seeds):
        image, label = example
        image = tf.image.stateless_random_flip_left_right(image, seeds)
        image = tf.pad(image, [[margin, margin], [margin, margin], [0, 0]], "REFLECT")
        return tf.image.stateless_random_crop(image, (size, size, 3), seeds + 1), label

    count = int(train.cardinality())
    shuffled = train.cache().shuffle(count, seed=seed)
    train = tf.data.Dataset.zip(shuffled, seeds).map(augment)
    train = train.apply(tf.data.experimental.assert_cardinality(count))
    return train.batch(_BATCH), validation.batch(_BATCH).cache(), test.batch(_BATCH).cache()


def model_of(part, options, seed):
    """Returns the model that is hardened."""
    import keras
    import lite0

    if options.study:
        return load_trained(options.study / f"{part}-none-{seed}")
    published = keras.saving.load_model(options.model)
    if part == "imagenette-lite0":
        return lite0.with_columns(published, lite0.IMAGENETTE)
    path = options.output / f"{part}-transferred-{seed}.keras"
    if not path.exists():
        transfer(lite0.with_head(published, 10, seed), part, options.data_dir, seed).save(path)
    return keras.saving.load_model(path)


def transfer(model, part, data_dir, seed):
    """Returns a network with a new head after the usual transfer, three epochs without mixing."""
    from keras_patchmix.training.fine_tuning import FineTuneSettings, FineTuning
    from keras_patchmix.training.training_batches import TrainingBatches

    batches = TrainingBatches(data_of(part, data_dir, seed + 100)[0], _BATCH, seed)
    settings = FineTuneSettings(epochs=3, batch_size=_BATCH, mixing=lambda batch: batch, seed=seed)
    FineTuning(model, model, settings, 10).run(batches)
    return model


def load_trained(directory):
    """Returns the model of a run of the training recipes."""
    import keras

    return keras.saving.load_model(directory / "model.keras")


def run(part, arm, seed, options):
    """Runs one arm, and writes its directory."""
    from keras_patchmix import occlusion, training

    directory = options.output / f"{part}-{arm}-{seed}"
    if (directory / "report.json").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    _, size, epochs, rate = PARTS[part]
    train, validation, test = data_of(part, options.data_dir, seed)
    started = time.monotonic()
    model = model_of(part, options, seed)
    if arm == "scratch":
        model = load_trained(options.study / f"{part}-patchmix-{seed}")
    elif arm != "original":
        result = training.harden(
            model,
            train,
            validation,
            epochs=epochs,
            learning_rate=rate,
            mixing=mixing_of(arm, size, seed),
            seed=seed,
        )
        result.to_json(directory / "line.json")
        result.model.save(directory / "model.keras")
        print(f"{directory.name}\n{result}", flush=True)
        model = result.model
    minutes = (time.monotonic() - started) / 60
    suite = [*occlusion.default_suite(size), occlusion.Superimpose()]
    report = occlusion.evaluate(model, test, suite=suite)
    config = {"model": part, "mixing": arm, "seed": seed, "epochs": epochs, "minutes": minutes}
    (directory / "config.json").write_text(json.dumps(config))
    report.to_json(directory / "report.json")
    print(f"{directory.name}: {minutes:.1f} minutes\n{report}", flush=True)


def main():
    """Runs what is not finished."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data-dir", required=True, metavar="DIR")
    parser.add_argument("--model", type=Path, metavar="FILE", help="of lite0.py")
    parser.add_argument("--study", type=Path, metavar="DIR", help="output of occlusion_study.py")
    parser.add_argument("--output", type=Path, default=Path("runs/harden"), metavar="DIR")
    parser.add_argument("--arms", nargs="+", choices=(*ARMS, "scratch"), metavar="ARM")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], metavar="N")
    parser.add_argument("--threads", default="0", metavar="N", help="of TensorFlow; 0: all cores")
    options = parser.parse_args()
    for name in ("INTRAOP", "INTEROP"):
        os.environ[f"TF_NUM_{name}_THREADS"] = options.threads
    for seed in options.seeds:
        for arm in options.arms or (*ARMS, *(["scratch"] if options.study else [])):
            run(options.part, arm, seed, options)


if __name__ == "__main__":
    main()
