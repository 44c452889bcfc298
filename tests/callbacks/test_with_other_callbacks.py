"""Keras' own callbacks that follow an occlusion value, through `fit`.

The model says one class whatever it sees, and which one is set after each epoch, so that its
accuracy is known: the share of that class in the validation data, clean or occluded.
"""

import csv
import os
import re

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.occlusion import PatchDrop
from tests.callbacks.runs import (
    ALL,
    NAMES,
    SUITE,
    compiled_model,
    data,
    fit,
    lines_of,
    val_data,
)
from tests.occlusion.closed_form import Batches

SHARES = (0.1, 0.2, 0.3, 0.4)
VALUE = "val_patch_drop_4x4_50"
MONITOR = {"monitor": VALUE, "mode": "max"}


def constant_data():
    labels = np.repeat(np.arange(4), [10 * share for share in SHARES])
    return np.full((10, 16, 16, 3), 9, np.uint8), labels


def constant_fit(classes, callbacks, **settings):
    """Fits a model that says class `classes[e]` when epoch e has ended."""
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(4, kernel_initializer="zeros")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    kernel, _ = model.get_weights()

    def say(epoch, logs):
        model.set_weights([kernel, np.eye(4)[classes[epoch]]])

    scored = OcclusionBenchmark(constant_data(), [PatchDrop(4, 0.5)], **settings)
    history = model.fit(
        np.zeros((2, 16, 16, 3)),
        np.zeros((2, 4)),
        epochs=len(classes),
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=say), scored, *callbacks],
    )
    return history.history


def test_checkpoint_and_early_stopping_follow_an_occlusion_value(tmp_path):
    path = os.fspath(tmp_path / ("best_{epoch}_{" + VALUE + ":.1f}.keras"))
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True, **MONITOR)
    stopping = keras.callbacks.EarlyStopping(patience=2, **MONITOR)
    history = constant_fit([0, 2, 1, 2, 3, 3], [checkpoint, stopping])
    assert history[VALUE] == [0.1, 0.3, 0.2, 0.3], "stopped after two epochs that are no better"
    assert sorted(os.listdir(tmp_path)) == ["best_1_0.1.keras", "best_2_0.3.keras"]
    kept = keras.models.load_model(tmp_path / "best_2_0.3.keras").get_weights()
    np.testing.assert_array_equal(kept[1], np.eye(4)[2])


@pytest.mark.parametrize(("patience", "last"), [(2, 4), (4, 6)])
def test_patience_counts_epochs_so_that_it_is_scores_times_frequency(patience, last, tmp_path):
    path = os.fspath(tmp_path / "{epoch}.keras")
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True, **MONITOR)
    stopping = keras.callbacks.EarlyStopping(
        patience=patience, restore_best_weights=True, **MONITOR
    )
    # Class 3, the best one, is said only where no score is made.
    classes = [1, 3, 2, 3, 0, 3, 1, 3, 3, 3]
    history = constant_fit(classes, [checkpoint, stopping], frequency=2)
    assert history[VALUE] == [0.2, 0.2, 0.3, 0.3, 0.1, 0.1, 0.2][: last + 1]
    # An epoch that repeats a value is no improvement: those saved are the ones that were scored.
    assert sorted(os.listdir(tmp_path)) == ["1.keras", "3.keras"]
    assert stopping.best == 0.3
    np.testing.assert_array_equal(stopping.model.get_weights()[1], np.eye(4)[2])


def test_the_learning_rate_falls_after_scores_times_frequency_too():
    slower = keras.callbacks.ReduceLROnPlateau(patience=4, factor=0.5, **MONITOR)
    rates = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(logs["learning_rate"]))
    )
    constant_fit([2, 3, 1, 3, 1, 3], [slower, note], frequency=2)
    assert rates == pytest.approx([0.1] * 5 + [0.05])


def test_csv_logger_has_every_column_from_the_first_epoch_on(tmp_path):
    path = tmp_path / "metrics.csv"
    history = constant_fit([1, 3, 2], [keras.callbacks.CSVLogger(path)], frequency=2)
    with open(path) as file:
        rows = list(csv.DictReader(file))
    names = {"val_occlusion_clean", VALUE, "val_occlusion_mean", "val_occlusion_epoch"}
    assert set(rows[0]) == {"epoch", *names, *history}
    for name in names:
        assert [float(row[name]) for row in rows] == history[name]
    assert [row["val_occlusion_epoch"] for row in rows] == ["0", "0", "2"]
    assert [float(row[VALUE]) for row in rows] == [0.2, 0.2, 0.3]


class Killed(Exception):
    """What ends a process in these tests."""


class Killer(keras.callbacks.Callback):
    """Ends training in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.deadly, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.deadly and batch == 1:
            raise Killed


class Failing(Batches):
    """Fails in the given pass; the first pass draws the bank."""

    def __init__(self, deadly):
        super().__init__(data(50, seed=1), 16)
        self.deadly = deadly

    def __getitem__(self, step):
        if self.read == 4 * self.deadly + 2:
            raise OSError("the disk is gone")
        return super().__getitem__(step)


def run_to(directory, dataset, killer=()):
    """Starts a training of six epochs anew, as a script does that is started again."""
    scored = OcclusionBenchmark(dataset, SUITE, frequency=2, directory=directory / "run")
    backup = keras.callbacks.BackupAndRestore(directory / "backup")
    callbacks = [scored, backup, *killer]
    return fit(callbacks, 6, compiled_model(regular=False), shuffle=False)[1]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """History and lines of a run that nothing interrupts."""
    directory = tmp_path_factory.mktemp("straight")
    history = run_to(directory, val_data())
    lines = lines_of(directory / "run")
    assert len({line["values"]["val_occlusion_mean"] for line in lines}) > 1, "it learns"
    return history, lines


@pytest.mark.parametrize("where", ["in training", "in scoring"])
def test_a_killed_run_that_is_started_again_has_no_gap_and_nothing_twice(where, straight, tmp_path):
    if where == "in training":  # of epoch 3
        error, dataset, killer, first = Killed, val_data(), [Killer(3)], 3
    else:  # the third pass: the bank, epoch 0, epoch 2
        error, dataset, killer, first = RuntimeError, Failing(2), [], 2
    with pytest.raises(error):
        run_to(tmp_path, dataset, killer)
    resumed = run_to(tmp_path, val_data())
    history, lines = straight
    assert resumed["val_occlusion_epoch"] == [0, 0, 2, 2, 4, 4][first:]
    for name in ALL:
        assert resumed[name] == history[name][first:], name
    again = lines_of(tmp_path / "run")
    assert [line["epoch"] for line in again] == [0, 2, 4]
    assert [line["values"] for line in again] == [line["values"] for line in lines]


def test_an_error_while_scoring_names_the_epoch_and_leaves_files_whole(tmp_path):
    failing = OcclusionBenchmark(Failing(2), SUITE, directory=tmp_path)
    message = (
        r"after epoch 1, counted from 0: OSError: the disk is gone \(__getitem__, .*, line \d+\)"
    )
    keras.config.disable_traceback_filtering()  # it drops what an error was raised from
    try:
        with pytest.raises(RuntimeError, match=message) as caught:
            fit([failing])
    finally:
        keras.config.enable_traceback_filtering()
    assert isinstance(caught.value.__cause__, OSError)
    assert sorted(os.listdir(tmp_path)) == ["occlusion.json", "occlusion.jsonl"]
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0]
    assert failing.report.row("clean").top1 == failing.timeline[-1]["values"][NAMES[0]]


def test_backup_before_it_in_the_list_is_warned_about(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.warns(UserWarning, match=re.escape("after BackupAndRestore in `callbacks`")):
        fit([backup, OcclusionBenchmark(val_data(), SUITE)], 1)
