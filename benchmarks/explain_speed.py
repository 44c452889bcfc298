"""What RISE takes beside the bare forward passes, and beside xplique's RISE.

    python benchmarks/explain_speed.py
    python benchmarks/explain_speed.py --model keras.applications:MobileNetV2 --image-size 224
    python benchmarks/explain_speed.py --model vit_mini8 --memory

In rounds, one after another, with one model, image, batch size and number of masks: our `rise` and
`c_rise`, `model.predict` of as many images that are in memory already, and xplique's `Rise` where
it is installed (it needs TensorFlow below 2.21, so an environment of its own: pip install xplique
"tensorflow<2.21" and this package). Masks of both have one grid size and one probability; xplique
draws one offset for a batch, we one for a mask. `--memory` measures in place of that the memory
that maps of 500 and of 8,000 masks take at most, each in a process of its own. The last line is
RESULT and a JSON object.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_patchmix as kpm

_APPLICATION = "keras.applications:"
_CLASSES = 10
_MEMORY_MASKS = (500, 8000)


def make_model(name, size):
    """Returns a model of random weights that gives probabilities of images in 0..255."""
    shape = (size, size, 3)
    if name.startswith(_APPLICATION):
        build = getattr(keras.applications, name.removeprefix(_APPLICATION))
        body = build(weights=None, input_shape=shape, classes=_CLASSES)
        outputs = body.output
    else:
        body = kpm.models.create(name, num_classes=_CLASSES, input_shape=shape, seed=1)
        outputs = keras.layers.Softmax()(body.output)
    return keras.Model(body.inputs, outputs)


def make_image(size):
    """Returns one image of "shapes", float32 of shape (1, size, size, 3)."""
    images, _ = kpm.datasets.shapes.generate(range(1), "test", size)
    return images.astype(np.float32)


def xplique_rise(model, options):
    """Returns xplique's RISE as a function of images, or None where it is not installed."""
    try:
        from xplique.attributions import Rise
    except ImportError:
        return None
    explainer = Rise(
        model,
        batch_size=options.batch_size,
        nb_samples=options.num_masks,
        grid_size=options.grid_size,
        preservation_probability=0.5,
    )
    target = np.eye(_CLASSES, dtype=np.float32)[:1]
    return lambda image: np.asarray(explainer.explain(image, target))[..., 0]


def ways(options):
    """Returns the functions to be timed, by name."""
    model, image = make_model(options.model, options.image_size), make_image(options.image_size)
    settings = {
        "num_masks": options.num_masks,
        "grid_size": options.grid_size,
        "batch_size": options.batch_size,
        "verbose": False,
    }
    passes = np.repeat(image, options.num_masks, axis=0)
    found = {
        "rise": lambda: kpm.explain.rise(model, image, 0, **settings),
        "c_rise": lambda: kpm.explain.c_rise(model, image, 0, 1, **settings),
        "model.predict": lambda: model.predict(passes, batch_size=options.batch_size, verbose=0),
    }
    peer = xplique_rise(model, options)
    if peer is not None:
        found["xplique Rise"] = lambda: peer(image)
    return found


def time_all(options):
    """Prints seconds of each way and the ratios of ours; returns them."""
    functions = ways(options)
    for run in functions.values():  # compiles
        run()
    seconds = {name: [] for name in functions}
    for _ in range(options.rounds):
        for name, run in functions.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    size = options.image_size
    print(
        f"{options.model}, an image of {size}x{size}, {options.num_masks} masks of "
        f"{options.grid_size}x{options.grid_size} in batches of {options.batch_size}, "
        f"{len(os.sched_getaffinity(0))} CPU cores, {options.rounds} rounds"
    )
    for name, values in seconds.items():
        print(
            f"{name:14} {statistics.median(values):7.2f} s ({min(values):.2f} to {max(values):.2f})"
        )
    ratios = {}
    pairs = [("rise", "model.predict"), ("c_rise", "model.predict"), ("xplique Rise", "rise")]
    for top, bottom in pairs:
        if top in seconds:
            values = [a / b for a, b in zip(seconds[top], seconds[bottom], strict=True)]
            ratios[f"{top} / {bottom}"] = statistics.median(values)
            print(
                f"{top} / {bottom}: {statistics.median(values):.3f} "
                f"(single rounds {min(values):.3f} to {max(values):.3f})"
            )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {"seconds": medians, "ratios": ratios}


def peak_memory(options, num_masks):
    """Returns the MiB that a process which makes one map takes at most."""
    command = [sys.executable, __file__, "--one-map", str(num_masks)]
    for name in ("model", "image_size", "grid_size", "batch_size"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(found.stdout.split()[-1])


def main():
    """Prints times or memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="convnext_mini", metavar="NAME")
    parser.add_argument("--image-size", type=int, default=64, metavar="N")
    parser.add_argument("--num-masks", type=int, default=1024, metavar="N")
    parser.add_argument("--grid-size", type=int, default=7, metavar="N")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one-map", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_map:
        model, image = make_model(options.model, options.image_size), make_image(options.image_size)
        settings = {"grid_size": options.grid_size, "batch_size": options.batch_size}
        kpm.explain.rise(model, image, 0, num_masks=options.one_map, verbose=False, **settings)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    result = {"model": options.model, "image_size": options.image_size}
    if options.memory:
        result["mebibytes"] = {number: peak_memory(options, number) for number in _MEMORY_MASKS}
        for number, mebibytes in result["mebibytes"].items():
            print(f"{number:6} masks: {mebibytes:8.1f} MiB at most")
    else:
        result.update(num_masks=options.num_masks, **time_all(options))
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
