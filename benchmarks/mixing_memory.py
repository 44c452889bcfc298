"""Peak memory of one call of a mixing layer, against a plain copy and Keras' CutMix.

    python benchmarks/mixing_memory.py
    python benchmarks/mixing_memory.py --repeats 5 --json memory.json

Every call runs in a process of its own, which makes one big batch of 224 x 224 x 3 images, 384 of
float32 or 1,536 of uint8 (220 MiB both), calls a `tf.function` on two images and then on the batch,
and asks the system for the largest memory that it ever held (`ru_maxrss`). The copy is
`tf.gather(images, range)`: it needs the batch and its output. Printed, in percent of the batch:

- "call": what the call on the batch adds, less the output: peak - memory before - output;
- "process": the peak less that of the process that copies: with what the code and the graph of
  a layer need once, which does not grow with the batch.

Both are the median and the range over the repeats; the copy's range shows the noise. Linux only.
The last line is RESULT and a JSON object.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from turns import print_result

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

BATCH_SIZES = {"float32": 384, "uint8": 1536}
IMAGE_SIZE = 224
COPY = "copy"
KERAS_CUT_MIX = "keras CutMix"
LAYERS = {
    "PatchMixing": {},
    "PatchMixing, mode='batch'": {"mode": "batch"},
    "PatchMixing, 14x14": {"grid_size": 14},
    "PatchMixing, 6x6 (does not divide)": {"grid_size": 6},
    "PatchMixing, 13x13 (does not divide)": {"grid_size": 13},
    "PatchMixing, patch_size=30": {"patch_size": 30},
    "PatchMixing, channels_first": {"data_format": "channels_first"},
    "CutMix": {},
    "MixUp": {},
}
CONTESTANTS = (COPY, *LAYERS, KERAS_CUT_MIX)


def memory():
    """What this process holds now and the most it has held, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize() / 2**20, peak / 2**10


def call_once(name, dtype):
    """Mixes one batch; prints the memory held before and the peak after, in MiB."""
    import keras
    import tensorflow as tf

    import keras_patchmix as kpm

    shape = (BATCH_SIZES[dtype], IMAGE_SIZE, IMAGE_SIZE, 3)
    if "channels_first" in name:
        shape = (shape[0], 3, IMAGE_SIZE, IMAGE_SIZE)
    images = tf.fill(shape, tf.constant(1, dtype))
    labels = tf.one_hot(tf.range(shape[0]) % 10, 10)

    if name == COPY:

        def mix(x, y):
            return tf.gather(x, tf.range(tf.shape(x)[0])), y
    elif name == KERAS_CUT_MIX:
        layer = keras.layers.CutMix(data_format="channels_last")

        def mix(x, y):
            return layer({"images": x, "labels": y}, training=True)
    else:
        layer = getattr(kpm.layers, name.partition(",")[0])
        mix = layer(probability=1.0, **LAYERS[name])

    function = tf.function(mix, autograph=False, jit_compile=False)
    function(images[:2], labels[:2])
    before, _ = memory()
    outputs = function(images, labels)
    images = outputs["images"] if isinstance(outputs, dict) else outputs[0]
    images[0, 0, 0].numpy()
    _, peak = memory()
    print(json.dumps([before, peak]))


def measure(name, dtype):
    """The memory before the call and the peak after it, in a new process."""
    command = [sys.executable, __file__, "--call", name, dtype]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def spread(values):
    """The smallest, the median and the largest, to one decimal."""
    values = sorted(values)
    return [round(x, 1) for x in (values[0], statistics.median(values), values[-1])]


def main():
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    parser.add_argument("--call", nargs=2, metavar=("NAME", "DTYPE"), help="in the new processes")
    options = parser.parse_args()
    if options.call:
        call_once(*options.call)
        return

    result = {"repeats": options.repeats, "rows": []}
    for dtype, batch_size in BATCH_SIZES.items():
        batch = batch_size * IMAGE_SIZE**2 * 3 * (4 if dtype == "float32" else 1) / 2**20
        print(f"\n{dtype}: {batch_size}x{IMAGE_SIZE}x{IMAGE_SIZE}x3, {batch:.0f} MiB")
        print(f"  {'':38}{'peak MiB':>9}{'call, %':>10}   {'range':16}{'process, %':>10}   range")
        floor = None
        for name in CONTESTANTS:
            runs = [measure(name, dtype) for _ in range(options.repeats)]
            peak = statistics.median(peak for _, peak in runs)
            floor = floor or peak
            call = spread(100 * (peak - before) / batch - 100 for before, peak in runs)
            process = spread(100 * (peak - floor) / batch for _, peak in runs)
            print(
                f"  {name:38}{peak:9.0f}{call[1]:10.1f}   {call[0]:.1f}..{call[2]:<10.1f}"
                f"{process[1]:10.1f}   {process[0]:.1f}..{process[2]:.1f}",
                flush=True,
            )
            row = {"name": name, "dtype": dtype, "peak_mib": round(peak, 1)}
            row |= {"call_percent": call, "process_percent": process}
            result["rows"].append(row)
    print_result(result, options.json)


if __name__ == "__main__":
    main()
