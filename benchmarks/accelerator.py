"""Mixing, training steps, scoring and training on an accelerator, within eight minutes.

    python benchmarks/pack_images.py imagenette/160px-v2 images.zip --image-size 64 --data-dir DIR
    python benchmarks/accelerator.py --images images.zip --output DIR
    python benchmarks/accelerator.py --images images.zip --output DIR --small

The second command is for the machine with the accelerator. It needs JAX, Keras, NumPy, Pillow and
this package, and no TensorFlow. The parts, each in a process of its own:

- "mixing": PatchMixing, CutMix and MixUp inside `jax.jit`, against one pass over the batch;
- "torch": the same layers on PyTorch's tensors beside torchvision's and timm's, where these are;
- "steps": training steps of two models: no mixing, mixing on the device, mixing on the host;
- "scoring": `evaluate` and `c_rise` against bare forward passes of as many images;
- "training": a network trained without mixing, with CutMix and with Patch Mixing for equally many
  steps, then the first one hardened, each scored by the default suite; paired differences. The
  number of epochs follows from the time of a step, so that `--seeds` fit into the time.

A part has a limit of its own (`--limits`), and never more than is left of `--minutes`. At its limit
its process is ended by a timer of the operating system, which needs nothing of Python, so that a
compilation that takes too long, or a device that hangs, ends too. What a part has measured by then
is in DIR/PART.json, which is written after each measurement. `--small` makes every part small
enough for a CPU. The last line is RESULT and a JSON object of all parts.
"""

import argparse
import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from turns import print_result

# The most seconds of each part. Together they are more than the whole: "training" gets the rest.
LIMITS = {"mixing": 45, "torch": 20, "steps": 85, "scoring": 45, "training": 300}
LEAST = 5  # seconds, below which a part is not begun
GRACE = 3  # seconds between the end of a part's time and that of its process


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much each part measures.

    Attributes:
        mixing_shape: Shape of the batch that is mixed.
        chained: Times that a batch is mixed in one measurement, each result being the next input.
        rounds: Most measurements of each contestant.
        models: Names of the models whose steps are timed.
        image_size: Pixels a side of their images.
        batch_size: Images of a step and of a forward pass.
        steps: Steps of a measurement.
        scored: Images that `evaluate` is timed on.
        explained: Images that `c_rise` is timed on.
        masks: Masks of each.
        trained: Name of the model that is trained.
        train_batch: Images of its steps.
        learning_rate: Peak of its schedule.
        seeds: Most trainings of each kind.
        epochs: Most epochs of a training.
    """

    mixing_shape: tuple = (256, 224, 224, 3)
    chained: int = 8
    rounds: int = 50
    models: tuple = ("vit_small16", "convnext_tiny")
    image_size: int = 224
    batch_size: int = 128
    steps: int = 12
    scored: int = 128
    explained: int = 2
    masks: int = 256
    trained: str = "convnext_mini"
    train_batch: int = 64
    learning_rate: float = 3e-3
    seeds: int = 3
    epochs: int = 60


SMALL = Sizes(
    mixing_shape=(8, 32, 32, 3),
    chained=2,
    rounds=3,
    models=("vit_mini8",),
    image_size=32,
    batch_size=8,
    steps=4,
    scored=16,
    explained=2,
    masks=16,
    trained="vit_mini8",
    train_batch=32,
    learning_rate=1e-3,
    seeds=1,
    epochs=3,
)


class Clock:
    """The time of a part.

    Args:
        seconds: Seconds from now on.
    """

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def left(self):
        """Returns the seconds that are left."""
        return self._end - time.monotonic()

    def rounds(self, most, seconds):
        """Yields up to `most` numbers, for so many seconds, but two of them at least."""
        part = Clock(min(seconds, self.left()))
        for number in range(most):
            if number >= 2 and part.left() <= 0:
                return
            yield number


class Rows:
    """What a part has measured: a file, which is written again with each row.

    Args:
        path: The JSON file.
        part: Name of the part.
    """

    def __init__(self, path, part):
        self._path = Path(path)
        self.result = {"part": part, "rows": []}
        self._started = time.monotonic()
        self.write()

    def add(self, **row):
        """Adds a row, prints it, and writes the file."""
        self.result["rows"].append(row)
        print("  " + "  ".join(f"{key} {_text(value)}" for key, value in row.items()), flush=True)
        self.write()

    def write(self):
        """Writes the file, so that it is whole at any time."""
        self.result["seconds"] = round(time.monotonic() - self._started, 1)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self.result, indent=1) + "\n")
        os.replace(new, self._path)


def _text(value):
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(one)}" for key, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def measure(options):
    """Measures one part, in the process that is there for it."""
    signal.alarm(int(options.seconds) + GRACE)
    clock = Clock(options.seconds)
    os.environ["KERAS_BACKEND"] = "torch" if options.part == "torch" else "jax"
    rows = Rows(options.output / f"{options.part}.json", options.part)
    module = importlib.import_module(f"accelerator_{options.part}")
    rows.result |= device_of(options.part)
    module.measure(sizes_of(options), rows, clock, options)
    rows.write()


def device_of(part):
    """Returns the device that a part runs on, and the versions of what it needs."""
    packages = {"keras", "numpy"}
    if part == "torch":
        import torch

        packages |= {"torch"} | {name for name in ("torchvision", "timm") if find_spec(name)}
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    else:
        import jax

        packages |= {"jax", "jaxlib"}
        device = jax.devices()[0].device_kind
    return {"device": device, "versions": {name: version(name) for name in sorted(packages)}}


def sizes_of(options):
    """Returns the `Sizes` that the options ask for."""
    sizes = SMALL if options.small else Sizes()
    given = {
        name: getattr(options, name)
        for name in ("trained", "learning_rate", "seeds", "epochs")
        if getattr(options, name) is not None
    }
    return dataclasses.replace(sizes, **given)


def run_part(part, seconds, arguments):
    """Runs a process for a part; returns how it ended."""
    command = [sys.executable, __file__, *arguments, "--part", part, "--seconds", f"{seconds:.1f}"]
    process = subprocess.Popen(command)
    try:
        status = process.wait(seconds + 2 * GRACE)
    except subprocess.TimeoutExpired:
        status = -signal.SIGALRM
    finally:
        process.kill()  # also where this process is interrupted
    if status == -signal.SIGALRM:
        return "ended at its limit"
    return "done" if status == 0 else f"failed with status {status}"


def run(options, arguments):
    """Runs all parts; returns what they have measured."""
    clock = Clock(60 * options.minutes - 2 * GRACE)
    limits = LIMITS | dict(options.limits)
    result = {"small": options.small, "cores": os.cpu_count(), "parts": {}}
    options.output.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        file = options.output / f"{part}.json"
        file.unlink(missing_ok=True)
        seconds = min(limits[part], clock.left() - 2 * GRACE)
        started = time.monotonic()
        if part == "training" and options.images is None:
            outcome = "not run: needs --images"
        elif seconds < LEAST:
            outcome = "not run: no time was left"
        else:
            print(f"{part}, at most {seconds:.0f} s", flush=True)
            outcome = run_part(part, seconds, arguments)
        measured = json.loads(file.read_text()) if file.exists() else {}
        result["parts"][part] = {**measured, "outcome": outcome}
        print(f"{part}: {outcome} after {time.monotonic() - started:.0f} s", flush=True)
    return result


def _limit(text):
    part, _, seconds = text.partition("=")
    if part not in LIMITS or not seconds.isdigit():
        raise argparse.ArgumentTypeError(
            f"must be PART=SECONDS, the part one of {list(LIMITS)}. Received: {text!r}"
        )
    return part, int(seconds)


def main():
    """Runs the parts, or one of them in a process for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, metavar="FILE", help="of pack_images.py")
    parser.add_argument("--output", type=Path, default=Path("runs/accelerator"), metavar="DIR")
    parser.add_argument("--minutes", type=float, default=8, metavar="N", help="of all parts")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS), metavar="PART")
    parser.add_argument(
        "--limits", nargs="+", type=_limit, default=[], metavar="PART=S", help="most seconds"
    )
    parser.add_argument("--small", action="store_true", help="sizes for a CPU")
    parser.add_argument("--trained", metavar="NAME", help="model of the part training")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="of its training")
    parser.add_argument("--seeds", type=int, metavar="N", help="most trainings of each kind")
    parser.add_argument("--epochs", type=int, metavar="N", help="most epochs of a training")
    parser.add_argument("--part", choices=LIMITS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        measure(options)
    else:
        print_result(run(options, sys.argv[1:]), options.output / "accelerator.json")


if __name__ == "__main__":
    main()
