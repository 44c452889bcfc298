"""What the callback keeps of the epochs, and what it writes and says when training ends."""

import os
import sys
import warnings

import keras
import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark, epoch_benchmark
from keras_patchmix.callbacks.epoch_plot import epoch_curves, plot_epochs
from keras_patchmix.callbacks.occlusion_benchmark import log_name, log_values
from keras_patchmix.corruptions.member import Condition
from keras_patchmix.occlusion import PatchDrop, PatchPermutation, evaluate
from keras_patchmix.occlusion.outcomes import examples_digest
from keras_patchmix.occlusion.report import Report
from keras_patchmix.occlusion.rows import Row
from tests.callbacks.runs import (
    ALL,
    NAMES,
    SUITE,
    benchmark,
    data,
    drive,
    fit,
    lines_of,
    val_data,
)
from tests.occlusion.closed_form import Batches, batched


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of five epochs, every second one scored: the callback, its folder, the history."""
    directory = tmp_path_factory.mktemp("run")
    callback = benchmark(frequency=2, directory=directory)
    model, history = fit([callback], 5, validation_data=val_data())
    return callback, directory, history, model


def test_the_timeline_holds_the_lines_of_the_file(finished):
    callback, directory, history, _ = finished
    assert callback.timeline == lines_of(directory)
    assert [line["epoch"] for line in callback.timeline] == [0, 2, 4]
    for line in callback.timeline:
        assert line["values"] == {name: history[name][line["epoch"]] for name in ALL}
        assert (line["n"], line["n_nonfinite"], line["seed"]) == (50, 0, 0)


def test_the_share_of_an_epoch_is_that_of_the_seconds_it_took(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(epoch_benchmark.time, "perf_counter", lambda: now[0])
    callback = benchmark()
    run = callback._benchmark.run

    def slow(*arguments, **options):
        now[0] += 3
        return run(*arguments, **options)

    def train(batch, logs):
        now[0] += 3

    callback._benchmark.run = slow
    # Three batches of training, nine seconds, and three of scoring.
    fit([callback, keras.callbacks.LambdaCallback(on_train_batch_end=train)], 2)
    assert [line["seconds"] for line in callback.timeline] == [3, 3]
    assert [line["share_of_epoch"] for line in callback.timeline] == [0.25, 0.25]
    assert callback._cost() == (
        "occlusion: 6.0 s of 24.0 s of training (25%), 2 of 2 epochs scored"
    )


def test_without_a_file_the_timeline_goes_on_and_back_with_the_epochs(model):
    callback = benchmark()
    drive(callback, model, 2)
    drive(callback, model, 4, 2)
    assert [line["epoch"] for line in callback.timeline] == [0, 1, 2, 3]
    drive(callback, model, 2, 1)
    assert [line["epoch"] for line in callback.timeline] == [0, 1]


def test_nothing_of_time_is_in_the_logs(finished):
    _, _, history, _ = finished
    assert set(history) == {*ALL, "loss", "accuracy", "val_loss", "val_accuracy"}


def test_the_last_report_is_written_and_can_be_read(finished):
    callback, directory, _, model = finished
    report = Report.load(directory / "occlusion.json")
    assert report.rows == callback.report.rows == evaluate(model, val_data(), suite=SUITE).rows
    for name in ("occlusion.png", "occlusion_curves.png"):
        assert (directory / name).read_bytes().startswith(b"\x89PNG")


def test_the_picture_shows_the_values_over_the_epochs(finished):
    callback, _, history, _ = finished
    figure = callback.plot()
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_visible()}
    assert list(panels) == ["Overview", "Patch replacement, 4×4 grid", "Patch drop, 4×4 grid"]
    drawn = {
        (title, line.get_label()): list(zip(*line.get_data(), strict=True))
        for title, axis in panels.items()
        for line in axis.get_lines()
    }
    for key, name in (
        (("Overview", "clean images"), "val_occlusion_clean"),
        (("Overview", "mean under occlusion"), "val_occlusion_mean"),
        (("Patch replacement, 4×4 grid", "25 %"), NAMES[1]),
        (("Patch replacement, 4×4 grid", "50 %"), NAMES[2]),
        (("Patch drop, 4×4 grid", "50 %"), NAMES[3]),
        (("Patch drop, 4×4 grid", "clean"), NAMES[0]),
    ):
        assert drawn.pop(key) == [(e, 100 * history[name][e]) for e in (0, 2, 4)]
    assert list(drawn) == [("Patch replacement, 4×4 grid", "clean")]


def test_panels_follow_the_suite():
    suite = [PatchDrop(14, (0.25, 0.5)), PatchDrop(7, 0.5, fill="mean"), PatchPermutation((2, 4))]
    conditions = [Condition("clean"), *(c for member in suite for c in member.conditions)]
    curves = epoch_curves(conditions, log_name)
    assert [list(members) for members in curves.values()] == [
        ["25 %", "50 %"],
        ["50 %"],
        ["2×2 tiles", "4×4 tiles"],
    ]
    names = [name for members in curves.values() for name in members.values()]
    assert names == [f"val_{condition.name}" for condition in conditions[1:]]


def test_a_picture_of_no_epoch_is_refused():
    with pytest.raises(ValueError, match=r"`timeline` must hold an entry.*Received: 1 entries"):
        plot_epochs([{"epoch": 0, "values": {"val_occlusion_clean": 1}}], {})


def test_training_ends_well_without_matplotlib(tmp_path, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.warns(UserWarning, match=r"draws no pictures.*keras-patchmix\[report\]") as caught:
        fit([benchmark(directory=tmp_path)], 1)
    assert sum("pictures" in str(warning.message) for warning in caught) == 1
    assert sorted(os.listdir(tmp_path)) == ["occlusion.json", "occlusion.jsonl"]


@pytest.mark.parametrize(
    ("verbose", "of_fit", "said"),
    [("auto", 2, True), ("auto", 0, False), (True, 0, True), (False, 2, False)],
)
def test_it_says_as_much_as_fit_does_or_as_it_is_told(verbose, of_fit, said, capsys):
    fit([benchmark(verbose=verbose)], 1, verbose=of_fit)
    out = capsys.readouterr().out
    for text in ("After epoch 0", "patch_drop         4x4    50 %", "s of training ("):
        assert (text in out) is said
    assert ("1 of 1 epochs scored" in out) is said


@pytest.mark.parametrize("verbose", ["yes", None, 3])
def test_wrong_verbosity_is_named(verbose):
    with pytest.raises(ValueError, match=f"`verbose` must be .*{verbose}"):
        benchmark(verbose=verbose)


def test_a_model_that_diverged_is_logged_as_0_with_one_warning():
    def diverge(epoch, logs):
        if epoch:
            model = callback.model
            model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])

    callback = benchmark()
    stopping = keras.callbacks.EarlyStopping("val_occlusion_mean", mode="max", patience=2)
    broken = keras.callbacks.LambdaCallback(on_epoch_end=diverge)
    message = "After epoch 1, counted from 0, no output of the model was finite for val_occlusion_"
    with pytest.warns(UserWarning, match=message) as caught:
        _, history = fit([broken, callback, stopping], 6)
    assert sum("no output of the model" in str(warning.message) for warning in caught) == 1
    for name in NAMES:
        assert history[name][0] > 0
        assert history[name][1:] == [0, 0]
    assert history["val_occlusion_mean"][1:] == [0, 0]
    assert [line["n_nonfinite"] for line in callback.timeline] == [0, 200, 200]


def test_a_row_without_a_score_counts_as_0_in_the_mean():
    def row(corruption, level, top1, grid=(4, 4)):
        return Row(
            Condition(corruption, grid, level).name,
            corruption,
            grid,
            level,
            share=level or 0,
            n=8,
            top1=top1,
            top5=None,
            standard_error=0.0,
            n_nonfinite=0,
        )

    rows = [
        row("clean", None, 1.0, None),
        row("a", 0.2, 0.5),
        row("a", 0.4, None),
        row("b", 0.5, 0.75),
    ]
    assert log_values(Report(rows, {}), 7) == {
        "val_occlusion_clean": 1.0,
        "val_a_4x4_20": 0.5,
        "val_a_4x4_40": 0.0,
        "val_b_4x4_50": 0.75,
        "val_occlusion_mean": (0.25 + 0.75) / 2,
        "val_occlusion_epoch": 7,
    }


def test_the_digest_is_of_examples_not_of_their_order():
    def digest(labels, index):
        return examples_digest(np.array(labels), np.array(index))

    assert digest([3, 1, 2], [0, 1, 2]) == digest([2, 3, 1], [2, 0, 1])
    assert digest([3, 1, 2], [0, 1, 2]) != digest([2, 3, 1], [0, 1, 2])
    assert digest([3, 1, 2], [0, 1, 2]) != digest([3, 1, 2], [0, 1, 3])


class Reshuffled(Batches):
    """Comes in a new order in every pass, with or without an index."""

    indexed = False

    def __getitem__(self, step):
        if step == 0:
            order = np.random.default_rng(self.read).permutation(len(self.data[0]))
            self.data = tuple(x[order] for x in self.data)
        batch = super().__getitem__(step)
        return (
            dict(zip(("images", "labels", "index"), batch, strict=True)) if self.indexed else batch
        )


def test_a_data_set_that_reshuffles_is_noticed_and_told_the_way_out(model):
    shuffled = Reshuffled(data(50, seed=1), 16)
    with pytest.warns(UserWarning, match="in another order, after epoch 1 than after epoch 0") as w:
        drive(OcclusionBenchmark(shuffled, SUITE), model, 3)
    text = next(str(x.message) for x in w if "another order" in str(x.message))
    assert "reshuffle_each_iteration=False" in text
    assert "'index'" in text
    assert sum("another order" in str(x.message) for x in w) == 1


def test_with_an_index_a_reshuffled_data_set_scores_the_same_images():
    shuffled = Reshuffled((*data(50, seed=1), np.arange(50)), 16)
    shuffled.indexed = True
    suite = [PatchDrop(4, 0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model, history = fit([OcclusionBenchmark(shuffled, suite)], 3)
    report = evaluate(model, val_data(), suite=suite)
    assert [row.top1 for row in report.rows] == [history[name][-1] for name in (NAMES[0], NAMES[3])]


def test_other_examples_after_a_restart_are_noticed(model, tmp_path, monkeypatch):
    monkeypatch.setattr(epoch_benchmark.EpochBenchmark, "_draw", lambda *_: None)
    drive(benchmark(directory=tmp_path), model, 1)
    other = benchmark(directory=tmp_path, max_examples=20)
    with pytest.warns(UserWarning, match="after epoch 1 than after epoch 0"):
        drive(other, model, 2, 1)


def test_only_the_chief_writes_and_speaks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(epoch_benchmark, "is_chief", lambda model: False)
    _, history = fit([benchmark(directory=tmp_path / "run", verbose=True)], 2)
    assert set(history) >= ALL
    assert os.listdir(tmp_path) == []
    assert capsys.readouterr().out == ""


def test_a_precision_takes_fewer_images_and_the_same_first_ones_each_epoch(tmp_path):
    given = {"dataset": batched(data(800, seed=1), 16), "suite": SUITE, "max_examples": 700}
    callback = OcclusionBenchmark(**given, precision=12, directory=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # none of other images in a later epoch
        _, history = fit([callback], epochs=3)
    report = callback.report
    assert report.settings["sequential"]["population"] == 700
    assert max(row.n for row in report.rows) < 350
    assert len({line["examples_sha256"] for line in lines_of(tmp_path)}) == 1
    assert {line["precision"] for line in lines_of(tmp_path)} == {12.0}
    assert history["val_occlusion_mean"][-1] == report.mean
    assert Report.load(tmp_path / "occlusion.json").rows == report.rows
    # Values of all images are not taken for those of some.
    with pytest.warns(UserWarning, match="another suite, seed or precision"):
        fit([OcclusionBenchmark(**given, directory=tmp_path)], epochs=4, initial_epoch=3)
