"""Images a second of the training pipeline without TensorFlow, by what reads it.

    KERAS_BACKEND=jax python benchmarks/grain_pipeline.py --dataset folder:photos --image-size 96

Grain with 1 to 8 threads, and `keras.utils.PyDataset` with 2 threads, both of the same function of
the step; where TensorFlow is installed `tf.data` in their place. Each feeds `fit` of a model that
computes next to nothing, in turns, `--repeats` times, over `--batches` batches of which the first
three are not counted. "core ms" is processor time an image, over all threads of the process. The
last column is a digest of the batches, read once more without `fit`: the same in every row.
"""

import argparse
import hashlib
import itertools
import statistics
import time

import keras
import numpy as np

from keras_patchmix.base import optional
from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.datasets.examples import grain_dataset
from keras_patchmix.devices.batches import LocalBatches
from keras_patchmix.training import pipeline
from keras_patchmix.training.grain_pipeline import TrainingSteps
from keras_patchmix.training.training_data import load

_WARM = 3


class Steps(keras.utils.PyDataset):
    """The batches of `TrainingSteps` as Keras' own data set."""

    def __init__(self, steps, workers):
        super().__init__(workers, max_queue_size=workers + 2)
        self._steps = steps

    def __len__(self):
        return len(self._steps)

    def __getitem__(self, index):
        return self._steps[index]


class Clock(keras.callbacks.Callback):
    """Times the batches after the first ones."""

    def on_train_batch_end(self, batch, logs=None):
        """Takes the times."""
        now = time.perf_counter(), time.process_time()
        if batch == _WARM - 1:
            self.start = now
        self.end = now


def contestants(options):
    """Returns a dict from names to functions that return batches for `fit`."""
    data, total = load(options), options.epochs
    if optional.is_installed("tensorflow"):
        return {"tf.data": lambda: pipeline.training_batches(data, options, total).take(total)}
    import grain

    local = LocalBatches(options.batch_size, options.batch_size, 0, 1)
    steps = TrainingSteps(data, options, total, local)

    def by_grain(threads):
        read = grain.ReadOptions(threads, threads + 2)
        return lambda: grain_dataset(steps).to_iter_dataset(read)

    found = {f"Grain, {threads} threads": by_grain(threads) for threads in (1, 2, 4, 8)}
    found["PyDataset, 2 threads"] = lambda: Steps(steps, 2)
    return found


def measure(batches, count, batch_size):
    """Returns images a second, and core ms an image, of one pass."""
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse", jit_compile=False)
    clock = Clock()
    model.fit(batches, steps_per_epoch=count, verbose=0, callbacks=[clock])
    images = (count - _WARM) * batch_size
    wall, cores = (end - start for start, end in zip(clock.start, clock.end, strict=True))
    return images / wall, 1000 * cores / images


def digest(batches, count):
    """Returns a digest of the first batches."""
    sha = hashlib.sha256()
    for batch in itertools.islice(batches, count):
        for part in batch:
            sha.update(np.ascontiguousarray(part))
    return sha.hexdigest()[:8]


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", required=True, help="folder:PATH, or shapes")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--augmentation", default="flip-crop")
    parser.add_argument("--cache", default="none")
    asked = parser.parse_args()
    options = TrainOptions(
        dataset=asked.dataset,
        image_size=asked.image_size,
        batch_size=asked.batch_size,
        augmentation=asked.augmentation,
        cache=asked.cache,
        epochs=asked.batches,
    )
    ways = contestants(options)
    found = {name: [] for name in ways}
    for _ in range(asked.repeats):
        for name, make in ways.items():
            found[name].append(measure(make(), asked.batches, asked.batch_size))
    print("| | images/s | core ms an image | digest |\n|---|---|---|---|")
    for name, rows in found.items():
        speeds, cores = zip(*rows, strict=True)
        print(
            f"| {name} | {statistics.median(speeds):.0f} ({min(speeds):.0f}..{max(speeds):.0f}) | "
            f"{statistics.median(cores):.2f} | {digest(ways[name](), 4)} |"
        )


if __name__ == "__main__":
    main()
