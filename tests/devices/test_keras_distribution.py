"""Data parallelism on JAX in small: names, clusters, sums, and eight virtual CPUs that score."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

if keras.config.backend() != "jax":
    pytest.skip("keras.distribution on JAX", allow_module_level=True)

import jax

from keras_patchmix.datasets import load_for_scoring
from keras_patchmix.devices import keras_distribution
from keras_patchmix.devices.strategies import open_strategy
from keras_patchmix.devices.workers import JaxWorkers, workers_of
from keras_patchmix.occlusion import PatchDrop, Report, evaluate, serialize


@pytest.fixture
def no_cluster(monkeypatch):
    """No distribution is left behind, and no variable names a cluster."""
    for variable in keras_distribution.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    yield
    keras.distribution.set_distribution(None)


def test_one_device_needs_no_strategy(no_cluster):
    assert repr(open_strategy("auto")) == "Strategy('cpu', num_replicas=1, worker 0 of 1)"
    assert repr(open_strategy("cpu")) == "Strategy('cpu', num_replicas=1, worker 0 of 1)"
    assert keras.distribution.distribution() is None


def test_data_parallelism_is_set_for_the_program(no_cluster):
    strategy = open_strategy("data_parallel")
    assert repr(strategy) == "Strategy('data_parallel', num_replicas=1, worker 0 of 1)"
    assert isinstance(keras.distribution.distribution(), keras.distribution.DataParallel)
    assert strategy.local_batches(8).size == 8
    strategy.barrier("alone")


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_cluster_that_variables_name_must_come_up(no_cluster, monkeypatch, error):
    def initialize():
        raise error("no port")

    monkeypatch.setattr(keras.distribution, "initialize", initialize)
    assert open_strategy("auto").num_workers == 1
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    with pytest.raises(RuntimeError, match=r"NUM_PROCESSES': '2'\}, with which JAX says: no port"):
        open_strategy("auto")


def test_hosts_that_do_not_come_are_an_error_without_variables_too(no_cluster, monkeypatch):
    def initialize():
        raise jax.errors.JaxRuntimeError("the others did not come")

    monkeypatch.setattr(keras.distribution, "initialize", initialize)
    with pytest.raises(jax.errors.JaxRuntimeError):
        open_strategy("auto")


def test_sums_are_of_64_bits():
    numbers = np.array([[2**40 + 1, -3], [7, 2**62]])
    np.testing.assert_array_equal(JaxWorkers().sum(numbers), numbers)
    assert JaxWorkers().sum([True, False]).tolist() == [1, 0]


def test_a_model_of_this_process_has_no_other_workers():
    assert workers_of(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])).count == 1
    assert workers_of(len).count == 1


SCORES = """
import json
import keras, numpy as np
import keras_patchmix as kpm
from keras_patchmix.devices.strategies import open_strategy, scoring_scope
from keras_patchmix.scoring.forward import forward_function

def make_model():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]
    return keras.Sequential(layers)

rng = np.random.default_rng(0)
images, labels = rng.uniform(0, 255, (21, 8, 8, 3)).astype("float32"), np.arange(21) % 4
suite = [kpm.occlusion.PatchDrop(4, (0.25, 0.5))]
alone = make_model()
expected = kpm.occlusion.evaluate(alone, images, labels, suite, batch_size=6)
scores = np.asarray(forward_function(alone)(images))
with scoring_scope():
    loaded = make_model()
left = keras.distribution.distribution()
strategy = open_strategy("auto")
model = make_model()
report = kpm.occlusion.evaluate(model, images, labels, suite, batch_size=6, share=True)
forward = forward_function(model)
print("SEEN", json.dumps({
    "strategy": repr(strategy),
    "rows_by_device": [len(shard.data) for shard in forward(images[:16]).addressable_shards],
    "replicated": forward(images[:16]).is_fully_replicated,
    "difference": float(np.abs(np.asarray(forward(images)) - scores).max()),
    "rows": len(np.asarray(forward(images))),
    "same_report": report.rows == expected.rows,
    "loaded": len(forward_function(loaded)(images[:16]).addressable_shards),
    "left": left,
}))
"""


def seen_on_devices(program, count, *arguments):
    """What a program says that runs on some virtual devices."""
    flags = f"--xla_force_host_platform_device_count={count}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    process = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.rpartition("SEEN")[2])


def test_eight_devices_share_what_is_scored_and_report_what_one_does():
    seen = seen_on_devices(SCORES, 8)
    assert seen.pop("difference") < 1e-4
    assert seen == {
        "strategy": "Strategy('data_parallel', num_replicas=8, worker 0 of 1)",
        "rows_by_device": [2] * 8,
        "replicated": False,
        "rows": 21,
        "same_report": True,
        "loaded": 8,
        "left": None,
    }


COMMANDS = """
import json, sys
import keras
from keras_patchmix.cli.main import main
from keras_patchmix.scoring import forward

directory, devices = sys.argv[1], set()
divided = forward.Divided

def seeing(images, values):
    found = divided(images, values)
    sharding = getattr(found.images, "sharding", None)
    devices.add(1 if sharding is None else len(sharding.device_set))
    return found

forward.Divided = seeing
model = ["--model", f"{directory}/model.keras", "--dataset", "shapes", "--split", "test"]
model += ["--batch-size", "4", "--output"]
score = ["--max-examples", "10", "--suite", f"{directory}/suite.json"]
explain = "--max-examples 2 --num-masks 8 --grid-size 2 --figures 1".split()
statuses = [main(["score", *model, f"{directory}/a", *score])]
statuses.append(main(["explain", *model, f"{directory}/b", *explain]))
left = keras.distribution.distribution() is not None
print("SEEN", json.dumps({"statuses": statuses, "devices": sorted(devices), "left": left}))
"""


@pytest.mark.slow
def test_the_commands_score_and_explain_on_all_devices_of_the_process(tmp_path):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.save(tmp_path / "model.keras")
    suite = [PatchDrop(4, 0.5)]
    (tmp_path / "suite.json").write_text(json.dumps(serialize(suite)))
    seen = seen_on_devices(COMMANDS, 2, tmp_path)
    assert seen == {"statuses": [0, 0], "devices": [2], "left": False}
    data = load_for_scoring("shapes", split="test")
    alone = evaluate(model, data, suite=suite, max_examples=10, batch_size=4)
    assert Report.load(tmp_path / "a").rows == alone.rows
