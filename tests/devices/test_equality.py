"""Several devices, and two worker processes, against one device with the same batch.

All runs are processes of their own: on TensorFlow two logical CPUs, and two workers of one; on JAX
eight virtual CPUs, and two hosts of two.
"""

import json
import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.devices import worker

pytestmark = pytest.mark.slow
TIMEOUT = 600
KINDS = ("several devices", "worker 0", "worker 1")
STRATEGIES = {
    "tensorflow": {"several": ("mirrored", 2), "workers": ("multiworker", 2)},
    "jax": {"several": ("data_parallel", 8), "workers": ("data_parallel", 4)},
}
TOLERANCE = {"tensorflow": 1e-6, "jax": 1e-5}


class free_ports:
    """Holds so many free ports of this machine until the end of the block."""

    def __init__(self, count):
        self.sockets = [socket.socket() for _ in range(count)]

    def __enter__(self):
        for one in self.sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in self.sockets]

    def __exit__(self, *_):
        for one in self.sockets:
            one.close()


def cluster(backend, index, ports, devices=2):
    """The environment variables of one of two workers."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    if backend == "tensorflow":
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        return {"TF_CONFIG": json.dumps(task)}
    return {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(addresses),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
    }


def start(backend, name, directory, own, **variables):
    own.mkdir(parents=True, exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TF_CONFIG", "XLA_FLAGS") and not name.startswith("KERAS_")
    }
    environment |= {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1", **variables}
    with (own / "output").open("w") as output:  # not a pipe, which would fill up
        return subprocess.Popen(
            [sys.executable, "-m", "tests.devices.worker", name, str(directory), str(own)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=Path(__file__).parents[2],
        )


@pytest.fixture(scope="module", params=list(STRATEGIES))
def found(request, tmp_path_factory):
    """What each kind of run found, a dict from its name, beside the directory of each."""
    backend = request.param
    for package in {"tensorflow", backend}:
        if find_spec(package) is None:
            pytest.skip(f"needs {package}")
    root = tmp_path_factory.mktemp(backend)
    own = {kind: root / kind.replace(" ", "-") for kind in ("one device", *KINDS)}
    strategies = STRATEGIES[backend]
    several, workers = (strategies[key][0] for key in ("several", "workers"))
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"} if backend == "jax" else {}
    with free_ports(2) as ports:
        clusters = [cluster(backend, index, ports) for index in range(2)]
    processes = {
        "one device": start(backend, "cpu", root / "one", own["one device"]),
        "several devices": start(backend, several, root / "alone", own["several devices"], **flags),
    }
    for index in range(2):
        kind = f"worker {index}"
        processes[kind] = start(backend, workers, root / "shared", own[kind], **clusters[index])
    try:
        for kind, process in processes.items():
            status = process.wait(timeout=TIMEOUT)
            assert status == 0, (own[kind] / "output").read_text()[-4000:]
    finally:
        for process in processes.values():
            process.kill()
    results = {"backend": backend, "own": own}
    for kind, folder in own.items():
        with np.load(folder / "found.npz") as file:
            results[kind] = {name: file[name] for name in file}
    return results


def of_tensorflow(found):
    if found["backend"] != "tensorflow":
        pytest.skip("of tf.distribute, whose replicas see their own rows alone")


def of_jax(found):
    if found["backend"] != "jax":
        pytest.skip("of JAX, which sees the whole batch")


def test_the_runs_are_what_they_are_called(found):
    strategies = STRATEGIES[found["backend"]]
    name, devices = strategies["several"]
    assert str(found["several devices"]["strategy"]) == (
        f"Strategy('{name}', num_replicas={devices}, worker 0 of 1)"
    )
    name, devices = strategies["workers"]
    for index in range(2):
        expected = f"Strategy('{name}', num_replicas={devices}, worker {index} of 2)"
        assert str(found[f"worker {index}"]["strategy"]) == expected


def test_both_workers_end_with_identical_weights(found):
    mixed = {"tensorflow": "mixed_weights", "jax": "weights_in_pipeline"}
    for name in ("weights", "momentum", mixed[found["backend"]]):
        np.testing.assert_array_equal(found["worker 0"][name], found["worker 1"][name])


@pytest.mark.parametrize("kind", KINDS)
def test_training_with_clipped_gradients_equals_that_on_one_device(found, kind):
    expected, got = found["one device"], found[kind]
    assert np.abs(expected["weights"] - expected["start"]).max() > 0.01, "nothing was learned"
    tolerance = TOLERANCE[found["backend"]]
    for name in ("weights", "momentum"):
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_metrics_and_validation_are_those_of_one_device(found, kind):
    expected = json.loads(str(found["one device"]["history"]))
    got = json.loads(str(found[kind]["history"]))
    assert list(got) == list(expected)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        tolerance = 2 * TOLERANCE[found["backend"]]
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=tolerance, err_msg=name)
    assert len(set(expected["loss"])) == worker.EPOCHS


@pytest.mark.parametrize("kind", KINDS)
def test_the_occlusion_callback_gives_the_numbers_of_one_device(found, kind):
    expected = json.loads(str(found["one device"]["history"]))
    got = json.loads(str(found[kind]["history"]))
    names = [name for name in expected if "occlusion" in name or "patch" in name]
    assert len(names) == 6
    assert {name: got[name] for name in names} == {name: expected[name] for name in names}
    report = json.loads(str(found[kind]["report"]))
    assert report == json.loads(str(found["one device"]["report"]))
    assert report["settings"]["n"] == worker.SCORED
    assert len({row["top1"] for row in report["rows"]}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_batches_than_workers_are_scored_too(found, kind):
    assert json.loads(str(found[kind]["few"])) == json.loads(str(found["one device"]["few"]))


def test_an_error_on_one_worker_is_raised_on_all(found):
    assert str(found["one device"]["error"]) == "OSError: a broken disk"
    assert str(found["worker 1"]["error"]) == "OSError: a broken disk"
    assert str(found["worker 0"]["error"]).startswith("RuntimeError: 1 of the 2 workers")


def test_workers_keep_no_backup(found):
    assert str(found["several devices"]["backup_error"]) == "none"
    for kind in ("worker 0", "worker 1"):
        assert str(found[kind]["backup_error"]).startswith("ValueError: `backup` must be None")


def test_only_the_chief_writes_files(found):
    assert [bool(found[kind]["chief"]) for kind in KINDS] == [True, True, False]
    written = {kind: sorted(p.name for p in found["own"][kind].rglob("*")) for kind in KINDS}
    assert written["worker 1"] == ["found.npz", "output"]
    assert "occlusion.jsonl" in written["worker 0"]
    lines = (found["own"]["worker 0"] / "occlusion" / "occlusion.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(worker.EPOCHS))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_a_plain_model_with_its_optimizer(found, kind):
    result = found[kind]
    assert str(result["class_in_file"]) == "Functional"
    np.testing.assert_array_equal(result["loaded"], result["weights"])
    np.testing.assert_array_equal(result["loaded_momentum"], result["momentum"])


@pytest.mark.parametrize("kind", ["several devices", "worker 0"])
def test_every_replica_mixes_every_step_with_a_plan_of_its_own(found, kind):
    of_tensorflow(found)
    seen = found[kind]["plans_on_device"]
    assert seen.shape == (worker.STEPS, 2, worker.BATCH // 2, worker.CLASSES)
    plans = seen.reshape(-1, *seen.shape[2:])
    for i in range(len(plans)):
        for j in range(i):
            assert np.abs(plans[i] - plans[j]).max() > 0.01, f"plans {j} and {i} are the same"


def test_the_plans_of_replicas_are_those_of_another_run(found):
    of_tensorflow(found)
    first, second = (found[kind]["plans_on_device"] for kind in ("several devices", "worker 0"))
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)


def test_labels_are_those_of_the_pixels_on_every_replica(found):
    of_tensorflow(found)
    seen = json.loads(str(found["several devices"]["spied"]))
    assert sorted(seen) == [f"{step} {replica}" for step in range(4) for replica in range(2)]
    labels = [np.array(y) for _, y in seen.values()]
    for (means, _), y in zip(seen.values(), labels, strict=True):
        np.testing.assert_allclose(means, y @ np.arange(8), atol=1e-5)
        assert (y.max(axis=-1) < 1).mean() > 0.7, "mixed"
    for i in range(len(labels)):
        for j in range(i):
            assert (labels[i] != labels[j]).any(), f"plans {j} and {i} are the same"


def test_workers_mix_with_plans_of_their_own_in_the_pipeline(found):
    of_tensorflow(found)
    plans = [found[kind]["plans_in_pipeline"] for kind in ("worker 0", "worker 1")]
    assert np.abs(plans[0] - plans[1]).max() > 0.01


@pytest.mark.parametrize("kind", ["one device", *KINDS])
def test_an_overflow_on_one_replica_stops_the_step_on_all(found, kind):
    of_tensorflow(found)
    assert bool(found[kind]["untouched"])
    assert float(found[kind]["scale"]) == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_mixing_on_the_device_is_that_of_one_device(found, kind):
    of_jax(found)
    expected, got = found["one device"], found[kind]
    labels = expected["labels_on_device"]
    assert (labels.max(-1) < 1).mean() > 0.3, "mixed"
    assert all((labels[i] != labels[j]).any() for i in range(len(labels)) for j in range(i))
    np.testing.assert_allclose(got["labels_on_device"], labels, rtol=0, atol=1e-6)
    np.testing.assert_allclose(got["loss_on_device"], expected["loss_on_device"], rtol=0, atol=1e-5)


def test_eight_devices_mix_in_the_pipeline_as_one(found):
    of_jax(found)
    expected, got = found["one device"], found["several devices"]
    for name in ("weights_in_pipeline", "loss_in_pipeline"):
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=1e-5)


def test_hosts_mix_with_plans_of_their_own_by_the_same_law(found):
    of_jax(found)
    one, *workers = (
        found[kind]["labels_in_pipeline"] for kind in ("one device", "worker 0", "worker 1")
    )
    assert [len(rows[0]) for rows in (one, *workers)] == [8, 4, 4]
    assert (workers[0] != workers[1]).any()
    # The sum of squares of a row of labels is 1 where nothing is mixed.
    together = np.concatenate(workers, axis=1)
    squares = [(rows**2).sum(-1).reshape(-1) for rows in (one, together)]
    error = np.hypot(*(np.std(values) / np.sqrt(len(values)) for values in squares))
    assert len(squares[0]) == 320
    assert abs(squares[0].mean() - squares[1].mean()) < 4 * error
    np.testing.assert_allclose(one.mean((0, 1)), together.mean((0, 1)), atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_curves_of_mixed_trainings_are_close(found, kind):
    of_jax(found)
    expected, got = (found[one]["loss_in_pipeline"] for one in ("one device", kind))
    assert expected[-1] < expected[0] - 0.02, "it learns"
    np.testing.assert_allclose(got, expected, rtol=0, atol=0.1)


@pytest.mark.parametrize("kind", ["one device", *KINDS])
def test_the_devices_of_a_host_share_what_it_scores(found, kind):
    of_jax(found)
    rows = {"one device": [8], "several devices": [1] * 8, "worker 0": [4, 4], "worker 1": [4, 4]}
    assert found[kind]["rows_by_device"].tolist() == rows[kind]
    expected = found["one device"]["scores"]
    assert expected.shape == (5, worker.CLASSES)
    np.testing.assert_allclose(found[kind]["scores"], expected, rtol=0, atol=1e-6)
