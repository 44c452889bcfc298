"""The command in this process: its files, its numbers, what it refuses."""

import csv
import json
import re
import sys

import keras
import numpy as np
import pytest

pytest.importorskip("PIL")

from keras_patchmix import datasets
from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.cli.score import command
from keras_patchmix.occlusion import PatchDrop, Report, evaluate
from keras_patchmix.occlusion.benchmark import Benchmark
from tests.cli.score.cases import (
    CLASSES,
    ROWS,
    SUITE,
    run,
    small_model,
    write_folder,
    write_suite,
)
from tests.command_line import result, subcommand
from tests.datasets.listing import list_images

BROKEN = {"cat/broken.png": "no image of a known format", "owl/empty.jpg": "the file is empty"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two broken files, a suite and two models."""
    root = tmp_path_factory.mktemp("place")
    write_folder(root / "photos")
    (root / "photos" / "cat" / "broken.png").write_text("no image at all")
    (root / "photos" / "owl" / "empty.jpg").write_bytes(b"")
    write_suite(root / "suite.json")
    small_model(1).save(root / "a.keras")
    small_model(2).save(root / "b.keras")
    return root


@pytest.fixture(scope="module")
def flags(place):
    data = f"--dataset folder:{place / 'photos'} --split all --suite {place / 'suite.json'}"
    return [*data.split(), "--model", str(place / "a.keras"), "--batch-size", "8"]


@pytest.fixture(scope="module")
def finished(place, flags):
    """The outcome of the command on one model, and on two."""
    for more, name in (([], "one"), (["--model", f"second={place / 'b.keras'}"], "two")):
        assert subcommand("score")([*flags, *more, "--output", str(place / name)]) == 0
    return place


def test_one_model_has_every_file_in_one_directory(finished):
    names = {path.name for path in (finished / "one").iterdir()}
    assert names == {"config.json", "report.json", "report.csv", "curves.png", "report.html"}
    report = Report.load(finished / "one")
    assert [row.name for row in report.rows] == ROWS
    assert report.settings["model"] == "a"
    assert report.settings["dataset"] == f"folder:{finished / 'photos'}"
    assert report.settings["class_names"] == list(CLASSES)
    assert report.settings["command"].endswith(f"--suite {finished / 'suite.json'} --batch-size 8")
    rows = list(csv.DictReader((finished / "one" / "report.csv").open()))
    assert [float(row["top1"]) for row in rows] == [row.top1 for row in report.rows]
    assert "patch_drop" in (finished / "one" / "report.html").read_text().lower().replace(" ", "_")


def test_several_models_have_a_folder_each_and_share_the_rest(finished):
    assert {path.name for path in (finished / "two").iterdir()} == {
        "config.json", "report.csv", "curves.png", "report.html", "a", "second",
    }  # fmt: skip
    single, first = (Report.load(finished / name) for name in ("one", "two/a"))
    assert first.rows == single.rows
    rows = list(csv.DictReader((finished / "two" / "report.csv").open()))
    assert [row["model"] for row in rows] == ["a"] * 4 + ["second"] * 4
    assert [row["name"] for row in rows] == ROWS * 2
    page = (finished / "two" / "report.html").read_text()
    assert "second" in page
    assert "broken.png" in page


def test_the_table_and_the_last_line_are_the_reports(finished, flags, capsys):
    more = ["--model", f"second={finished / 'b.keras'}", "--output", finished / "two"]
    status, out, _ = run([*flags, *more, "--per-class"], capsys)
    assert status == 0
    assert "All of this was scored before" in out
    said = result(out)
    assert (said["n"], said["skipped"], said["split"]) == (30, 2, "all")
    reports = {name: Report.load(finished / "two" / name) for name in ("a", "second")}
    for name, report in reports.items():
        assert said["top1"][name] == {row.name: round(row.top1, 4) for row in report.rows}
        classes = list(csv.DictReader((finished / "two" / name / "classes.csv").open()))
        assert {row["class_name"] for row in classes} == set(CLASSES)
        assert sum(int(row["n"]) for row in classes) == 30 * len(ROWS)
    difference = reports["a"].compare(reports["second"]).row("clean")
    (line,) = [line for line in out.splitlines() if line.startswith("clean")]
    assert f"{100 * difference.difference:+.2f}" in line.split()
    assert "30 images of 24x24, 2 more could not be read" in out
    assert all(f"{name} ({reason}" in out for name, reason in BROKEN.items())


def test_a_model_of_images_of_0_to_1_is_doubted_in_print_and_on_the_page(place, flags, capsys):
    """It compares corners with 0.5, where images of 0..255 are all bright."""
    kernel = np.zeros((4, 3, 3), "float32")
    kernel[0, 0], kernel[1, 0, 1], kernel[2, 0, 2] = (1, -1, -1), 1, 1
    layers = [
        keras.layers.AveragePooling2D(12),
        keras.layers.Rescaling(20, offset=-10),
        keras.layers.Activation("tanh"),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential([keras.Input((24, 24, 3)), *layers])
    model.layers[-1].set_weights([kernel.reshape(12, 3), np.zeros(3)])
    model.save(place / "unit.keras")
    command_line = ["--model", place / "unit.keras", *flags[:-4], "--batch-size", "8"]
    doubt = re.compile(r"unit: of (\d+) images it has \1 right when they are divided by 255")
    for _ in range(2):  # the second time it is only printed
        status, out, _ = run([*command_line, "--output", place / "as_is"], capsys)
        assert status == 0
        assert len(doubt.findall(out)) == 1
    assert doubt.search((place / "as_is" / "report.html").read_text())
    unit = ["--preprocess", "unit", "--output", place / "unit"]
    status, out, _ = run([*command_line, *unit], capsys)
    assert (status, result(out)["top1"]["unit"]["clean"]) == (0, 1.0)
    assert not doubt.search(out)


def test_broken_images_are_named_and_leave_the_others_as_they_were(finished, place):
    report = Report.load(finished / "one")
    named = {entry["name"]: entry["reason"] for entry in report.skipped}
    assert named.keys() == BROKEN.keys()
    assert all(named[name].startswith(reason) for name, reason in BROKEN.items())
    listed = list_images(place / "photos", "all")[1]
    gone = [i for i, (name, _, _) in enumerate(listed) if name in BROKEN]
    index = report.outcomes.index
    np.testing.assert_array_equal(index, np.setdiff1d(np.arange(32), gone))
    np.testing.assert_array_equal(report.outcomes.labels, [listed[i][1] for i in index])


def test_the_command_evaluate_and_the_callback_agree(finished, place):
    report = Report.load(finished / "one")
    model = keras.saving.load_model(place / "a.keras")
    photos = datasets.load_for_scoring(f"folder:{place / 'photos'}", "all", batch_size=8)
    called = evaluate(model, photos, suite=SUITE)
    assert called.rows == report.rows
    assert called.outcomes.to_dict() == report.outcomes.to_dict()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    callback = OcclusionBenchmark(photos, SUITE)
    images, labels = np.zeros((4, 24, 24, 3)), np.zeros(4)
    history = model.fit(images, labels, verbose=0, callbacks=[callback]).history
    logged = [history["val_occlusion_clean"], *(history[f"val_{name}"] for name in ROWS[1:])]
    assert logged == [[row.top1] for row in report.rows]


def test_a_directory_of_another_command_is_refused_with_the_flags(finished, flags, capsys):
    output = ["--output", finished / "one"]
    status, _, err = run([*flags, *output, "--seed", "3"], capsys)
    assert status == 1
    assert "holds the results of another command" in err
    assert err.strip().endswith("Different: --seed (0 there, 3 now)")
    assert err.count("\n") == 1


def test_a_file_that_has_changed_is_named(place, flags, capsys, tmp_path):
    model = tmp_path / "net.keras"
    small_model(1).save(model)
    flags = [*flags, "--model", model, "--output", tmp_path / "out"]
    assert run(flags, capsys)[0] == 0
    small_model(3).save(model)
    status, _, err = run(flags, capsys)
    assert status == 1
    assert f"the file '{model}', which has changed" in err


def test_directories_that_hold_something_else_are_refused(flags, capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"epochs": 3}')
    for path, message in ((tmp_path, "holds something else"), (tmp_path / "config.json", "holds")):
        status, _, err = run([*flags, "--output", path], capsys)
        assert status == 1
        assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--image-size 32", "--image-size 32: the model 'a' takes images of 24x24 pixels"),
        ("--model keras.applications:VGG", "keras.applications has no model 'VGG'"),
        ("--suite none.json", "--suite must be default, extended or a JSON file"),
        ("--split dev", "--split must be one of ['train', 'validation', 'test', 'all']"),
        ("--dataset folder:none", '--dataset must be "folder:PATH" with a folder that exists'),
        pytest.param(
            *("--dataset no_such_set", '--dataset must be "shapes", '),
            marks=pytest.mark.needs("tensorflow_datasets"),
        ),
        ("--class-map none.json", "--class-map: 'none.json' cannot be read"),
        ("--saliency math:none", "--saliency: the module 'math' has no function 'none'"),
        ("--import no_such_module", "--import: the module 'no_such_module' cannot be imported"),
    ],
)
def test_errors_are_one_line_before_anything_is_scored(more, message, flags, capsys, tmp_path):
    status, out, err = run([*flags, *more.split(), "--output", tmp_path / "out"], capsys)
    assert status == 1
    assert message in err
    assert "Traceback" not in err
    assert "scoring" not in out
    assert not list((tmp_path / "out").glob("*"))


def test_a_directory_that_cannot_be_written_to_is_named(flags, capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, _, err = run([*flags, "--output", tmp_path / "file" / "out"], capsys)
    assert status == 1
    assert f"--output '{tmp_path / 'file' / 'out'}' cannot be written to: " in err


def test_models_that_are_alike_share_the_bank(place, flags, capsys, tmp_path, monkeypatch):
    made = []

    class Counted(Benchmark):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            made.append(self)

    monkeypatch.setattr(command, "Benchmark", Counted)
    more = [part for name in "bcd" for part in ("--model", f"{name}={place / 'b.keras'}")]
    unlike = ["--preprocess", "d=unit", "--output", tmp_path / "out"]
    status, out, _ = run([*flags, *more, *unlike], capsys)
    assert status == 0
    assert len(made) == 2  # for a, b and c, and for d
    top1 = result(out)["top1"]
    assert list(top1) == ["a", "b", "c", "d"]
    assert top1["b"] == top1["c"]


def test_sizes_that_vary_are_an_error_of_one_line(place, capsys, tmp_path):
    write_folder(tmp_path / "photos")
    keras.utils.save_img(tmp_path / "photos" / "cat" / "x.png", np.zeros((9, 8, 3)), scale=False)
    image = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(3)(pooled)).save(tmp_path / "any.keras")
    data = f"--dataset folder:{tmp_path / 'photos'} --split all --suite {place / 'suite.json'}"
    model = ["--model", tmp_path / "any.keras", "--output", tmp_path / "out"]
    status, _, err = run([*data.split(), *model], capsys)
    assert status == 1
    assert "no common size" in err
    assert "Traceback" not in err
    # Nothing was scored, so that another command may have the directory.
    status, out, _ = run([*data.split(), *model, "--image-size", "16"], capsys)
    assert status == 0
    assert result(out)["n"] == 31


def test_which_id_means_which_class_and_what_is_left_out_is_said(place, capsys, tmp_path):
    data = tmp_path / "data"
    write_folder(data / "Testing", count=2, names=("0", "10", "2"))
    write_folder(data / "Training", count=1, names=("0", "10", "2"))
    (data / "Training" / "11").mkdir()
    (data / "Testing" / "10" / "raw.heic").touch()
    model = tmp_path / "four.keras"
    small_model(1, classes=4).save(model)
    flags = f"--dataset folder:{data} --suite {place / 'suite.json'} --model {model}"
    with pytest.warns(UserWarning, match="1 of 4 classes of 'Training' without images.*: '11'"):
        status, out, _ = run([*flags.split(), "--output", tmp_path / "out"], capsys)
    assert status == 0
    first = out.partition("four: scoring")[0]
    assert "Classes: 0 '0', 1 '10', 2 '11', 3 '2'\n" in first
    assert "class 1 is '10'" in first
    report = Report.load(tmp_path / "out")
    assert report.settings["left_out"] == "1 .heic ('Testing/10/raw.heic')"
    assert "Left out of the folder: 1 .heic ('Testing/10/raw.heic')" in out
    assert sorted(report.outcomes.labels) == [0, 0, 1, 1, 3, 3]
    assert "raw.heic" in (tmp_path / "out" / "report.html").read_text()


def test_models_of_other_sizes_are_not_set_side_by_side(flags, capsys, tmp_path):
    small_model(size=32).save(tmp_path / "large.keras")
    status, _, err = run(
        [*flags, "--model", tmp_path / "large.keras", "--output", tmp_path / "out"], capsys
    )
    assert status == 1
    assert "take a 24x24, large 32x32" in err


def test_a_class_map_picks_outputs_out_of_many(place, flags, capsys, tmp_path):
    model = small_model(4, classes=7)
    model.save(tmp_path / "seven.keras")
    chosen = {"cat": 6, "dog": [0, 3], "owl": 2}
    (tmp_path / "map.json").write_text(json.dumps(chosen))
    base = [*flags[:-4], *flags[-2:], "--model", tmp_path / "seven.keras", "--output"]
    status, _, err = run([*base, tmp_path / "out"], capsys)
    assert (status, "returns 7 scores, but the data set has 3 classes" in err) == (1, True)
    mapped = [*base, tmp_path / "out", "--class-map", tmp_path / "map.json"]
    assert run(mapped, capsys)[0] == 0
    photos = datasets.load_for_scoring(f"folder:{place / 'photos'}", "all", batch_size=8)
    expected = evaluate(model, photos, suite=SUITE, class_map=[6, [0, 3], 2])
    assert Report.load(tmp_path / "out").rows == expected.rows


def test_corruptions_and_saliency_of_ones_own_are_found(
    place, flags, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_parts.py").write_text(
        "from keras_patchmix.occlusion import PatchDrop\n\n"
        "class Veil(PatchDrop):\n    kind = 'veil'\n\n"
        "def first_channel(images):\n    return images[..., 0].astype(float)\n"
    )
    suite = [
        {"class_name": "Veil", "config": {"grid_size": 2, "levels": [0.5]}},
        {"class_name": "PatchDrop", "config": {"grid_size": 2, "levels": 0.5, "order": "salient"}},
    ]
    (tmp_path / "own.json").write_text(json.dumps(suite))
    command = [*flags, "--suite", "own.json", "--import", "own_parts", "--output", "out"]
    status, _, err = run(command, capsys)
    assert (status, "--saliency MODULE:FUNCTION is needed" in err) == (1, True)
    status, out, err = run([*command, "--saliency", "own_parts:first_channel"], capsys)
    assert status == 0, err
    assert list(result(out)["top1"]["a"]) == ["clean", "veil_2x2_50", "patch_drop_salient_2x2_50"]
    model = keras.saving.load_model(place / "a.keras")
    photos = datasets.load_for_scoring(f"folder:{place / 'photos'}", "all", batch_size=8)
    own = sys.modules["own_parts"]
    expected = evaluate(
        model,
        photos,
        suite=[own.Veil(2, 0.5), PatchDrop(2, 0.5, order="salient")],
        saliency=own.first_channel,
    )
    assert Report.load("out").rows == expected.rows


def test_a_model_of_keras_applications_is_scored_as_keras_preprocesses(capsys, tmp_path):
    write_folder(tmp_path / "photos", count=2, size=40)
    suite = write_suite(tmp_path / "suite.json")
    data = f"--dataset folder:{tmp_path / 'photos'} --split all --suite {suite} --image-size 32"
    keras.utils.set_random_seed(5)
    status, out, err = run(
        [
            *data.split(),
            *"--model keras.applications:MobileNetV2 --weights none --output".split(),
            tmp_path / "out",
        ],
        capsys,
    )
    assert status == 0, err
    report = Report.load(tmp_path / "out")
    assert report.settings["preprocess"].endswith("mobilenet_v2.preprocess_input")
    assert report.settings["image_size"] == [32, 32]
    assert report.settings["weights"] == "none"
    assert result(out)["n"] == 6
