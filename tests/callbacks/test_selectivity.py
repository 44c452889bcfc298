"""Patch selectivity in the logs of a fit."""

import json
import os
import re
import sys

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import SelectivityBenchmark, epoch_benchmark
from keras_patchmix.callbacks.epoch_plot import plot_selectivity
from keras_patchmix.callbacks.selectivity_benchmark import plot_examples
from keras_patchmix.explain import SelectivityReport, selectivity_benchmark
from keras_patchmix.occlusion import PatchDrop, PatchReplacement
from tests.callbacks.runs import (
    SIZE,
    K,
    assert_same_state,
    compiled_model,
    data,
    drive,
    fit,
    val_data,
)
from tests.occlusion.closed_form import Batches

NAME = "val_patch_selectivity"
ALL = {NAME, f"{NAME}_low", f"{NAME}_high", f"{NAME}_epoch"}
SETTINGS = {
    "max_examples": 5,
    "num_masks": 24,
    "batch_size": 12,
    "grid_size": 4,
    "corruption": PatchReplacement(2, 0.5),
    "from_logits": True,
}


def callback(dataset=None, **kwargs):
    return SelectivityBenchmark(dataset or val_data(), **{"frequency": 2, **SETTINGS, **kwargs})


FILES = {"selectivity.json", "selectivity.jsonl"}


def lines_of(directory):
    text = (directory / "selectivity.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of three epochs, every second one scored: callback, folder, history, model."""
    directory = tmp_path_factory.mktemp("run")
    made = callback(directory=directory)
    model, history = fit([made], 3)
    return made, directory, history, model


@pytest.fixture
def no_pictures(monkeypatch):
    """Saves seconds where pictures are not what is tested."""
    monkeypatch.setattr(epoch_benchmark.EpochBenchmark, "_draw", lambda *_: None)


def test_the_values_are_those_of_the_benchmark_in_the_epochs_that_are_scored(finished):
    made, _, history, model = finished
    assert history[f"{NAME}_epoch"] == [0, 0, 2]
    for name in ALL:
        assert history[name][0] == history[name][1]
    report = selectivity_benchmark(model, val_data(), verbose=False, **SETTINGS)
    assert made.report.rows == report.rows
    assert history[NAME][2] == report.mean
    assert (history[f"{NAME}_low"][2], history[f"{NAME}_high"][2]) == report.interval
    assert history[NAME][0] != history[NAME][2], "it learns"


def test_training_ends_in_the_same_state_with_and_without_it(finished):
    plain, history = fit([], 3)
    assert_same_state(finished[3], plain)
    assert {name: finished[2][name] for name in history} == history
    assert set(finished[2]) == {*history, *ALL}


def test_files_hold_the_lines_the_last_report_and_the_pictures(finished):
    made, directory, history, _ = finished
    assert made.timeline == lines_of(directory)
    assert [line["epoch"] for line in made.timeline] == [0, 2]
    for line in made.timeline:
        assert line["values"] == {name: history[name][line["epoch"]] for name in ALL}
        assert (line["n"], line["finite"]) == (5, True)
    report = SelectivityReport.load(directory / "selectivity.json")
    assert report.settings["epoch"] == 2
    assert report.mean == history[NAME][-1]
    assert {path.name for path in directory.glob("*.json*")} == FILES


@pytest.mark.needs("matplotlib")
def test_the_pictures_show_the_mean_the_band_and_the_maps(finished):
    made, directory, history, _ = finished
    pictures = {path.name for path in directory.glob("*.png")}
    assert pictures == {"selectivity.png", "selectivity_maps.png"}
    axis = made.plot().axes[0]
    low, high = (history[f"{NAME}_{end}"] for end in ("low", "high"))
    assert axis.get_ylim() == (min(0.4, min(low) - 0.02), max(0.6, max(high) + 0.02))
    line = axis.get_lines()[0]
    np.testing.assert_array_equal(line.get_data(), [[0, 2], history[NAME][::2]])
    (band,) = axis.collections
    corners = {(x, y) for x, y in band.get_paths()[0].vertices.tolist()}
    assert {(e, history[f"{NAME}_{end}"][e]) for e in (0, 2) for end in ("low", "high")} <= corners
    shown = plot_examples(made.report)
    maps = [axis.images[1].get_array() for axis in shown.axes if len(axis.images) == 2]
    np.testing.assert_allclose(maps, made.report.examples["maps"])
    assert plot_examples(SelectivityReport(made.report.rows, made.report.settings)) is None
    gap = [*made.timeline, {**made.timeline[1], "epoch": 4, "finite": False}]
    assert np.isnan(plot_selectivity(gap).axes[0].get_lines()[0].get_ydata()[2])


def test_a_resumed_run_takes_up_the_values_and_replaces_lines(model, no_pictures, tmp_path):
    straight = drive(callback(directory=tmp_path), model, 5)
    before = lines_of(tmp_path)
    assert [line["epoch"] for line in before] == [0, 2, 4]
    assert drive(callback(directory=tmp_path), model, 6, 5) == straight[4:]
    assert lines_of(tmp_path) == before
    resumed = drive(callback(directory=tmp_path), model, 4, 3)
    assert resumed == straight[3:4]
    drive(callback(directory=tmp_path), model, 3, 2)
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0, 2]
    with pytest.warns(UserWarning, match="are of other images, masks or settings: scored again"):
        (other,) = drive(callback(directory=tmp_path, seed=1), model, 4, 3)
    assert other[f"{NAME}_epoch"] == 3


def test_a_model_that_diverged_is_logged_as_0_with_one_warning(no_pictures, tmp_path):
    model, made = compiled_model(), callback(directory=tmp_path)
    drive(made, model, 1)
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    with pytest.warns(UserWarning, match="After epoch 2, counted from 0, the model's") as caught:
        logs = drive(made, model, 5, 1)
    assert sum("scores were not finite" in str(warning.message) for warning in caught) == 1
    assert logs[0][NAME] > 0
    for entry, epoch in zip(logs[1:], (2, 2, 4), strict=True):
        assert entry == {**dict.fromkeys(ALL, 0.0), f"{NAME}_epoch": epoch}
    assert [line["finite"] for line in lines_of(tmp_path)] == [True, False, False]
    assert SelectivityReport.load(tmp_path / "selectivity.json").settings["epoch"] == 0
    assert made.report is None


class Reshuffled(Batches):
    """Comes in a new order in every pass."""

    def __getitem__(self, step):
        order = np.random.default_rng(self.read // len(self)).permutation(len(self.data[0]))
        batch = slice(step * self.size, (step + 1) * self.size)
        self.read += 1
        return tuple(x[order][batch] for x in self.data)


def test_a_data_set_that_reshuffles_is_read_before_training_only(model):
    shuffled = Reshuffled(data(50, seed=1), 16)
    made = callback(shuffled)
    drive(made, model, 1)
    read = shuffled.read
    assert read > 0
    drive(made, model, 3, 2)
    assert shuffled.read == read
    assert len({line["images_sha256"] for line in made.timeline}) == 1


class Softmax(keras.Model):
    """Returns probabilities, or what is called so."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.top = keras.layers.Dense(K, activation="softmax")
        self.scale = scale

    def call(self, x):
        pooled = keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2)) / 255
        return self.scale * self.top(pooled)


@pytest.mark.parametrize(
    ("other", "arguments", "message"),
    [
        (None, {"from_logits": False}, "`from_logits` must be True where the model .*"),
        (Softmax, {"from_logits": True}, "`from_logits` must be False where .* that sum to 1"),
        (lambda: Softmax(3.0), {"from_logits": False}, "`from_logits` must be True where"),
        (None, {"corruption": PatchDrop(2, 1.0)}, "`out_of_context_mask` must hold"),
        (None, {"grid_size": 17}, "`grid_size` must be .* Received: grid_size=17"),
        (
            None,
            {"dataset": (np.zeros((8, SIZE, SIZE, 3), "u1"), np.arange(8))},
            "labels of `dataset` must be below 4, .* Received: class 7",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_the_first_epoch(other, arguments, message, model):
    made = callback(**arguments)
    made.set_model(model if other is None else other())
    with pytest.raises(ValueError, match=message):
        made.on_train_begin()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frequency": 0}, "`frequency` must be"),
        ({"verbose": "yes"}, "`verbose` must be"),
        ({"max_examples": 0}, "`max_examples` must be"),
        ({"num_masks": 1.5}, "`num_masks` must be"),
        ({"scheme": "pairs"}, "`scheme` must be one of 'control_variate', 'independent'"),
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"corruption": "drop"}, "`corruption` must be"),
    ],
)
def test_wrong_arguments_are_named_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        callback(**arguments)


def test_it_warns_where_it_comes_too_late(model):
    callbacks = [keras.callbacks.EarlyStopping("loss"), callback()]
    message = re.escape("SelectivityBenchmark comes after EarlyStopping in `callbacks`")
    with pytest.warns(UserWarning, match=message):
        keras.callbacks.CallbackList(callbacks, model=model).on_train_begin()


def test_an_error_while_scoring_names_the_epoch(model):
    def fail(images):
        if len(calls) > 2:
            raise OSError("gone")
        calls.append(1)
        return images

    calls = []
    with pytest.raises(RuntimeError, match=r"after epoch 0, counted from 0: OSError: gone \(fail"):
        drive(callback(preprocess=fail), model, 1)


def test_it_says_the_result_and_the_cost(model, capsys):
    made = callback(verbose=True)
    drive(made, model, 1)
    out = capsys.readouterr().out
    assert f"{made.report.mean:.3f} (95 % interval" in out
    assert "1 of 1 epochs scored" in out


def test_only_the_chief_writes_and_speaks(model, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(epoch_benchmark, "is_chief", lambda model: False)
    logs = drive(callback(verbose=True, directory=tmp_path / "run"), model, 1)
    assert set(logs[0]) == ALL
    assert os.listdir(tmp_path) == []
    assert capsys.readouterr().out == ""


def test_training_ends_well_without_matplotlib(model, tmp_path, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.warns(UserWarning, match=r"SelectivityBenchmark draws no pictures") as caught:
        drive(callback(directory=tmp_path), model, 1)
    assert sum("pictures" in str(warning.message) for warning in caught) == 1
    assert {path.name for path in tmp_path.iterdir()} == FILES
