"""Sets of occluded images in the command."""

import csv
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets")

from keras_patchmix.cli import occluded_sets
from keras_patchmix.cli.listing import difference
from keras_patchmix.cli.occluded_sets import name_and_split
from keras_patchmix.occlusion import (
    Benchmark,
    DatasetOcclusion,
    PatchDrop,
    Report,
    backup,
    evaluate,
    occluded_split,
    serialize,
)
from tests.cli.score.cases import CLASSES, SIZE, run, small_model, write_folder
from tests.command_line import result, subcommand
from tests.occlusion.occluded_data import NAMES, write_set

SPLITS = ("coverage_20", "coverage_100")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Photos, more photos, one of them broken, a TFDS set of the same classes, models."""
    root = tmp_path_factory.mktemp("place")
    write_folder(root / "photos")
    write_folder(root / "hidden", 4)
    (root / "hidden" / "cat" / "1.png").write_bytes(b"no image")
    write_set(root / "tfds", "smd", SPLITS, size=SIZE)
    (root / "suite.json").write_text(json.dumps(serialize([PatchDrop(4, 0.5)])))
    small_model(1).save(root / "a.keras")
    small_model(2).save(root / "b.keras")
    small_model(3, 7).save(root / "seven.keras")
    (root / "seven.json").write_text(json.dumps({"cat": 6, "dog": [0, 2], "owl": 1}))
    return root


@pytest.fixture
def flags(place, monkeypatch):
    monkeypatch.chdir(place)
    return (
        "--dataset folder:photos --split all --suite suite.json --data-dir tfds --batch-size 8"
        " --model a.keras"
    ).split()


@pytest.fixture(scope="module")
def finished(place):
    """What the command says and writes of two models and two sets."""
    import contextlib
    import io
    import os

    before, said = os.getcwd(), io.StringIO()
    os.chdir(place)
    flags = "--dataset folder:photos --split all --suite suite.json --data-dir tfds --batch-size 8"
    flags += " --model a.keras --model b.keras --occluded folder:hidden --occluded smd --per-class"
    try:
        with contextlib.redirect_stdout(said):
            assert subcommand("score")([*flags.split(), "--output", "both"]) == 0
    finally:
        os.chdir(before)
    return place / "both", said.getvalue(), flags.split()


ROWS = ["clean", "patch_drop_4x4_50", "hidden", "smd_coverage_20", "smd_coverage_100"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smd", ("smd", None)),
        ("smd:coverage_20", ("smd", "coverage_20")),
        ("smd:1.0.0", ("smd:1.0.0", None)),
        ("smd/first:1.0.0:test[:50%]", ("smd/first:1.0.0", "test[:50%]")),
        ("smd:test[:50%]", ("smd", "test[:50%]")),
        ("smd:train+test", ("smd", "train+test")),
        ("folder:photos", ("folder:photos", None)),
        ("folder:photos:all", ("folder:photos", "all")),
        ("folder:a:b", ("folder:a:b", None)),
        ("folder:a:b:test", ("folder:a:b", "test")),
        ("records:made/smd", ("records:made/smd", None)),
        ("records:made/smd:coverage_20", ("records:made/smd", "coverage_20")),
    ],
)
def test_the_flag_holds_a_name_and_a_split(text, expected):
    assert name_and_split(text) == expected


@pytest.mark.parametrize("text", ["", ":test", "[x]"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(ValueError, match="--occluded must be NAME"):
        name_and_split(text)


def test_reports_hold_the_sets_with_all_splits_in_their_order(finished, place):
    directory, _, _ = finished
    for name in ("a", "b"):
        report = Report.load(directory / name)
        assert [row.name for row in report.rows] == ROWS
        assert [row.n for row in report.rows] == [30, 30, 11, 9, 9]
        assert report.datasets["hidden"].settings["class_names"] == list(CLASSES)
        assert report.datasets["hidden"].skipped[0]["name"] == "cat/1.png"
    with open(directory / "report.csv") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == ROWS * 2
    assert [line["dataset"] for line in lines[1:4]] == ["folder:photos", "folder:hidden", "smd"]
    assert [line["split"] for line in lines[1:4]] == ["all", "all", "coverage_20"]
    assert 'data-row="smd_coverage_100"' in (directory / "report.html").read_text()
    classes = (directory / "b" / "classes.csv").read_text()
    assert re.search(r"^hidden,0,cat,3,", classes, re.MULTILINE)


def test_what_is_printed_names_sets_and_their_images(finished):
    _, said, _ = finished
    assert "hidden: 12 occluded images, all\n" in said
    assert "smd_coverage_20: 9 occluded images, coverage_20\n" in said
    assert "\nhidden: 11 images of its own\n" in said
    assert "Could not be read: hidden: cat/1.png (" in said
    last = result(said)
    assert last["sets"] == {"hidden": 11, "smd_coverage_20": 9, "smd_coverage_100": 9}
    assert (last["n"], last["skipped"]) == (30, 1)
    assert list(last["top1"]["a"]) == ROWS
    assert re.search(r"^smd_coverage_20 +[\d.]+ +[\d.]+ +[+-]", said, re.MULTILINE)


def test_the_classes_of_a_set_are_printed_where_they_are_others(place, monkeypatch):
    monkeypatch.chdir(place)
    photos = DatasetOcclusion("folder:photos", "all")
    suite = [PatchDrop(4, 0.5), photos, DatasetOcclusion("folder:hidden", "all")]
    expected = [f"{name}: Classes: 0 'cat', 1 'dog', 2 'owl'" for name in ("photos", "hidden")]
    assert occluded_sets.set_class_lines(suite, CLASSES) == []
    assert occluded_sets.set_class_lines(suite, ("cat", "dog", "fox")) == expected
    assert occluded_sets.set_class_lines(suite, CLASSES[::-1]) == expected


def test_a_set_with_other_names_is_scored_by_position_and_said_so(flags, place, capsys):
    write_folder(place / "insects", 4, ("ant", "bee", "wasp"))
    more = ["--occluded", "folder:insects:all", "--output", "insects_out"]
    with pytest.warns(UserWarning, match=r"'insects' .*class 0 is 'ant', and output 0 'cat'"):
        status, said, _ = run([*flags, *more], capsys)
    assert status == 0
    assert "\ninsects: Classes: 0 'ant', 1 'bee', 2 'wasp'\n" in said


def test_a_set_with_the_names_in_another_order_is_refused(flags, place, capsys):
    # Names of classes in a TFDS set stand in any order.
    write_two_classes("tfds", "turned", ("dog", "cat", "owl"))
    status, _, wrong = run([*flags, "--occluded", "turned", "--output", "turned_out"], capsys)
    assert status == 1
    assert "--model a, 'turned': the set has the classes" in wrong
    assert "--class-map" in wrong


def test_the_command_agrees_with_evaluate(finished, place, monkeypatch):
    import keras

    from keras_patchmix import datasets

    monkeypatch.chdir(place)
    model = keras.models.load_model("b.keras")
    suite = [
        PatchDrop(4, 0.5),
        DatasetOcclusion("folder:hidden", "all"),
        DatasetOcclusion("smd", SPLITS, data_dir="tfds"),
    ]
    data = datasets.load_for_scoring("folder:photos", "all", batch_size=8)
    report = evaluate(model, data, suite=suite)
    assert report.rows == Report.load("both/b").rows


def test_the_same_command_again_scores_nothing(finished, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    _, _, flags = finished
    status, said, _ = run([*flags, "--output", "both"], capsys)
    assert status == 0
    assert "All of this was scored before" in said


def test_a_set_that_has_changed_is_named(finished, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    _, _, flags = finished
    shutil.copytree("both", "again")
    shutil.copy("hidden/dog/0.png", "hidden/dog/9.png")
    try:
        status, _, wrong = run([*flags, "--output", "again"], capsys)
    finally:
        (place / "hidden/dog/9.png").unlink()
    assert status == 1
    assert "hidden: the folder now holds 13 images, these results are of 12" in wrong


def test_other_sets_are_another_command(finished, place, flags, capsys):
    shutil.copytree("both", "other")
    status, _, wrong = run([*finished[2][:-3], "--output", "other"], capsys)
    assert status == 1
    assert "--occluded (folder:hidden smd there, folder:hidden now)" in wrong


def test_directories_from_before_the_flag_go_on(flags, capsys):
    assert run([*flags, "--output", "old"], capsys)[0] == 0
    config = json.loads(Path("old/config.json").read_text())
    del config["options"]["occluded"]
    Path("old/config.json").write_text(json.dumps(config))
    assert "scored before" in run([*flags, "--output", "old"], capsys)[1]


def test_a_listing_with_other_sets_is_said_so():
    one = {"split": "test", "images": 3, "version": "x 1.0.0"}
    assert difference(one, dict(one)) is None
    with_set = {**one, "sets": {"smd": {**one, "images": 5}}}
    assert difference(one, with_set) == "the sets of occluded images were none, and are smd"
    other = {**one, "sets": {"smd": {**one, "images": 6}}}
    assert "smd: the data set is now x 1.0.0, test, 6 images" in difference(with_set, other)


def test_a_suite_file_may_hold_sets(flags, place, capsys):
    suite = [PatchDrop(4, 0.5), DatasetOcclusion("smd", SPLITS[0], data_dir="tfds", name="own")]
    (place / "with_set.json").write_text(json.dumps(serialize(suite)))
    more = ["--suite", "with_set.json", "--output", "suite"]
    assert run([*flags, *more], capsys)[0] == 0
    assert Report.load("suite").row("own").n == 9
    assert "own" in json.loads(Path("suite/config.json").read_text())["data"]["sets"]
    assert "scored before" in run([*flags, *more], capsys)[1]


def test_a_set_of_the_same_classes_or_in_the_file_has_the_models_class_map(flags, capsys):
    flags = [flag for flag in flags if flag not in ("--model", "a.keras")]
    more = "--model seven.keras --class-map seven.json --occluded smd:coverage_20 --output seven"
    assert run([*flags, *more.split()], capsys)[0] == 0
    report = Report.load("seven")
    expected = [[6], [0, 2], [1]]
    assert report.settings["class_map"] == expected
    assert report.datasets["smd"].settings["class_map"] == expected
    # The map names the classes of the set, whatever order and number the data set has.
    for split in SPLITS[:1]:
        assert report.datasets["smd"].settings["split"] == split


def test_models_of_imagenet_find_the_classes_that_no_map_is_known_of(flags, monkeypatch):
    spec = SimpleNamespace(class_map=None)
    loaded = SimpleNamespace(spec=spec, imagenet=True)
    monkeypatch.setattr(
        occluded_sets, "imagenet_outputs", lambda names: [[ord(n[0])] for n in names]
    )
    other = DatasetOcclusion("records:tfds/smd/1.0.0", SPLITS[0], class_map=None, name="other")
    suite = [PatchDrop(4), DatasetOcclusion("records:tfds/smd/1.0.0", SPLITS[0]), other]
    drop, found, kept = occluded_sets.with_class_maps(suite, loaded, 1000, ("x", "y"), None)
    assert (drop, kept) == (suite[0], suite[2])
    assert found.class_map == [[ord(name[0])] for name in NAMES]
    assert (found.dataset, found.name, found.splits) == (suite[1].dataset, "smd", SPLITS[:1])
    # The set says what it is, not its path.
    monkeypatch.setattr(occluded_split, "_IMAGENET_MAPS", {"smd": "a module"})
    assert occluded_sets.with_class_maps(suite, loaded, 1000, ("x", "y"), None) == suite


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--occluded nowhere", "--occluded nowhere: NAME must be"),
        ("--occluded folder:nowhere", "folder:nowhere"),
        ("--occluded smd:none", "has no split 'none'"),
        ("--occluded folder:hidden --occluded folder:./hidden", "share the row 'hidden'"),
        ("--occluded other", "--model a, 'other': the set has 2 classes, and the model 3 outputs"),
    ],
)
def test_errors_are_one_line_before_anything_is_scored(more, message, flags, capsys, monkeypatch):
    scored = []
    monkeypatch.setattr(Benchmark, "run", lambda *args, **kwargs: scored.append(args))
    if more.endswith("other"):
        write_two_classes("tfds")
    status, _, wrong = run([*flags, *more.split(), "--output", "wrong"], capsys)
    assert status == 1
    assert message in wrong
    assert len(wrong.strip().splitlines()) == 1
    assert scored == []


def write_two_classes(data_dir, name="other", names=("cat", "fox")):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(SIZE, SIZE, 3)),
        "label": tfds.features.ClassLabel(names=names),
    }
    values = {"image": np.zeros((4, SIZE, SIZE, 3), np.uint8), "label": np.arange(4) % 2}
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"test": tf.data.Dataset.from_tensor_slices(values)},
        data_dir=data_dir,
    )


STEERED = """
calls, at = 0, None

def steered(images):
    global calls
    calls += 1
    if calls == at:
        raise KeyboardInterrupt
    return images
"""
# One image, two rows of four batches, and before them a batch of each of three sets; then two
# batches of each set.
BEFORE_THE_SETS = 1 + 3 + 2 * 4


@pytest.mark.parametrize(
    "at", [pytest.param(BEFORE_THE_SETS + 2, marks=pytest.mark.slow), BEFORE_THE_SETS + 4]
)
def test_interrupted_inside_a_set_it_goes_on_there(at, flags, place, capsys, monkeypatch):
    monkeypatch.syspath_prepend(place)
    (place / "steering_sets.py").write_text(STEERED)
    import steering_sets

    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    sets = "--occluded folder:hidden --occluded smd --preprocess steering_sets:steered"
    if not Path("whole/report.json").exists():  # the same for every place
        steering_sets.calls, steering_sets.at = 0, None
        assert run([*flags, *sets.split(), "--output", "whole"], capsys)[0] == 0
        assert steering_sets.calls == BEFORE_THE_SETS + 2 * 3
    steering_sets.calls, steering_sets.at = 0, at
    directory = f"stopped{at}"
    status, _, wrong = run([*flags, *sets.split(), "--output", directory], capsys)
    assert status == 130
    assert "To resume" in wrong
    steering_sets.calls, steering_sets.at = 0, None
    status, said, _ = run([*flags, *sets.split(), "--output", directory], capsys)
    assert status == 0
    assert "scoring resumes" in said
    # Of each pass that had begun the first batch is scored again, and compared.
    again = 2 + 1 + (at > BEFORE_THE_SETS + 3)
    assert steering_sets.calls == 1 + 3 + BEFORE_THE_SETS + 2 * 3 - at + 1 + again
    whole, stopped = (json.loads(Path(d, "report.json").read_text()) for d in ("whole", directory))
    assert stopped == whole
