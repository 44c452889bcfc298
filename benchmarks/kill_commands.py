"""Kills every command again and again, and compares its end with one that nothing disturbed.

    python benchmarks/kill_commands.py --kills 6

A folder of images is made here, and a small model trained on it. Each of `train`, `harden`,
`score`, `explain` and `occlude` runs once undisturbed; then again, killed by SIGKILL at moments
that are spread over the time that it took, and started anew with the same flags after each. All
must end alike: weights bit for bit, reports, maps, tables, data sets; times and dates aside.

The last line printed is RESULT and a JSON object; the exit status is 1 where something differs.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_SIZE = 32
_TIMES = ("seconds", "share_of_epoch", "minutes", "images_per_second", "download_time")
COMMANDS = {
    "train": "--dataset folder:photos --epochs 6 --batch-size 16 --occlusion-examples 12 "
    "--occlusion-every 2 --model convnext_mini",
    "harden": "--model model.keras --dataset folder:photos --epochs 4 --batch-size 16",
    "score": "--model a=model.keras --model b=model.keras --dataset folder:photos --split all "
    "--batch-size 8 --suite extended",
    "explain": "--model model.keras --dataset folder:photos --split all --max-examples 12 "
    "--num-masks 2000",
    "occlude": "--dataset folder:photos --split all --coverage 10 30 50",
}


def write_inputs(root):
    """Writes a folder of images and a model that has learned a little of them."""
    import keras

    rng = np.random.default_rng(0)
    images, labels = [], []
    for label in range(4):
        folder = root / "photos" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(150):
            image = rng.integers(0, 150, (_SIZE, _SIZE, 3))
            image[(label // 2) * _SIZE // 2 :, (label % 2) * _SIZE // 2 :] += 100
            keras.utils.save_img(folder / f"{number}.png", image.astype("uint8"), scale=False)
            images.append(image)
            labels.append(label)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((_SIZE, _SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 4, 4, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    model.fit(np.stack(images), np.array(labels), epochs=20, verbose=0)
    model.save(root / "model.keras")


def start(root, name, output):
    """Starts a command; returns its process."""
    command = [sys.executable, "-m", "keras_patchmix", name, *COMMANDS[name].split()]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.getenv("PYTHONPATH")]))
    with open(root / f"{name}.log", "ab") as log:
        return subprocess.Popen(
            [*command, "--output", output],
            cwd=root,
            env={**os.environ, "PYTHONPATH": path},
            stdout=log,
            stderr=log,
        )


def finish(root, name, output):
    """Runs a command to its end; returns the seconds that it took."""
    began = time.monotonic()
    if status := start(root, name, output).wait():
        raise SystemExit(f"{name} ended with status {status}, see {root / f'{name}.log'}")
    return time.monotonic() - began


def contents(directory):
    """Returns what a command has written: a dict from the names of files to comparable values."""
    return {
        path.relative_to(directory).as_posix(): _value(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix not in (".png", ".html") and path.name != "config.json"
    }


def _value(path):
    if path.suffix == ".keras":
        import keras

        import keras_patchmix  # noqa: F401 - registers the layers of the model

        return [weight.tobytes() for weight in keras.models.load_model(path).get_weights()]
    if path.suffix in (".npz", ".ckpt"):
        with np.load(path, allow_pickle=False) as arrays:
            return {
                key: arrays[key].tobytes() for key in arrays if arrays[key].dtype.kind not in "SU"
            }
    if ".tfrecord" in path.name:
        import tensorflow as tf

        # The fields of an example are a map, whose order in the file is not defined.
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        examples = [tf.train.Example.FromString(record) for record in records]
        return [
            {key: field.SerializeToString() for key, field in example.features.feature.items()}
            for example in examples
        ]
    if path.suffix in (".json", ".jsonl"):
        return [_without_times(json.loads(line)) for line in _documents(path)]
    return path.read_bytes()


def _documents(path):
    text = path.read_text()
    return text.splitlines() if path.suffix == ".jsonl" else [text]


def _without_times(value):
    if isinstance(value, dict):
        return {
            key: _without_times(part)
            for key, part in value.items()
            if key not in (*_TIMES, "command", "sha256", "maps_sha256")
        }
    return [_without_times(part) for part in value] if isinstance(value, list) else value


def kill(root, name, seconds, kills, rng):
    """Runs a command that is killed several times; returns how often it was, and what differs."""
    done = 0
    for number in range(kills):
        process = start(root, name, "killed-" + name)
        moment = seconds * (number + rng.random()) / kills
        try:
            process.wait(max(moment, 1))
            break  # it was faster than the undisturbed run
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
    else:
        # The set may be complete when its process is killed; then there is nothing to go on with.
        status = start(root, name, "killed-" + name).wait()
        if status and name != "occlude":
            raise SystemExit(f"{name} ended with status {status}, see {root / f'{name}.log'}")
    one, other = (contents(root / f"{state}-{name}") for state in ("undisturbed", "killed"))
    names = sorted(one.keys() | other.keys())
    return done, [key for key in names if one.get(key) != other.get(key)]


def main():
    """Runs the comparison; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=6, metavar="N", help="of each (default: 6)")
    parser.add_argument("--only", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    parser.add_argument("--directory", metavar="DIR", help="keep all files in this new directory")
    options = parser.parse_args()
    rng, result = random.Random(options.seed), {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(options.directory or place).absolute()
        root.mkdir(exist_ok=True)
        write_inputs(root)
        for name in options.only:
            seconds = finish(root, name, "undisturbed-" + name)
            done, different = kill(root, name, seconds, options.kills, rng)
            result[name] = {"kills": done, "seconds": round(seconds, 1), "different": different}
            print(f"{name}: {json.dumps(result[name])}", flush=True)
    print("RESULT " + json.dumps(result), flush=True)
    return int(any(each["different"] for each in result.values()))


if __name__ == "__main__":
    sys.exit(main())
