"""Speed of mixing layers against their peers and against a plain copy of the batch.

    python benchmarks/mixing_speed.py
    python benchmarks/mixing_speed.py --repeats 60 --json speed.json

All contestants take the same batch of 128 images of 224 x 224 x 3, once as float32 and once as
uint8, and are timed in turn within every repeat, in another order each time, so that a machine
that is slowed down by others slows all of them alike. Three ways of calling:

- "tf.function": called eagerly on a batch in memory, all threads of the machine for one batch;
- "tf.data": `Dataset.map` over that batch, sequential, nothing prefetched;
- "tf.data, 2 parallel calls": `map(num_parallel_calls=2)`, several batches in each repeat. This is
  how such a layer is used; tf.data gives every call one thread.

The copy is `tf.gather(images, range)`: every pixel read once and written once. "two read, one
written" is the greater of the pixels of two batches, the least that a blend costs. Keras' and
keras-cv's layers get float32 images and one-hot labels in a dict, as they want; for uint8 input
their own cast to float32 is part of their time. The contestant with channels first gets the same
pixels in that order. "apply_to_images alone" has a plan that is ready, with none, half or all of
the patches foreign: what is left of the layer's time without drawing. "XLA" is
`tf.function(layer, jit_compile=True)`, which compiles once for every shape of a batch.

Printed: the median time of a batch, and the median and the quartiles of each one's time divided by
the copy's time in the same repeat. The last line is RESULT and a JSON object.
"""

import argparse
import functools
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from turns import nothing_ahead, print_result, seconds, shown, take_turns, two_ahead

import keras_patchmix as kpm
from keras_patchmix import mixing

CHANNELS_FIRST = "PatchMixing, channels_first"


def contestants(names, images):
    """Dict from a name to a function (images, one-hot labels) -> mixed images.

    Args:
        names: The names wanted; all when None.
        images: The images that will be mixed.
    """

    def from_dict(layer):
        return lambda x, y: layer({"images": x, "labels": y}, training=True)["images"]

    def variant(**arguments):
        layer = kpm.PatchMixing(probability=1.0, seed=1, **arguments)
        return lambda x, y: layer(x, y)[0]

    def with_ready_plan(foreign):
        """The images by a plan of which a share of the patches is foreign."""

        def mix(x, y):
            settings = mixing.Settings(ratio=foreign)
            plan = mixing.sample_plan((1, 2), x.shape[0], x.shape[1:3], grid, settings)
            return mixing.apply_to_images(x, plan, grid)

        grid = mixing.Grid(7)
        return mix

    def of(layer):
        return lambda x, y: layer(x, y)[0]

    def by_xla(layer):
        return tf.function(of(layer), autograph=False, jit_compile=True)

    other = tf.reverse(images, axis=[0])
    patch_mixing = kpm.PatchMixing(seed=1, probability=1.0)
    batch_mode = kpm.PatchMixing(seed=1, mode="batch", probability=1.0)
    variants = {
        "PatchMixing, 14x14": {"grid_size": 14},
        "PatchMixing, 6x6 (does not divide)": {"grid_size": 6},
        "PatchMixing, 13x13 (does not divide)": {"grid_size": 13},
        "PatchMixing, patch_size=30": {"patch_size": 30},
        CHANNELS_FIRST: {"data_format": "channels_first"},
    }
    makers = {
        "copy": lambda: lambda x, y: tf.gather(x, tf.range(tf.shape(x)[0])),
        "two read, one written": lambda: lambda x, y: tf.maximum(x, other),
        "PatchMixing": lambda: of(patch_mixing),
        "PatchMixing, mode='batch'": lambda: of(batch_mode),
        "CutMix": lambda: of(kpm.layers.CutMix(seed=1)),
        "MixUp": lambda: of(kpm.layers.MixUp(seed=1)),
        "PatchMixing, XLA": lambda: by_xla(kpm.PatchMixing(seed=1, probability=1.0)),
        "CutMix, XLA": lambda: by_xla(kpm.layers.CutMix(seed=1)),
        "MixUp, XLA": lambda: by_xla(kpm.layers.MixUp(seed=1)),
        **{name: functools.partial(variant, **kw) for name, kw in variants.items()},
        **{
            f"apply_to_images alone, {foreign:.0%} foreign": functools.partial(
                with_ready_plan, foreign
            )
            for foreign in (0.0, 0.5, 1.0)
        },
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
    """Times one call of the compiled function, until its result is there."""
    function = tf.function(mix, autograph=False, jit_compile=False)
    return lambda: seconds(lambda: function(images, labels)[0, 0, 0].numpy())


def as_dataset(mix, images, labels):
    """Times one batch out of an endless tf.data pipeline that maps the function."""
    iterator = pipeline(mix, images, labels)
    return lambda: seconds(lambda: next(iterator)[0, 0, 0].numpy())


def as_parallel_dataset(mix, images, labels, batches):
    """Times several batches out of such a pipeline that makes two at a time."""
    iterator = pipeline(mix, images, labels, num_parallel_calls=2)
    return two_ahead(lambda: next(iterator)[0, 0, 0].numpy(), batches)


def pipeline(mix, images, labels, num_parallel_calls=None):
    """An endless iterator of mixed batches, nothing of which is made in advance but by the map."""
    data = tf.data.Dataset.from_tensors((images, labels)).repeat()
    return iter(nothing_ahead(data.map(mix, num_parallel_calls=num_parallel_calls)))


def main():
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--batches", type=int, default=6, help="of a repeat with parallel calls")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contestants, beside the copy")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args()

    shape = (options.batch_size, options.image_size, options.image_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    labels = tf.one_hot(np.arange(options.batch_size) % 10, 10)
    ways = {
        "tf.function": as_function,
        "tf.data": as_dataset,
        "tf.data, 2 parallel calls": functools.partial(
            as_parallel_dataset, batches=options.batches
        ),
    }
    result = {"shape": list(shape), "repeats": options.repeats, "rows": []}
    for dtype in ("float32", "uint8"):
        images = tf.cast(pixels, dtype)
        channels_first = tf.transpose(images, (0, 3, 1, 2))
        for way, wrap in ways.items():
            names = options.only and ["copy", *options.only]
            turns = {}
            for name, mix in contestants(names, images).items():
                batch = channels_first if name == CHANNELS_FIRST else images
                turns[name] = wrap(mix, batch, labels)
            times = take_turns(turns, shown(options.repeats))
            print(f"\n{dtype}, {way}: {'x'.join(map(str, shape))}, {options.repeats} repeats")
            print(f"  {'':36}{'median ms':>10}{'x copy':>8}   quartiles{'images/s':>14}")
            for name, values in times.items():
                low, ratio, high = np.quantile(values / times["copy"], [0.25, 0.5, 0.75])
                median = float(np.median(values))
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
    print_result(result, options.json)


if __name__ == "__main__":
    main()
