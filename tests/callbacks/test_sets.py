"""Sets of occluded images in the callback, and the epoch of the report that it keeps."""

import json
import warnings

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.callbacks.epoch_benchmark import EpochBenchmark
from keras_patchmix.occlusion import DatasetOcclusion, PatchDrop, Report, evaluate
from tests.callbacks.runs import (
    ALL,
    SUITE,
    assert_same_state,
    benchmark,
    compiled_model,
    data,
    drive,
    fit,
    lines_of,
    val_data,
)

HIDDEN = data(22, seed=5)
SETS = [
    DatasetOcclusion((HIDDEN[0][:9], HIDDEN[1][:9]), name="near"),
    DatasetOcclusion(HIDDEN, name="far", max_examples=20),
]


class Counted:
    """Data that counts how often it is gone through to the end."""

    def __init__(self, pair):
        self.pair, self.ended, self.begun = pair, 0, 0

    def __iter__(self):
        self.begun += 1
        for i in range(0, len(self.pair[0]), 8):
            yield tuple(part[i : i + 8] for part in self.pair)
        self.ended += 1


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    callback = benchmark(suite=[*SUITE, *SETS], frequency=2, directory=directory)
    csv = keras.callbacks.CSVLogger(directory / "log.csv")
    model, history = fit([callback, csv], 3)
    return callback, model, history, directory


def test_each_set_is_logged_and_repeated_between_scores(fitted):
    callback, model, history, _ = fitted
    assert set(history) >= ALL | {"val_near", "val_far"}
    assert history["val_occlusion_epoch"] == [0, 0, 2]
    assert history["val_far"][0] == history["val_far"][1]
    report = evaluate(model, val_data(), suite=[*SUITE, *SETS])
    assert history["val_far"][2] == report.row("far").top1
    assert history["val_near"][2] == report.row("near").top1
    assert callback.report.rows == report.rows
    assert callback.report.row("far").n == 20


def test_the_mean_is_over_corruptions_and_sets(fitted):
    callback, _, history, _ = fitted
    top1 = {row.name: row.top1 for row in callback.report.rows}
    replacement = (top1["patch_replacement_4x4_25"] + top1["patch_replacement_4x4_50"]) / 2
    members = [replacement, top1["patch_drop_4x4_50"], top1["near"], top1["far"]]
    assert history["val_occlusion_mean"][2] == pytest.approx(np.mean(members), abs=1e-12)


def test_files_hold_the_sets_and_the_pictures_are_made(fitted):
    callback, _, history, directory = fitted
    lines = lines_of(directory)
    assert [line["values"]["val_far"] for line in lines] == [history["val_far"][i] for i in (0, 2)]
    assert set(lines[0]["sets_sha256"]) == {"near", "far"}
    header = (directory / "log.csv").read_text().splitlines()[0].split(",")
    assert {"val_near", "val_far"} <= set(header)
    report = Report.load(directory / "occlusion.json")
    assert report.settings["epoch"] == 2
    assert report.rows == callback.report.rows
    assert list(report.datasets) == ["near", "far"]
    assert (directory / "occlusion.png").exists()
    axes = callback.plot().axes
    panel = next(a for a in axes if a.get_title(loc="left") == "Sets of occluded images")
    assert [line.get_label() for line in panel.lines] == ["near", "far"]


def test_training_with_sets_ends_in_the_same_state(fitted):
    _, model, _, _ = fitted
    plain, _ = fit([], 3)
    assert_same_state(model, plain)


def test_a_suite_of_one_set_alone_can_be_followed(tmp_path):
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}_{val_near:.2f}.keras", monitor="val_near", mode="max"
    )
    callback = benchmark(suite=SETS[:1])
    _, history = fit([callback, best], 2)
    assert history["val_occlusion_mean"] == history["val_near"]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{e + 1}_{history['val_near'][e]:.2f}.keras" for e in range(2)]


def test_a_set_that_does_not_fit_stops_before_the_first_epoch():
    trained = []
    watch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: trained.append(epoch))
    images, labels = data(9)
    wrong = DatasetOcclusion((images, labels + 2), name="wrong")
    with pytest.raises(ValueError, match="DatasetOcclusion 'wrong': Labels must be below 4"):
        fit([watch, benchmark(suite=[PatchDrop(4, 0.5), wrong])])
    assert trained == []


@pytest.mark.parametrize("suite", [[PatchDrop(4, 0.5)], None])
def test_classes_that_do_not_fit_stop_before_the_first_epoch(suite):
    images, labels = data(9)
    cases = [
        ((images, np.eye(12)[labels]), {}, "4 classes.*labels of 12 columns"),
        ((images, labels + 2), {}, "Labels must be below 4"),
        ((images, labels), {"class_names": ["a", "b"]}, "`class_names` must name each of the 4"),
    ]
    for wrong, settings, message in cases:
        trained = []
        watch = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, kept=trained: kept.append(1)
        )
        callback = OcclusionBenchmark(wrong, suite=suite, verbose=False, **settings)
        with pytest.raises(ValueError, match=message):
            fit([watch, callback])
        assert trained == []


def test_a_set_is_read_once_a_score_and_opened_before_training():
    counted = Counted(data(20))
    fit([benchmark(suite=[DatasetOcclusion(counted, name="one")])], 3)
    assert counted.ended == 3
    assert counted.begun == 4  # one batch, to see whether it fits the model


def test_a_set_that_is_shuffled_anew_is_warned_about(model):
    class Shuffled:
        def __init__(self):
            self.passes = 0

        def __iter__(self):
            images, labels = data(12)
            self.passes += 1
            order = np.roll(np.arange(12), self.passes)
            yield images[order], labels[order]

    suite = [DatasetOcclusion(Shuffled(), name="shuffled")]
    with pytest.warns(
        UserWarning, match="The set 'shuffled' of OcclusionBenchmark came with other"
    ):
        drive(benchmark(suite=suite), model, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        drive(benchmark(suite=SETS), model, 2)


def run_to(directory, model, epochs, first=0):
    """Goes up to a number of epochs, from one on, as a run that resumes does."""
    callback = benchmark(directory=directory, frequency=3)
    drive(callback, model, epochs, first)
    return callback


def test_a_run_that_resumes_after_its_last_score_keeps_the_report(model, tmp_path):
    before = run_to(tmp_path, model, 4)
    path = tmp_path / "occlusion.json"
    assert json.loads(path.read_text())["settings"]["epoch"] == 3
    (tmp_path / "occlusion_curves.png").unlink()
    after = run_to(tmp_path, model, 6, 4)
    assert after.report.to_json() == before.report.to_json()
    assert Report.load(path).settings["epoch"] == 3
    assert (tmp_path / "occlusion_curves.png").exists()
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0, 3]


def test_a_run_killed_in_its_second_epoch_has_the_report_of_its_first(model, tmp_path):
    class Killed(Exception):
        pass

    def kill(epoch, logs):
        if epoch == 1:
            raise Killed

    callback = benchmark(directory=tmp_path, frequency=3)
    with pytest.raises(Killed):
        fit([callback, keras.callbacks.LambdaCallback(on_epoch_begin=kill)])
    assert Report.load(tmp_path / "occlusion.json").rows == callback.report.rows
    assert run_to(tmp_path, model, 2, 1).report.to_json() == callback.report.to_json()


def test_the_report_of_a_time_line_that_was_given_up_is_not_taken_up(model, tmp_path, monkeypatch):
    monkeypatch.setattr(EpochBenchmark, "_draw", lambda *_: None)  # pictures take seconds
    run_to(tmp_path, model, 4)
    assert run_to(tmp_path, model, 2, 1).report is None  # the last line is now of epoch 0
    (tmp_path / "occlusion.json").write_text("damaged")
    with pytest.warns(UserWarning, match="The last report is left out"):
        assert run_to(tmp_path, model, 2, 1).report is None


def test_the_bar_names_the_model(monkeypatch):
    titles = []
    from keras_patchmix.occlusion import passes

    class Bar(passes.Progress):
        def __init__(self, verbose, title):
            titles.append(title)
            super().__init__(verbose, title)

    monkeypatch.setattr(passes, "Progress", Bar)
    model = compiled_model()
    model.name = "net"
    fit([OcclusionBenchmark(val_data(), [PatchDrop(4, 0.5), SETS[0]])], 1, model)
    assert titles == ["occlusion of net", "occlusion of net: near"]


def test_data_of_one_class_is_refused_before_the_first_epoch():
    images, _ = data(20)
    callback = OcclusionBenchmark((images, np.ones(20, int)), SUITE)
    seen = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: pytest.fail("an epoch began"))
    with pytest.raises(ValueError, match=r"at least two classes .* Received: classes \[1\]"):
        fit([callback, seen], 1)
