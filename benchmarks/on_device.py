"""Time of a training step with mixing in the pipeline, in the train step, and without mixing.

    python benchmarks/on_device.py
    KERAS_BACKEND=jax python benchmarks/on_device.py --image-size 96 --batch-size 64
    KERAS_BACKEND=jax python benchmarks/on_device.py --pipeline PyDataset --json on_device.json

Three copies of one small convolutional network train with `model.fit` on uint8 images: the pipeline
shuffles, flips and batches, then

- "no mixing": makes one-hot labels,
- "in the pipeline": mixes the batches by `PatchMixing` there,
- "on the device": hands class ids to a model on which `mix_on_device` was called.

The pipeline is `tf.data` with parallel maps, or a `PyDataset` with as many threads as there are
cores, which needs no TensorFlow. The three take turns of a few steps each, in another order in
every repeat, so that a machine that is slowed down by others slows all of them alike. A turn is
timed from the end of its first step to the end of its last one; "batches alone" is the pipeline of
each without a model, the PyDataset's in one thread. Printed: the median, the quartiles, and the
median of the difference to "no mixing" in the same repeat. TensorFlow compiles the step with XLA if
`--jit-compile` is given, JAX always does. The last line is RESULT and a JSON object, which names
the devices.
"""

import argparse
import itertools
import os
import sys
import time
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from host_batches import HostBatches, Stopwatch
from turns import print_result, shown, take_turns

import keras_patchmix as kpm

BACKEND = keras.backend.backend()
NUM_CLASSES = 10
PLACES = ("no mixing", "in the pipeline", "on the device")
PIPELINES = ("tf.data", "PyDataset")


def make_model(image_size, width, jit_compile):
    """A small compiled convolutional network on images 0..255."""
    inputs = keras.Input((image_size, image_size, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for factor in (1, 2, 4):
        x = keras.layers.Conv2D(factor * width, 3, 2, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(NUM_CLASSES)(x))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    jit_compile = jit_compile or BACKEND == "jax"  # else each operation would be a call of its own
    model.compile(keras.optimizers.SGD(0.01), loss, jit_compile=jit_compile)
    return model


def make_batches(place, options):
    """Returns the pipeline of one contestant."""
    shape = (4096, options.image_size, options.image_size, 3)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, shape, dtype="uint8")
    ids = generator.integers(0, NUM_CLASSES, len(images))
    mix = kpm.PatchMixing(num_classes=NUM_CLASSES, seed=1, probability=1.0)
    make = tf_data if options.pipeline == "tf.data" else py_dataset
    return make(images, ids, place, mix, options)


def tf_data(images, ids, place, mix, options):
    """See `make_batches`; the pipeline is endless."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((images, ids)).shuffle(len(images)).repeat()
    data = data.map(
        lambda x, y: (tf.image.random_flip_left_right(x), y), num_parallel_calls=tf.data.AUTOTUNE
    ).batch(options.batch_size, drop_remainder=True)
    if place == "in the pipeline":
        data = data.map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    elif place == "no mixing":
        data = data.map(lambda x, y: (x, tf.one_hot(y, NUM_CLASSES)))
    return data.prefetch(tf.data.AUTOTUNE)


def py_dataset(images, ids, place, mix, options):
    """See `make_batches`; an epoch has the steps of a turn."""
    return HostBatches(
        images,
        ids,
        options.batch_size,
        NUM_CLASSES,
        mixing=mix if place == "in the pipeline" else None,
        give_class_ids=place == "on the device",
        steps=options.steps,
        workers=os.cpu_count(),
    )


def iterate(batches):
    """Returns an endless iterator of a pipeline's batches."""
    if isinstance(batches, HostBatches):
        return (batches[step] for step in itertools.count())
    return iter(batches)


def make_turn(place, options):
    """A function that trains for some steps, and draws as many batches: seconds of one of each."""
    batches = make_batches(place, options)
    model = make_model(options.image_size, options.width, options.jit_compile)
    if place == "on the device":
        layer = kpm.PatchMixing(num_classes=NUM_CLASSES, seed=1, probability=1.0)
        kpm.training.mix_on_device(model, layer)
    stopwatch = Stopwatch()

    def train():
        model.fit(
            batches, steps_per_epoch=options.steps, shuffle=False, verbose=0, callbacks=[stopwatch]
        )
        return stopwatch.seconds_per_step()

    def draw():
        iterator = iterate(batches)
        next(iterator)
        start = time.perf_counter()
        for _ in range(options.steps):
            next(iterator)
        return (time.perf_counter() - start) / options.steps

    return lambda: (train(), draw())


def devices():
    """Returns the kinds of devices that the backend computes on."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return [device.device_type for device in tf.config.list_logical_devices()]
    if BACKEND == "torch":
        return [keras.ops.zeros(()).device.type.upper()]
    return [device.partition(":")[0].upper() for device in keras.distribution.list_devices()]


def main():
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=8, help="channels of the first convolution")
    parser.add_argument("--steps", type=int, default=60, help="of a turn")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--jit-compile", action="store_true", help="compile the step with XLA")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    parser.add_argument(
        "--pipeline", choices=PIPELINES, default=PIPELINES[find_spec("tensorflow") is None]
    )
    options = parser.parse_args()

    found = devices()
    if "GPU" not in found:
        print("No GPU: the pipeline and the step share the processor's cores.", file=sys.stderr)
    turns = {place: make_turn(place, options) for place in PLACES}
    times = take_turns(turns, shown(options.repeats))
    trained = {place: values[:, 0] for place, values in times.items()}
    drawn = {place: values[:, 1] for place, values in times.items()}
    result = {**vars(options), "backend": BACKEND, "devices": found, "cores": os.cpu_count()}
    result["rows"] = []
    del result["json"]
    print(f"  {'':16}{'ms a step':>10}   quartiles {'+ no mixing':>13}{'batches alone':>15}")
    for place in PLACES:
        milliseconds = 1e3 * trained[place]
        low, median, high = np.quantile(milliseconds, [0.25, 0.5, 0.75])
        more = float(np.median(milliseconds - 1e3 * trained["no mixing"]))
        alone = float(np.median(1e3 * drawn[place]))
        print(f"  {place:16}{median:10.2f}   {low:.2f}..{high:.2f}{more:+13.2f}{alone:15.2f}")
        result["rows"].append(
            {
                "place": place,
                "median_ms": round(float(median), 3),
                "quartiles_ms": [round(float(low), 3), round(float(high), 3)],
                "more_than_no_mixing_ms": round(more, 3),
                "batches_alone_ms": round(alone, 3),
            }
        )
    print_result(result, options.json)


if __name__ == "__main__":
    main()
