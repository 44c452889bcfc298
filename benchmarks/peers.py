"""Patch Mixing beside its peers, a table of which every cell is measured in the run.

    python benchmarks/peers.py
    python benchmarks/peers.py --torch-python PATH --json peers.json --markdown docs/peers.md

Columns: PatchMixing, CutMix and MixUp of this package, CutMix and MixUp of keras and of keras_cv,
timm's Mixup (as CutMix) and torchvision's v2.CutMix. The last two are measured by this script in
another process, run by the interpreter `--torch-python`, which needs PyTorch and timm or
torchvision, and neither Keras nor TensorFlow. Without it, or where a package is missing, the column
says "not measured". A case that raises becomes a cell with the first line of the error.

Labels are not smoothed; other arguments are the defaults, unless `ROWS` says otherwise. The last
line printed is RESULT and a JSON object.
"""

import argparse
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from peer_layers import keras_peers, keras_turns, torch_peers, torch_turns
from peer_measures import COMMON, OWN, digest_of_run, guarded
from peer_table import Cell, as_markdown, write_markdown
from turns import take_turns

PACKAGES = ("keras-patchmix", "keras", "tensorflow", "keras-cv", "torch", "timm", "torchvision")


def speeds(peers, make_turns, dtype, options):
    """Cells of images/s and of time over the copy's, for each peer; and copies' times as text."""
    size = options.image_size
    turns = make_turns(peers, dtype, (options.batch_size, size, size, 3), options.batches)
    times = take_turns(turns, range(options.repeats))
    cells = {}
    for peer in peers:
        rate = options.batch_size / np.median(times[peer.name])
        low, ratio, high = np.quantile(times[peer.name] / times["copy"], [0.25, 0.5, 0.75])
        text = f"{rate:,.0f}; {ratio:.2f} copies ({low:.2f}..{high:.2f})"
        cells[peer.name] = Cell(text, -round(float(ratio), 2))
    copies = [f"{n} {1e3 * np.median(t):.1f} ms" for n, t in times.items() if n not in cells]
    return cells, f"{options.framework}, {dtype}: {', '.join(copies)}"


def versions():
    """Versions of the packages that are installed here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def digests_of_new_processes(framework):
    """The digest of every peer's sequential batches, by each of two new processes."""
    command = [sys.executable, __file__, "--framework", framework, "--digests"]
    runs = []
    for _ in range(2):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return runs


def measure_framework(options):
    """All cells of the peers of one framework, with versions and the times of the copies."""
    with_torch = options.framework == "torch"
    peers = torch_peers() if with_torch else keras_peers()
    if options.digests:
        return {p.name: guarded(lambda p=p: Cell(digest_of_run(p), 1)) for p in peers}
    table = {peer.name: {} for peer in peers}
    processes = digests_of_new_processes(options.framework)
    for peer in peers:
        print(f"measuring {peer.name}", file=sys.stderr, flush=True)
        cells = table[peer.name]
        for measure in COMMON:
            cells[measure.__name__] = guarded(functools.partial(measure, peer))
        for row in OWN:
            cells[row] = guarded(getattr(peer, row))
        first, second = (Cell(*run[peer.name]) for run in processes)
        equal = first == second
        raised = first.score != 1
        cells["processes"] = first if raised else Cell("yes" if equal else "no", equal)
    copies = []
    for dtype in ("float32", "uint8"):
        turns = torch_turns if with_torch else keras_turns
        cells, text = speeds(peers, turns, dtype, options)
        copies.append(text)
        for name, cell in cells.items():
            table[name][f"speed_{dtype}"] = cell
    return {"versions": versions(), "table": table, "copies": copies}


def measure_torch(options):
    """What the same script finds in the environment of `--torch-python`."""
    command = [options.torch_python, __file__, "--framework", "torch"]
    for name in ("batch_size", "image_size", "batches", "repeats"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1].removeprefix("RESULT "))
    found = {name: result[name] for name in ("versions", "table", "copies")}
    found["versions"]["python (PyTorch)"] = found["versions"].pop("python")
    return found


def main():
    """Measures all peers and prints the table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch-python", metavar="PATH", help="interpreter that has PyTorch")
    parser.add_argument("--markdown", metavar="FILE", help="put the table into this page")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batches", type=int, default=6, help="of a turn")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each, for the speed")
    parser.add_argument(
        "--framework", choices=["tensorflow", "torch"], default="tensorflow", help="of this process"
    )
    parser.add_argument("--digests", action="store_true", help="print only digests of batches")
    options = parser.parse_args()

    others = measure_torch(options) if options.torch_python else {}
    result = measure_framework(options)
    if options.digests:
        print(json.dumps(result))
        return
    for name, values in others.items():
        result[name] = [*result[name], *values] if name == "copies" else {**values, **result[name]}
    result |= {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count()}
    result["processor"] = platform.machine()
    if options.framework == "tensorflow":
        text = as_markdown(result)
        print(text)
        if options.markdown:
            write_markdown(options.markdown, text)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
