"""TensorFlow's ways to train, with the callback in `fit`."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark, SelectivityBenchmark
from keras_patchmix.devices.workers import is_chief
from keras_patchmix.occlusion import PatchReplacement, evaluate
from tests.arrays import BACKEND
from tests.callbacks.runs import (
    NAMES,
    SIZE,
    SUITE,
    K,
    assert_same_state,
    benchmark,
    compile_model,
    compiled_model,
    data,
    drive,
    fit,
    val_data,
)

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's trainer")


class Subclassed(keras.Model):
    """Has no graph of its own, and is not built before it is called."""

    def __init__(self):
        super().__init__()
        self.convolution = keras.layers.Conv2D(6, 4, 4, activation="relu")
        self.pool = keras.layers.GlobalAveragePooling2D()
        self.top = keras.layers.Dense(K)

    def call(self, x):
        x = keras.ops.cast(x, self.compute_dtype) / 255
        return self.top(self.pool(self.convolution(x)))


def made(way):
    """A model, compiled in one of the ways that TensorFlow's trainer has."""
    if way == "jit_compile":
        return compiled_model(regular=False, jit_compile=True, run_eagerly=False)
    if way == "subclassed":
        keras.utils.set_random_seed(3)
        model = Subclassed()
        compile_model(model, run_eagerly=False)
        return model
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(way)
        return compiled_model(run_eagerly=False)
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("way", ["jit_compile", "subclassed", "mixed_float16", "mixed_bfloat16"])
def test_values_are_those_of_evaluate_however_the_model_is_trained(way):
    model, history = fit([benchmark()], 2, made(way))
    report = evaluate(model, val_data(), suite=SUITE)
    assert [row.top1 for row in report.rows] == [history[name][-1] for name in NAMES]


def test_several_steps_an_execution_change_neither_values_nor_training():
    settings = {"validation_data": val_data(), "batch_size": 6}
    together = {"steps_per_execution": 4, "run_eagerly": False}
    model, history = fit([benchmark()], 2, compiled_model(**together), **settings)
    plain, _ = fit([], 2, compiled_model(**together), **settings)
    assert_same_state(model, plain)
    report = evaluate(model, val_data(), suite=SUITE)
    assert [row.top1 for row in report.rows] == [history[name][-1] for name in NAMES]


REPLICAS = """
import json
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
from keras_patchmix.occlusion import evaluate
from tests.callbacks.runs import (
    NAMES, SUITE, assert_same_state, benchmark, compiled_model, fit, val_data
)

def train(callbacks):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = compiled_model(run_eagerly=False)
    assert model.distribute_strategy.num_replicas_in_sync == 2
    return fit(callbacks, 2, model)

model, history = train([benchmark()])
plain, _ = train([])
assert_same_state(model, plain)
alone = compiled_model()
alone.set_weights(model.get_weights())
rows = evaluate(alone, val_data(), suite=SUITE).rows
print("SEEN", json.dumps([{name: history[name] for name in NAMES}, [row.top1 for row in rows]]))
"""


def test_on_two_replicas_training_is_the_same_and_values_are_those_of_one():
    run = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    line = next(line for line in run.stdout.splitlines() if line.startswith("SEEN"))
    history, rows = json.loads(line.removeprefix("SEEN"))
    assert [history[name][-1] for name in NAMES] == rows
    assert len({tuple(values) for values in zip(*history.values(), strict=True)}) > 1, "it learns"


def test_a_tf_data_set_that_is_shuffled_anew_is_noticed(model):
    shuffled = tf.data.Dataset.from_tensor_slices(data(50, seed=1)).shuffle(50, seed=1).batch(16)
    with pytest.warns(UserWarning, match=r"reshuffle_each_iteration=False") as caught:
        drive(OcclusionBenchmark(shuffled, SUITE), model, 3)
    assert sum("another order" in str(warning.message) for warning in caught) == 1
    once = tf.data.Dataset.from_tensor_slices(data(50, seed=1))
    once = once.shuffle(50, seed=1, reshuffle_each_iteration=False).batch(16)
    callback = OcclusionBenchmark(once, SUITE)
    drive(callback, model, 2)
    assert len({line["examples_sha256"] for line in callback.timeline}) == 1


def events(folder):
    """(step, tag, value) of all summaries in a folder."""
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                yield event.step, value.tag, tf.make_ndarray(value.tensor)


@pytest.mark.needs("tensorboard", "matplotlib")
@pytest.mark.parametrize("update_freq", ["epoch", 1000])
def test_tensorboard_has_the_scalars_the_curves_and_the_maps(update_freq, tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False, update_freq=update_freq)
    settings = {"max_examples": 3, "num_masks": 8, "batch_size": 8, "grid_size": 4}
    settings["corruption"] = PatchReplacement(2, 0.5)
    selectivity = SelectivityBenchmark(val_data(), 2, from_logits=True, **settings)
    _, history = fit([benchmark(frequency=2), selectivity, board], 3)
    for run, name in {"occlusion": "occlusion_curves", "selectivity": "selectivity_maps"}.items():
        images = list(events(tmp_path / run))
        assert [(step, tag) for step, tag, _ in images] == [(e, name) for e in (0, 2)]
        for _, _, (width, height, picture) in images:
            assert tf.io.decode_png(picture).shape == (int(height), int(width), 3)
    if update_freq == "epoch":  # otherwise Keras itself leaves its scalars of epochs out
        scalars = {
            (step, tag): float(value) for step, tag, value in events(tmp_path / "validation")
        }
        for name in (*NAMES, "val_patch_selectivity"):
            for epoch, value in enumerate(history[name]):
                tag = "epoch_" + name.removeprefix("val_")
                assert scalars[epoch, tag] == pytest.approx(value, abs=1e-6)


def test_a_missing_tensorboard_is_named_before_training(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    callback = benchmark()
    with pytest.raises(ImportError, match=r"'tensorboard'.*pip install tensorboard"):
        fit([callback, board], 1)
    assert callback.timeline == []


@pytest.mark.parametrize(
    ("jobs", "job", "number", "chief"),
    [
        (["worker"], "worker", 0, True),
        (["worker"], "worker", 1, False),
        (["chief", "worker"], "chief", 0, True),
        (["chief", "worker"], "worker", 0, False),
        (["worker", "ps"], "ps", 0, False),
        ([], None, None, True),
    ],
)
def test_the_chief_of_a_cluster_is_told_from_the_others(jobs, job, number, chief):
    class Strategy:
        cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({name: ["a:1", "b:1"] for name in jobs}),
            task_type=job,
            task_id=number,
        )

    class Model:
        distribute_strategy = Strategy

    assert is_chief(Model) is chief


def test_a_model_of_one_process_has_no_other_chief():
    assert is_chief(compiled_model())
    images = np.zeros((2, SIZE, SIZE, 3))
    assert compiled_model()(images).shape == (2, K)
