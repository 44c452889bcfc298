"""Copies of callbacks, as KerasTuner makes one for each trial, and directories that are none."""

import copy
import os

import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark, SelectivityBenchmark
from keras_patchmix.callbacks.epoch_files import check_directory
from keras_patchmix.occlusion import Benchmark, DatasetOcclusion, PatchDrop
from tests.callbacks.runs import SUITE, compiled_model, drive, fit, lines_of, val_data

FEW = {"max_examples": 3, "num_masks": 4, "grid_size": 4, "from_logits": True, "batch_size": 8}


def occlusion(**settings):
    return OcclusionBenchmark(val_data(), SUITE, **settings)


def selectivity(**settings):
    return SelectivityBenchmark(val_data(), 1, **FEW, **settings)


KINDS = pytest.mark.parametrize(
    ("make", "score"),
    [(occlusion, "val_occlusion_mean"), (selectivity, "val_patch_selectivity")],
    ids=["occlusion", "selectivity"],
)


@KINDS
def test_a_copy_that_was_made_before_or_after_a_fit_works_in_one_of_its_own(make, score, tmp_path):
    original = make(directory=tmp_path / "run")
    before = copy.deepcopy(original)
    _, expected = fit([original], 2)
    report, timeline = original.report, list(original.timeline)
    model = original.model
    after = copy.deepcopy(original)
    assert after.model is model
    (tmp_path / "run").rename(tmp_path / "first")
    for one in (before, after):
        assert type(one) is type(original)
        _, found = fit([one], 2)
        assert found[score] == expected[score]
        # What the copy did is nothing that the original has done.
        assert original.report is report
        assert original.timeline == timeline
        assert original.model is model
    values = [line["values"] for line in timeline]
    assert [line["values"] for line in after.timeline] == values


def test_copies_keep_what_a_subclass_adds_apart():
    class Own(OcclusionBenchmark):
        def __init__(self, *args):
            super().__init__(*args)
            self.seen = []

    original = Own(val_data(), SUITE)
    copied = copy.deepcopy(original)
    copied.seen.append(1)
    copied.timeline.append({})
    assert original.seen == original.timeline == []


def test_a_benchmark_can_be_copied_with_sets_of_its_own(model):
    suite = [PatchDrop(4, 0.5), DatasetOcclusion(val_data(), name="own")]
    benchmark = Benchmark(val_data(), suite, max_examples=20)
    expected = benchmark.run(model, False)
    for one in (
        copy.deepcopy(Benchmark(val_data(), suite, max_examples=20)),
        copy.deepcopy(benchmark),
    ):
        assert one.suite == benchmark.suite
        assert one.run(model, False).rows == expected.rows


@KINDS
@pytest.mark.parametrize("place", ["file", "file/below", "link"])
def test_a_directory_that_is_a_file_is_found_before_the_first_epoch(make, score, place, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    model = compiled_model()
    begun = [np.array(value) for value in model.get_weights()]
    with pytest.raises(ValueError, match=r"`directory` must be.* is no directory"):
        fit([make(directory=tmp_path / place)], 1, model)
    assert all((a == b).all() for a, b in zip(begun, model.get_weights(), strict=True))
    assert (tmp_path / "file").read_text() == "mine"


@KINDS
def test_a_directory_in_the_place_of_a_file_is_found_too(make, score, tmp_path, model):
    for name in (f"{make.__name__}.jsonl", f"{make.__name__}.json", f"{make.__name__}.png"):
        (tmp_path / name / name).mkdir(parents=True)
        with pytest.raises(ValueError, match=f"`directory` must have room for a file '{name}'"):
            drive(make(directory=tmp_path / name), model, 1)


@KINDS
@pytest.mark.parametrize("directory", [3, b"run", ["run"]])
def test_what_is_no_path_is_refused(make, score, directory):
    with pytest.raises(ValueError, match="`directory` must be a path or None"):
        make(directory=directory)


def test_a_directory_that_may_not_be_written_to_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="`directory` must be writable"):
        check_directory(tmp_path / "a" / "b", ["x"], to_write=True)
    check_directory(tmp_path / "a" / "b", ["x"], to_write=False)


def test_a_directory_below_those_that_are_not_there_is_made(tmp_path, model):
    drive(occlusion(directory=tmp_path / "a" / "b"), model, 1)
    assert len(lines_of(tmp_path / "a" / "b")) == 1
