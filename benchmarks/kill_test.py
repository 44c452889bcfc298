"""Kills a training again and again, and compares its end with one that nothing disturbed.

    python benchmarks/kill_test.py --kills 10

A small model with batch normalisation, dropout and stochastic depth is trained by the recipe on
images made here, in short epochs that end in the middle of a pass over them. Each process is killed
by SIGKILL: every other one while it writes a checkpoint, the others a random moment after one. Then
the same command is started again, until it ends by itself. All must be as in the undisturbed run:
weights, state of the optimizer and of every seed bit for bit, metrics.csv, occlusion.jsonl (but for
its times), report.json. Disks are too fast to be met in the middle of a file, so writing takes
longer here.

The last line printed is RESULT and a JSON object; the exit status is 1 where something differs.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

STEPS, BATCH = 6, 8  # a pass has 8 steps
TIMES = ("seconds", "share_of_epoch")
LIMIT_SECONDS = 240
PROCESSES = multiprocessing.get_context("spawn")


def write_inputs(root):
    """Writes a folder data set and an untrained model, which the runs begin with."""
    import keras

    from keras_patchmix.models.blocks import DropPath

    rng = np.random.default_rng(0)
    for label in range(3):
        folder = root / "photos" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(24):
            image = rng.integers(0, 150, (16, 16, 3)) + 50 * label
            keras.utils.save_img(folder / f"{number}.png", image.astype("uint8"), scale=False)
    keras.utils.set_random_seed(1)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 4, 4)(x)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    branch = keras.layers.Dense(8, activation="gelu")(x)
    x = keras.layers.Add()([x, DropPath(0.3, seed=2)(branch)])
    x = keras.layers.Dropout(0.3, seed=3)(x)
    outputs = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(inputs, outputs).save(root / "start.keras")


def arguments_of(root, output, flags):
    """Returns the arguments of the recipe for one run."""
    return [
        *("--dataset", f"folder:{root / 'photos'}", "--init", str(root / "start.keras")),
        *f"--steps-per-epoch {STEPS} --batch-size {BATCH}".split(),
        *"--occlusion-examples 6 --occlusion-every 2".split(),
        *("--output", str(output)),
        *flags,
    ]


def train(root, output, flags, delay):
    """The process of one run, on a disk that is slow enough to be met while it writes."""
    flush = os.fsync

    def slow_flush(file):
        time.sleep(delay)
        flush(file)

    os.fsync = slow_flush
    log = os.open(root / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from keras_patchmix.cli.main import main

    sys.exit(main(["train", *arguments_of(root, output, flags)]))


def start(target, *arguments):
    """Starts a process and returns it."""
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def finish(target, *arguments):
    """Starts a process that must end by itself."""
    process = start(target, *arguments)
    process.join(LIMIT_SECONDS)
    if process.exitcode != 0:
        process.kill()
        raise SystemExit(f"{target.__name__} ended with status {process.exitcode}")


def kill_one(root, output, flags, epoch, writing, pause):
    """Starts a run and kills it.

    Args:
        root: Where the inputs are.
        output: The run directory.
        flags: Further flags.
        epoch: The least epoch of the newest checkpoint before it is killed.
        writing: Whether to kill it in the middle of the next checkpoint; else `pause` seconds on.
        pause: See above.

    Returns:
        Dict that says after which epoch it was killed, and which half-written file it left.
    """
    process = start(train, root, output, flags, 0.15)
    deadline = time.monotonic() + LIMIT_SECONDS
    folder = output / "checkpoints"
    least = max(epoch, newest_epoch(folder) + 1)  # every process gets on a little
    left = set(half_written(folder))
    while newest_epoch(folder) < least or (writing and set(half_written(folder)) <= left):
        if not process.is_alive():
            return {"epoch": None, "half_written": [], "status": process.exitcode}
        if time.monotonic() > deadline:
            process.kill()
            raise SystemExit("The run does not get on:\n" + (root / "log.txt").read_text()[-3000:])
        time.sleep(0.002)
    if not writing:
        time.sleep(pause)
    process.kill()  # by SIGKILL
    process.join()
    written = sorted(set(half_written(folder)) - left)
    return {"epoch": newest_epoch(folder), "half_written": written}


def newest_epoch(folder):
    """Returns the number of epochs that the newest whole checkpoint holds."""
    return max((int(path.stem.split("-")[1]) for path in folder.glob("epoch-*.npz")), default=0)


def half_written(folder):
    """Returns the names of files that are being written, or were."""
    return [path.name for path in folder.glob(".epoch-*.tmp*")]


def differences(first, second):
    """Returns the names of what differs between two run directories."""
    found = []
    for name in ("metrics.csv", "report.csv", "report.json"):
        if (first / name).read_bytes() != (second / name).read_bytes():
            found.append(name)
    if scored(first) != scored(second):
        found.append("occlusion.jsonl")
    if weights(first) != weights(second):
        found.append("model.keras")
    newest = [max((path / "checkpoints").glob("*.npz")) for path in (first, second)]
    if newest[0].name != newest[1].name or state(newest[0]) != state(newest[1]):
        found.append("checkpoints")
    return found


def state(path):
    """Returns the arrays of a checkpoint as bytes: the file itself holds times."""
    with np.load(path) as arrays:
        return {name: arrays[name].tobytes() for name in arrays}


def scored(directory):
    """Returns the lines of occlusion.jsonl without times."""
    lines = [json.loads(line) for line in (directory / "occlusion.jsonl").open()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def weights(directory):
    """Returns the weights of the model and the state of its optimizer as bytes, in their order."""
    import keras

    import keras_patchmix  # noqa: F401 - registers the layers of the model

    model = keras.models.load_model(directory / "model.keras")
    variables = [*model.weights, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]


def main(argv=None):
    """Runs the comparison; returns the exit status. Other flags are the recipe's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="(default: 10)")
    text = "fork processes from one that has imported TensorFlow, which saves its import each time"
    parser.add_argument("--fork", action="store_true", help=text)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    parser.add_argument("--epochs", type=int, default=16, metavar="N", help="(default: 16)")
    parser.add_argument("--directory", metavar="DIR", help="keep all files in this new directory")
    options, flags = parser.parse_known_args(argv)
    flags = [*flags, "--epochs", str(options.epochs)]
    if options.fork:
        import keras_patchmix.cli.train.command  # noqa: F401 - imports, and computes nothing

        global PROCESSES
        PROCESSES = multiprocessing.get_context("fork")
    rng = random.Random(options.seed)
    # Kept from the end, which a kill may be too late for.
    last = options.epochs - 1 - options.kills
    epochs = sorted(rng.randrange(0, max(last, 1)) for _ in range(options.kills))
    with tempfile.TemporaryDirectory() as place:
        root = Path(options.directory or place).absolute()
        root.mkdir(exist_ok=True)
        finish(write_inputs, root)
        finish(train, root, root / "undisturbed", flags, 0.0)
        kills = []
        for number, epoch in enumerate(epochs):
            writing, pause = number % 2 == 0, rng.uniform(0, 0.4)
            kill = kill_one(root, root / "killed", flags, epoch, writing, pause)
            print(f"kill {number + 1}: {json.dumps(kill)}", flush=True)
            kills.append(kill)
        finish(train, root, root / "killed", flags, 0.0)
        different = differences(root / "undisturbed", root / "killed")
        log = (root / "log.txt").read_text()
    done = [kill for kill in kills if kill["epoch"] is not None]
    result = {
        "kills": len(done),
        "while_writing": sum(bool(kill["half_written"]) for kill in done),
        "went_on": log.count("Going on after epoch"),
        "different": different,
    }
    print("RESULT " + json.dumps(result), flush=True)
    return int(bool(different) or len(done) < options.kills)


if __name__ == "__main__":
    sys.exit(main())
