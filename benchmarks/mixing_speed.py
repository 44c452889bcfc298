"""Speed of Patch Mixing against its peers and against a plain copy of the batch.

    python benchmarks/mixing_speed.py
    python benchmarks/mixing_speed.py --repeats 60 --json speed.json

All contestants take the same batch of 128 images of 224 x 224 x 3, once as float32 and once as
uint8, and are timed in turn within every repeat, in another order each time, so that a machine
that is slowed down by others slows all of them alike. Two ways of calling: a `tf.function` that is
called eagerly on a batch in memory, and `tf.data` (`Dataset.map` over that batch, sequential,
nothing prefetched). The copy is
`tf.gather(images, range)`: every pixel read once and written once. Keras' and keras-cv's layers
get float32 images and one-hot labels in a dict, as they want; for uint8 input their own cast to
float32 is part of their time. Printed: the median and the quartiles of each one's time divided by
the copy's time in the same repeat. The last line is RESULT and a JSON object.
"""

import argparse
import gc
import json
import os
import random
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import keras_patchmix as kpm


def contestants(names):
    """Dict from a name to a function (images, one-hot labels) -> mixed images."""

    def from_dict(layer):
        return lambda x, y: layer({"images": x, "labels": y}, training=True)["images"]

    patch_mixing = kpm.PatchMixing(seed=1)
    batch_mode = kpm.PatchMixing(seed=1, mode="batch")
    odd_grid = kpm.PatchMixing(grid_size=6, seed=1)
    makers = {
        "copy": lambda: lambda x, y: tf.gather(x, tf.range(tf.shape(x)[0])),
        "PatchMixing": lambda: lambda x, y: patch_mixing(x, y)[0],
        "PatchMixing, mode='batch'": lambda: lambda x, y: batch_mode(x, y)[0],
        "PatchMixing, 6x6 (does not divide)": lambda: lambda x, y: odd_grid(x, y)[0],
        "keras CutMix": lambda: from_dict(keras.layers.CutMix(data_format="channels_last")),
        "keras MixUp": lambda: from_dict(keras.layers.MixUp(data_format="channels_last")),
    }
    try:
        import keras_cv

        makers["keras_cv CutMix"] = lambda: from_dict(keras_cv.layers.CutMix())
        makers["keras_cv MixUp"] = lambda: from_dict(keras_cv.layers.MixUp())
    except ImportError:
        print("keras_cv is not installed: its layers are left out", file=sys.stderr)
    return {name: make() for name, make in makers.items() if not names or name in names}


def as_function(mix, images, labels):
    """A call of the compiled function, which returns when its result is there."""
    function = tf.function(mix, autograph=False, jit_compile=False)
    return lambda: function(images, labels)[0, 0, 0].numpy()


def as_dataset(mix, images, labels):
    """One batch out of an endless tf.data pipeline that maps the function."""
    data = tf.data.Dataset.from_tensors((images, labels)).repeat().map(mix)
    options = tf.data.Options()
    # Nothing is made in advance, or one contestant's batches would be made in another one's time.
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = False
    iterator = iter(data.with_options(options))
    return lambda: next(iterator)[0, 0, 0].numpy()


def measure(calls, repeats):
    """Seconds of each call in each repeat, taken in turn: dict of arrays `(repeats,)`."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
        call()
    gc.disable()
    order = random.Random(0)
    for _ in tqdm(range(repeats), disable=None, leave=False):
        for name in order.sample(list(calls), len(calls)):
            start = time.perf_counter()
            calls[name]()
            times[name].append(time.perf_counter() - start)
    gc.enable()
    return {name: np.array(values) for name, values in times.items()}


def main():
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contestants, beside the copy")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args()

    shape = (options.batch_size, options.image_size, options.image_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    labels = tf.one_hot(np.arange(options.batch_size) % 10, 10)
    result = {"shape": list(shape), "repeats": options.repeats, "rows": []}
    for dtype in ("float32", "uint8"):
        images = tf.cast(pixels, dtype)
        for way, wrap in (("tf.function", as_function), ("tf.data", as_dataset)):
            names = options.only and ["copy", *options.only]
            mixes = contestants(names)
            calls = {name: wrap(mix, images, labels) for name, mix in mixes.items()}
            times = measure(calls, options.repeats)
            print(f"\n{dtype}, {way}: {'x'.join(map(str, shape))}, {options.repeats} repeats")
            print(f"  {'':36}{'median ms':>10}{'x copy':>8}   quartiles{'images/s':>14}")
            for name, seconds in times.items():
                low, ratio, high = np.quantile(seconds / times["copy"], [0.25, 0.5, 0.75])
                median = float(np.median(seconds))
                rate = options.batch_size / median
                print(
                    f"  {name:36}{1e3 * median:10.2f}{ratio:8.2f}   {low:.2f}..{high:.2f}"
                    f"{rate:14,.0f}"
                )
                result["rows"].append(
                    {
                        "name": name,
                        "dtype": dtype,
                        "way": way,
                        "median_ms": round(1e3 * median, 3),
                        "ratio_to_copy": round(float(ratio), 3),
                        "ratio_quartiles": [round(float(low), 3), round(float(high), 3)],
                        "images_per_second": round(rate),
                    }
                )
    text = json.dumps(result)
    if options.json:
        with open(options.json, "w") as file:
            file.write(text + "\n")
    print("RESULT " + text)


if __name__ == "__main__":
    main()
