"""Two worker processes, and two devices of one process, against one device with the same batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow")
if keras.config.backend() != "tensorflow":
    pytest.skip("tf.distribute", allow_module_level=True)

from keras_patchmix.devices import multiworker
from keras_patchmix.devices.strategies import Strategy
from tests.devices import worker

pytestmark = pytest.mark.slow
TIMEOUT = 300
KINDS = ("mirrored", "worker 0", "worker 1")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each kind of run found, a dict from its name, beside the directory of each."""
    root = tmp_path_factory.mktemp("runs")
    own = {kind: root / kind.replace(" ", "-") for kind in KINDS}
    processes = [start("mirrored", root / "alone", own["mirrored"])]
    with free_ports(2) as ports:
        addresses = [f"127.0.0.1:{port}" for port in ports]
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes.append(start("multiworker", root / "shared", own[f"worker {index}"], task))
    try:
        results = {"one device": worker.run(Strategy("cpu"), root / "one", root / "one")}
        outputs = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-4000:]
    for kind, folder in own.items():
        with np.load(folder / "found.npz") as file:
            results[kind] = {name: file[name] for name in file}
    return {**results, "own": own}


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


def start(name, directory, own, task=None):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("TF_CONFIG", None)
    if task is not None:
        environment["TF_CONFIG"] = json.dumps(task)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.devices.worker", name, str(directory), str(own)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


def test_the_runs_are_what_they_are_called(found):
    assert str(found["mirrored"]["strategy"]) == (
        "Strategy('mirrored', num_replicas=2, worker 0 of 1)"
    )
    for index in range(2):
        expected = f"Strategy('multiworker', num_replicas=2, worker {index} of 2)"
        assert str(found[f"worker {index}"]["strategy"]) == expected


def test_both_workers_end_with_identical_weights(found):
    for name in ("weights", "momentum", "mixed_weights"):
        np.testing.assert_array_equal(found["worker 0"][name], found["worker 1"][name])


@pytest.mark.parametrize("kind", KINDS)
def test_training_with_clipped_gradients_equals_that_on_one_device(found, kind):
    expected, got = found["one device"], found[kind]
    start = worker.weights_of(worker.make_model())
    assert np.abs(expected["weights"] - start).max() > 0.01, "nothing was learnt"
    for name in ("weights", "momentum"):
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_metrics_and_validation_are_those_of_one_device(found, kind):
    expected = json.loads(str(found["one device"]["history"]))
    got = json.loads(str(found[kind]["history"]))
    assert list(got) == list(expected)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=2e-6, err_msg=name)
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
    assert str(found["mirrored"]["backup_error"]) == "none"
    for kind in ("worker 0", "worker 1"):
        assert str(found[kind]["backup_error"]).startswith("ValueError: `backup` must be None")


def test_only_the_chief_writes_files(found):
    assert [bool(found[kind]["chief"]) for kind in KINDS] == [True, True, False]
    written = {kind: sorted(p.name for p in found["own"][kind].rglob("*")) for kind in KINDS}
    assert written["worker 1"] == ["found.npz"]
    assert "occlusion.jsonl" in written["worker 0"]
    lines = (found["own"]["worker 0"] / "occlusion" / "occlusion.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(worker.EPOCHS))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_a_plain_model_with_its_optimizer(found, kind):
    result = found[kind]
    assert str(result["class_in_file"]) == "Functional"
    np.testing.assert_array_equal(result["loaded"], result["weights"])
    np.testing.assert_array_equal(result["loaded_momentum"], result["momentum"])


@pytest.mark.parametrize("kind", ["mirrored", "worker 0"])
def test_every_replica_mixes_every_step_with_a_plan_of_its_own(found, kind):
    seen = found[kind]["plans_on_device"]
    assert seen.shape == (worker.STEPS, 2, worker.BATCH // 2, worker.CLASSES)
    plans = seen.reshape(-1, *seen.shape[2:])
    for i in range(len(plans)):
        for j in range(i):
            assert np.abs(plans[i] - plans[j]).max() > 0.01, f"plans {j} and {i} are the same"


def test_the_plans_of_replicas_are_those_of_another_run(found):
    first, second = (found[kind]["plans_on_device"] for kind in ("mirrored", "worker 0"))
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)


def test_labels_are_those_of_the_pixels_on_every_replica(found):
    seen = json.loads(str(found["mirrored"]["spied"]))
    assert sorted(seen) == [f"{step} {replica}" for step in range(4) for replica in range(2)]
    labels = [np.array(y) for _, y in seen.values()]
    for (means, _), y in zip(seen.values(), labels, strict=True):
        np.testing.assert_allclose(means, y @ np.arange(8), atol=1e-5)
        assert (y.max(axis=-1) < 1).mean() > 0.7, "mixed"
    for i in range(len(labels)):
        for j in range(i):
            assert (labels[i] != labels[j]).any(), f"plans {j} and {i} are the same"


def test_workers_mix_with_plans_of_their_own_in_the_pipeline(found):
    plans = [found[kind]["plans_in_pipeline"] for kind in ("worker 0", "worker 1")]
    assert np.abs(plans[0] - plans[1]).max() > 0.01


@pytest.mark.parametrize("kind", ["one device", *KINDS])
def test_an_overflow_on_one_replica_stops_the_step_on_all(found, kind):
    assert bool(found[kind]["untouched"])
    assert float(found[kind]["scale"]) == 0.5


@pytest.fixture
def model():
    model = worker.compile_model(worker.make_model(), keras.optimizers.SGD(0.1))
    return model


def test_a_keras_that_was_not_tried_is_named_in_a_warning(model, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.99.0")
    with pytest.warns(UserWarning, match=r"not tried with Keras 3\.99\.0"):
        multiworker.make_multiworker_fit(model, None)


def test_a_keras_without_the_methods_is_refused(model, monkeypatch):
    monkeypatch.setattr(multiworker, "_TRAINER_METHODS", ("_make_function", "_gone"))
    with pytest.raises(RuntimeError, match=r"does not have: _gone"):
        multiworker.make_multiworker_fit(model, None)


def test_the_corrections_are_put_on_once(model):
    multiworker.make_multiworker_fit(model, None)
    first = model._make_function
    assert multiworker.make_multiworker_fit(model, None)._make_function is first


def test_values_of_any_shape_come_out_as_they_went_in():
    seen = []

    def own(step):
        def function(data):
            out = step(data)
            seen.append({name: value.shape.as_list() for name, value in out.items()})
            return out

        return function

    step = multiworker._ScalarsAsVectors(own)(
        lambda data: {"loss": keras.ops.sum(data), "each": keras.ops.ones((2, 3))}
    )
    out = step(keras.ops.arange(4.0))
    assert seen == [{"loss": [1], "each": [2, 3]}]
    assert float(out["loss"]) == 6
    assert out["loss"].shape == ()
    assert out["each"].shape == (2, 3)
