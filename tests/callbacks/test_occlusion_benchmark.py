import csv
import os
import warnings

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.callbacks.epoch_benchmark import callbacks_around
from keras_patchmix.occlusion import PatchDrop, evaluate
from tests.callbacks.runs import (
    ALL,
    NAMES,
    SIZE,
    SUITE,
    K,
    benchmark,
    drive,
    fit,
    lines_of,
    val_data,
)

FILES = ["occlusion.json", "occlusion.jsonl", "occlusion.png", "occlusion_curves.png"]


def test_values_reach_history_and_csv_and_are_those_of_evaluate(tmp_path):
    callback = benchmark()
    model, history = fit(
        [callback, keras.callbacks.CSVLogger(tmp_path / "metrics.csv")], validation_data=val_data()
    )
    assert set(history) >= ALL
    report = evaluate(model, val_data(), suite=SUITE)
    for name, row in zip(NAMES, report.rows, strict=True):
        assert history[name][-1] == row.top1
        assert len(history[name]) == 3
    assert history["val_occlusion_mean"][-1] == report.mean
    assert report.mean == pytest.approx(np.mean([each.mean for each in report.summary]))
    assert history["val_occlusion_epoch"] == [0, 1, 2]
    assert history["val_occlusion_clean"] == pytest.approx(history["val_accuracy"])
    assert callback.report.rows == report.rows
    with open(tmp_path / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= ALL
    assert [float(row[NAMES[2]]) for row in rows] == history[NAMES[2]]


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
    model, straight = fit([benchmark(frequency=2, directory=tmp_path)], epochs=4)
    before = lines_of(tmp_path)
    assert [line["epoch"] for line in before] == [0, 2]
    # It goes on from a checkpoint after epoch 3, with a callback of a new process.
    resumed = drive(benchmark(frequency=2, directory=tmp_path), model, 6, 3)
    assert [logs["val_occlusion_epoch"] for logs in resumed] == [2, 4, 4]
    assert resumed[0][NAMES[1]] == before[1]["values"][NAMES[1]] == straight[NAMES[1]][2]
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0, 2, 4]
    # Back to epoch 1: later lines were of a time line given up.
    back = drive(benchmark(frequency=2, directory=tmp_path), model, 3, 1)
    assert [logs["val_occlusion_epoch"] for logs in back] == [0, 2]
    after = lines_of(tmp_path)
    assert [line["epoch"] for line in after] == [0, 2]
    assert after[0] == before[0]
    assert sorted(os.listdir(tmp_path)) == FILES


def test_values_of_another_suite_or_seed_are_not_taken_up(model, tmp_path):
    drive(benchmark(directory=tmp_path), model, 1)
    other = OcclusionBenchmark(val_data(), [PatchDrop(2, 0.5)], frequency=5, directory=tmp_path)
    with pytest.warns(UserWarning, match="are of another suite"):
        logs = drive(other, model, 3, 1)
    assert [values["val_occlusion_epoch"] for values in logs] == [1, 1]
    assert "val_patch_drop_2x2_50" in logs[0]
    assert "val_patch_drop_4x4_50" not in logs[0]
    with pytest.warns(UserWarning, match="another suite, seed or precision"):
        drive(benchmark(directory=tmp_path, seed=1, frequency=5), model, 3, 2)


def test_a_foreign_file_is_named(tmp_path):
    (tmp_path / "occlusion.jsonl").write_text("no json\n")
    said = r"occlusion\.jsonl' is damaged or is not a file of OcclusionBenchmark: .*\. Move it away"
    with pytest.raises(ValueError, match=said):
        fit([benchmark(directory=tmp_path)], epochs=1)


def test_a_damaged_last_report_is_left_out_with_a_warning(model, tmp_path):
    drive(benchmark(directory=tmp_path), model, 1)
    whole = (tmp_path / "occlusion.json").read_bytes()
    following = benchmark(directory=tmp_path, frequency=9)
    drive(following, model, 2, 1)
    assert following.report.settings["epoch"] == 0
    (tmp_path / "occlusion.json").write_bytes(whole[:-20])
    following = benchmark(directory=tmp_path, frequency=9)
    with pytest.warns(UserWarning, match=r"left out.*occlusion\.json' is damaged"):
        drive(following, model, 2, 1)
    assert following.report is None
    (tmp_path / "occlusion.json").unlink()
    following = benchmark(directory=tmp_path, frequency=9)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        drive(following, model, 2, 1)
    assert following.report is None


def test_it_warns_once_where_it_comes_too_late_and_only_there(tmp_path):
    callback = benchmark()
    stopping = keras.callbacks.EarlyStopping("loss")
    logger = keras.callbacks.CSVLogger(tmp_path / "metrics.csv")
    with pytest.warns(UserWarning, match="comes after EarlyStopping, CSVLogger in `callbacks`"):
        model, _ = fit([stopping, logger, callback], epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit([stopping, callback], epochs=1, model=model)
        fit([keras.callbacks.TerminateOnNaN(), benchmark(), stopping, logger], 1, model)


def test_the_list_is_found_among_the_callers_only():
    class Around(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            found.append(callbacks_around(self))

    found, around = [], Around()
    around.on_train_begin()
    stopping = keras.callbacks.EarlyStopping("loss")
    keras.callbacks.CallbackList([stopping, around]).on_train_begin()
    assert found == [[], [stopping, around]]
    assert callbacks_around(around) == []


def test_max_examples_preprocess_and_default_suite():
    callback = OcclusionBenchmark(
        val_data(), max_examples=20, preprocess=lambda x: x.astype(np.float32), seed=4
    )
    model, history = fit([callback], epochs=1)
    assert callback.report.rows[0].n == 20
    assert callback.report.settings["seed"] == 4
    assert "val_patch_permutation_2x2" in history
    assert evaluate(model, val_data(), seed=4, max_examples=20).rows == callback.report.rows


@pytest.mark.parametrize("frequency", [0, -1, 1.5, None])
def test_wrong_frequencies_are_named(frequency):
    with pytest.raises(ValueError, match=f"`frequency` must be a positive.*{frequency}"):
        benchmark(frequency=frequency)


def test_images_of_another_size_are_found_before_training():
    larger = np.zeros((8, 2 * SIZE, 2 * SIZE, 3), np.uint8), np.arange(8) % K
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises(ValueError, match=r"takes images of shape \(16, 16, 3\).*\(32, 32, 3\)"):
        fit([OcclusionBenchmark(larger, SUITE), count])
    assert epochs == []
    resized = OcclusionBenchmark(larger, SUITE, preprocess=lambda x: x[:, ::2, ::2])
    assert resized.report is None
    fit([resized], epochs=1)
    assert resized.report.rows[0].n == 8


def test_wrong_arguments_are_found_before_training():
    with pytest.raises(ValueError, match="`suite` must be a list"):
        benchmark(suite=PatchDrop())
    with pytest.raises(ValueError, match="`max_examples`"):
        benchmark(max_examples=0)
