"""Maps of RISE by this package and by xplique: the noise that is left after equal times.

    python benchmarks/rise_peer.py
    python benchmarks/rise_peer.py --model model.keras --images images.npz

xplique needs TensorFlow below 2.21, so an environment of its own (pip install xplique
"tensorflow<2.21" and this package). Both explain one class of one image by masks of 7x7 cells, each
shown with probability 1/2. Ours makes a map of `--num-masks`; xplique gets the number of masks that
took it as long, by the medians of rounds in which both take turns. Then each makes `--repeats`
maps, and the noise is the root mean square of their deviation from their own mean (over n - 1), so
that the slightly different masks of both count for neither. The last line is RESULT and a JSON
object.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_patchmix as kpm


def noise_of(maps):
    """Returns the root mean square deviation of maps (N, H, W) from their mean."""
    return float(np.sqrt(np.var(maps, axis=0, ddof=1).mean()))


def seconds_of(functions, rounds):
    """Returns the median seconds of functions that take turns, by name."""
    seconds = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, run in functions.items():
            start = time.perf_counter()
            run()
            if number:  # the first one compiles
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main():
    """Prints seconds and noise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", metavar="FILE", help="a saved model of logits")
    parser.add_argument("--images", metavar="FILE", help='arrays with "images" (N, H, W, 3)')
    parser.add_argument("--num-masks", type=int, default=1000, metavar="N")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--repeats", type=int, default=12, metavar="N")
    options = parser.parse_args()
    from xplique.attributions import Rise

    if options.model:
        body = keras.models.load_model(options.model, compile=False)
        image = np.load(options.images)["images"][:1].astype(np.float32)
    else:
        body = kpm.models.create("convnext_mini", num_classes=10, input_shape=(32, 32, 3), seed=1)
        image = kpm.datasets.shapes.generate(range(1), "test", 32)[0].astype(np.float32)
    model = keras.Model(body.inputs, keras.layers.Softmax()(body.output))
    target = np.zeros((1, model.output_shape[-1]), np.float32)
    class_id = int(np.argmax(model.predict(image, verbose=0)))
    target[0, class_id] = 1

    def ours(scheme, seed=0):
        settings = {"num_masks": options.num_masks, "batch_size": options.batch_size}
        return kpm.explain.rise(
            model, image, class_id, scheme=scheme, seed=seed, verbose=False, **settings
        )[0]

    def peer(num_masks):
        explainer = Rise(model, batch_size=options.batch_size, nb_samples=num_masks, grid_size=7)
        return np.asarray(explainer.explain(image, target))[0, ..., 0]

    functions = {
        "control variate": lambda: ours("control_variate"),
        "independent": lambda: ours("independent"),
        "xplique": lambda: peer(options.num_masks),
    }
    seconds = seconds_of(functions, options.rounds)
    as_long = round(options.num_masks * seconds["control variate"] / seconds["xplique"])
    noise = {
        name: noise_of([ours(scheme, seed) for seed in range(options.repeats)])
        for name, scheme in (("control variate", "control_variate"), ("independent", "independent"))
    }
    noise["xplique"] = noise_of([peer(as_long) for _ in range(options.repeats)])
    masks = {"control variate": options.num_masks, "independent": options.num_masks}
    masks["xplique"] = as_long
    for name, value in noise.items():
        print(
            f"{name:16} {masks[name]:6} masks, noise {value:.4f}; {options.num_masks} masks took "
            f"{seconds[name]:.2f} s"
        )
    print("RESULT " + json.dumps({"seconds": seconds, "masks": masks, "noise": noise}))


if __name__ == "__main__":
    main()
