"""The training command on two hosts under JAX: one is killed, and all are started again."""

import csv
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kill_test import write_inputs
from keras_patchmix.occlusion import Report
from tests.devices.test_equality import cluster, free_ports

pytestmark = pytest.mark.slow
TIMEOUT = 600
FLAGS = """--dataset folder:photos --init start.keras --epochs 3 --steps-per-epoch 4 --batch-size 8
    --mixing none --warmup-epochs 0 --occlusion-examples 6 --test-examples 12""".split()


def start(root, output, variables):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("TF_CONFIG", "XLA_FLAGS")
    }
    environment |= {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **variables,
    }
    command = [sys.executable, "-m", "keras_patchmix", "train", *FLAGS, "--output", output]
    with (root / f"{output}.txt").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=root)


def start_hosts(root, output):
    with free_ports(2) as ports:
        clusters = [cluster("jax", index, ports, devices=1) for index in range(2)]
    return [start(root, output, variables) for variables in clusters]


def wait(root, output, processes):
    try:
        for process in processes:
            assert process.wait(TIMEOUT) == 0, (root / f"{output}.txt").read_text()[-4000:]
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three runs: on one device, on two hosts, and on two of which one was killed."""
    for package in ("jax", "tensorflow"):
        if find_spec(package) is None:
            pytest.skip(f"needs {package}")
    root = tmp_path_factory.mktemp("hosts")
    write_inputs(root)
    one = start(root, "one", {})
    wait(root, "whole", start_hosts(root, "whole"))
    wait(root, "one", [one])
    processes = start_hosts(root, "killed")
    end = time.monotonic() + TIMEOUT
    while not (root / "killed" / "checkpoints" / "epoch-000001.npz").exists():
        assert time.monotonic() < end, (root / "killed.txt").read_text()[-4000:]
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGKILL)
    time.sleep(1)
    assert not (root / "killed" / "model.keras").exists()
    for process in processes:  # the other one would wait for it, and abort after a while
        process.kill()
        process.wait()
    wait(root, "killed", start_hosts(root, "killed"))
    return root


def rows(root, output):
    with (root / output / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_hosts_that_go_on_end_in_the_weights_of_an_undisturbed_run(root):
    import keras

    assert "Going on after epoch" in (root / "killed.txt").read_text()
    first, second = (
        keras.models.load_model(root / output / "model.keras") for output in ("whole", "killed")
    )
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert rows(root, "whole") == rows(root, "killed")


def test_curves_of_two_hosts_are_near_those_of_one_device(root):
    one, whole = rows(root, "one"), rows(root, "whole")
    assert [list(row) for row in whole] == [list(row) for row in one]
    for row, other in zip(one, whole, strict=True):
        # AdamW makes steps of full length of the rounding of gradients near 0.
        for name in ("loss", "val_loss"):
            assert float(other[name]) == pytest.approx(float(row[name]), abs=2e-3), name


def test_the_report_of_two_hosts_is_whole(root):
    one, whole = (Report.load(root / output / "report.json") for output in ("one", "whole"))
    assert whole.settings["n"] == one.settings["n"] > 4
    assert [row.name for row in whole.rows] == [row.name for row in one.rows]
    np.testing.assert_array_equal(whole.outcomes.index, one.outcomes.index)
    files = [{path.name for path in (root / output).iterdir()} for output in ("one", "whole")]
    assert files[0] == files[1]
