import csv
import gc
import json
import os
import warnings

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.occlusion import PatchDrop, PatchReplacement, evaluate
from tests.arrays import BACKEND, to_numpy
from tests.occlusion.closed_form import Batches, batched, is_compiled

K, SIZE = 4, 16
SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(4, 0.5)]
NAMES = [
    "val_occlusion_clean",
    "val_patch_replacement_4x4_25",
    "val_patch_replacement_4x4_50",
    "val_patch_drop_4x4_50",
]
ALL = {*NAMES, "val_occlusion_mean", "val_occlusion_epoch"}


def data(count=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % K
    images = rng.integers(0, 120, (count, SIZE, SIZE, 3)) + 40 * labels[:, None, None, None]
    return images.astype(np.uint8), labels


def val_data():
    return batched(data(50, seed=1), 16)


def compiled_model(cls=keras.Model):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(6, 4, 4, activation="relu")(x)
    x = keras.layers.Dropout(0.3)(x)
    x = keras.layers.BatchNormalization()(x)
    outputs = keras.layers.Dense(K)(keras.layers.GlobalAveragePooling2D()(x))
    model = cls(inputs, outputs)
    model.compile(
        keras.optimizers.AdamW(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def fit(callbacks, epochs=3, model=None, **kwargs):
    model = model or compiled_model()
    history = model.fit(
        *data(), epochs=epochs, batch_size=20, verbose=0, callbacks=callbacks, **kwargs
    )
    return model, history.history


def benchmark(**kwargs):
    return OcclusionBenchmark(val_data(), **{"suite": SUITE, **kwargs})


def lines_of(directory):
    return [json.loads(line) for line in (directory / "occlusion.jsonl").read_text().splitlines()]


def test_values_reach_history_and_csv_and_are_those_of_evaluate(tmp_path):
    callback = benchmark()
    model, history = fit(
        [callback, keras.callbacks.CSVLogger(tmp_path / "metrics.csv")], validation_data=val_data()
    )
    assert set(history) >= ALL
    report = evaluate(model, val_data(), SUITE)
    for name, row in zip(NAMES, report.rows, strict=True):
        assert history[name][-1] == row.top1
        assert len(history[name]) == 3
    means = [entry["mean"] for entry in report.summary]
    assert history["val_occlusion_mean"][-1] == pytest.approx(np.mean(means))
    assert history["val_occlusion_epoch"] == [0, 1, 2]
    assert history["val_occlusion_clean"] == pytest.approx(history["val_accuracy"])
    assert callback.report.rows == report.rows
    with open(tmp_path / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= ALL
    assert [float(row[NAMES[2]]) for row in rows] == history[NAMES[2]]


def test_checkpoint_and_early_stopping_follow_an_occlusion_value(tmp_path):
    class Scripted(OcclusionBenchmark):
        """Overwrites the value, so that the best epoch is known."""

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            logs["val_patch_drop_4x4_50"] = [0.3, 0.6, 0.5, 0.4, 0.9][epoch]
            weights.append(self.model.get_weights())

    weights = []
    monitor = {"monitor": "val_patch_drop_4x4_50", "mode": "max"}
    path = tmp_path / "best_{val_patch_drop_4x4_50:.1f}.keras"
    _, history = fit(
        [
            Scripted(val_data(), SUITE),
            keras.callbacks.ModelCheckpoint(path, save_best_only=True, **monitor),
            keras.callbacks.EarlyStopping(patience=2, **monitor),
        ],
        epochs=5,
    )
    assert history["val_patch_drop_4x4_50"] == [0.3, 0.6, 0.5, 0.4]
    assert sorted(os.listdir(tmp_path)) == ["best_0.3.keras", "best_0.6.keras"]
    best = keras.models.load_model(tmp_path / "best_0.6.keras").get_weights()
    for a, b in zip(best, weights[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_skipped_epochs_repeat_the_last_values(tmp_path):
    _, history = fit([benchmark(frequency=2, directory=tmp_path)], epochs=5)
    assert history["val_occlusion_epoch"] == [0, 0, 2, 2, 4]
    for name in NAMES:
        values = history[name]
        assert values[0] == values[1]
        assert values[2] == values[3]
        assert not np.any(np.isnan(values))
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0, 2, 4]
    assert {name: history[name][2] for name in ALL} == lines_of(tmp_path)[1]["values"]


def test_the_first_epoch_is_scored_whatever_its_number():
    _, history = fit([benchmark(frequency=4)], epochs=5, initial_epoch=1)
    assert history["val_occlusion_epoch"] == [1, 1, 1, 4]


def test_a_resumed_run_takes_up_the_values_and_replaces_lines(tmp_path):
    _whole, straight = fit([benchmark(frequency=2, directory=tmp_path / "a")], epochs=6)
    model, _ = fit([benchmark(frequency=2, directory=tmp_path / "b")], epochs=4)
    before = lines_of(tmp_path / "b")
    assert [line["epoch"] for line in before] == [0, 2]
    # It goes on from a checkpoint after epoch 3, with a callback of a new process.
    model.stop_training = False
    _, resumed = fit([benchmark(frequency=2, directory=tmp_path / "b")], 6, model, initial_epoch=3)
    assert resumed["val_occlusion_epoch"] == [2, 4, 4]
    assert resumed[NAMES[1]][0] == before[1]["values"][NAMES[1]] == straight[NAMES[1]][2]
    assert [line["epoch"] for line in lines_of(tmp_path / "b")] == [0, 2, 4]
    # Back to epoch 2: its line is replaced, later ones were of a time line given up.
    fit([benchmark(frequency=2, directory=tmp_path / "b")], 3, model, initial_epoch=2)
    after = lines_of(tmp_path / "b")
    assert [line["epoch"] for line in after] == [0, 2]
    assert after[0] == before[0]
    assert os.listdir(tmp_path / "b") == ["occlusion.jsonl"]


def test_values_of_another_suite_or_seed_are_not_taken_up(tmp_path):
    model, _ = fit([benchmark(directory=tmp_path)], epochs=1)
    other = OcclusionBenchmark(val_data(), [PatchDrop(2, 0.5)], frequency=5, directory=tmp_path)
    with pytest.warns(UserWarning, match="are of another suite"):
        _, history = fit([other], 3, model, initial_epoch=1)
    assert history["val_occlusion_epoch"] == [1, 1]
    assert set(history) >= {"val_patch_drop_2x2_50"}
    assert "val_patch_drop_4x4_50" not in history
    with pytest.warns(UserWarning, match="another suite or seed"):
        fit([benchmark(directory=tmp_path, seed=1, frequency=5)], 3, model, initial_epoch=2)


def test_a_foreign_file_is_named(tmp_path):
    (tmp_path / "occlusion.jsonl").write_text("no json\n")
    with pytest.raises(ValueError, match=r"occlusion\.jsonl is not a file of OcclusionBenchmark"):
        fit([benchmark(directory=tmp_path)], epochs=1)


def test_training_ends_in_the_same_weights_with_and_without_it():
    with_it, history = fit([benchmark()], validation_data=val_data())
    without, plain = fit([], validation_data=val_data())
    for a, b in zip(with_it.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(with_it.non_trainable_variables, without.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a.value), to_numpy(b.value))
    for a, b in zip(with_it.optimizer.variables, without.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a.value), to_numpy(b.value))
    assert {name: history[name] for name in plain} == plain


def test_global_random_state_is_left_alone():
    callback = benchmark()
    callback.set_model(compiled_model())
    np.random.seed(0)  # noqa: NPY002 - it is the global state that is looked at
    keras.utils.set_random_seed(5)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    callback.on_epoch_end(0, {})
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    drawn = draws_of_the_backend()
    keras.utils.set_random_seed(5)
    assert drawn == draws_of_the_backend()


def draws_of_the_backend():
    """Numbers out of the global generators of Keras and of its backend."""
    drawn = [float(keras.random.uniform(()))]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        drawn.append(float(tf.random.uniform(())))
    elif BACKEND == "torch":
        import torch

        drawn.append(float(torch.rand(())))
    return drawn


def test_one_trace_and_one_bank_in_all_epochs():
    class Counting(keras.Model):
        traces = 0

        def call(self, x, training=False):
            if not training and is_compiled(x):
                type(self).traces += 1
            return super().call(x, training=training)

    model = compiled_model(Counting)
    # Keras traces the model on its own where it has not been trained.
    fit([], epochs=1, model=model)
    dataset = Batches(data(50, seed=1), 16)
    Counting.traces = 0
    fit([OcclusionBenchmark(dataset, SUITE)], epochs=4, model=model)
    assert Counting.traces == (0 if BACKEND == "torch" else 1)
    # Four batches: one pass for the bank, one for each epoch.
    assert dataset.read == 4 * 5


def test_it_warns_once_where_it_comes_too_late_and_only_there(tmp_path):
    callback = benchmark()
    stopping = keras.callbacks.EarlyStopping("loss")
    logger = keras.callbacks.CSVLogger(tmp_path / "metrics.csv")
    with pytest.warns(UserWarning, match="stands after EarlyStopping, CSVLogger in `callbacks`"):
        model, _ = fit([stopping, logger, callback], epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit([stopping, callback], epochs=1, model=model)
        fit([keras.callbacks.TerminateOnNaN(), benchmark(), stopping, logger], 1, model)


class Reshuffled(Batches):
    """Comes in a new order in every pass."""

    def __getitem__(self, step):
        if step == 0:
            order = np.random.default_rng(self.read).permutation(len(self.data[0]))
            self.data = tuple(x[order] for x in self.data)
        return super().__getitem__(step)


def test_a_data_set_that_reshuffles_is_noticed():
    shuffled = Reshuffled(data(), 16)
    with pytest.warns(UserWarning, match="in another order"):
        model, _ = fit([OcclusionBenchmark(shuffled, SUITE)], epochs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit([benchmark()], 2, model)


def test_max_examples_preprocess_and_default_suite():
    callback = OcclusionBenchmark(
        val_data(), max_examples=20, preprocess=lambda x: x.astype(np.float32), seed=4
    )
    model, history = fit([callback], epochs=1)
    assert callback.report.rows[0].n == 20
    assert callback.report.settings["seed"] == 4
    assert "val_patch_permutation_2x2" in history
    assert evaluate(model, val_data(), seed=4, max_examples=20).rows == callback.report.rows


def test_memory_does_not_grow_with_the_epochs():
    callback = benchmark()
    callback.set_model(compiled_model())
    for epoch in range(3):
        callback.on_epoch_end(epoch, {})
    gc.collect()
    before = len(gc.get_objects())
    for epoch in range(3, 6):
        callback.on_epoch_end(epoch, {})
    gc.collect()
    # Kept batches, traces or reports would be hundreds of objects.
    assert len(gc.get_objects()) - before < 50


@pytest.mark.parametrize("frequency", [0, -1, 1.5, None])
def test_wrong_frequencies_are_named(frequency):
    with pytest.raises(ValueError, match=f"`frequency` must be a positive.*{frequency}"):
        benchmark(frequency=frequency)


def test_wrong_arguments_are_found_before_training():
    with pytest.raises(ValueError, match="`suite` must be a list"):
        benchmark(suite=PatchDrop())
    with pytest.raises(ValueError, match="`max_examples`"):
        benchmark(max_examples=0)
