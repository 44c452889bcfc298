"""The command on a data set: its files, its numbers, and how it goes on."""

import csv
import json

import keras
import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("matplotlib")

from keras_patchmix import datasets, explain, occlusion
from keras_patchmix.explain import benchmark
from keras_patchmix.occlusion import backup
from tests.cli.explain.cases import (
    CLASSES,
    by_color,
    deletion_area,
    run,
    without_pictures,
    write_folder,
)
from tests.command_line import result, subcommand


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    write_folder(root / "photos")
    (root / "photos" / "red" / "broken.png").write_text("no image at all")
    by_color().save(root / "a.keras")
    by_color(-1, "softmax").save(root / "b.keras")
    return root


@pytest.fixture(scope="module")
def flags(place):
    data = f"--dataset folder:{place / 'photos'} --split all --model {place / 'a.keras'}"
    maps = "--patches 2 --level 0.5 --num-masks 60 --grid-size 4 --figures 2 --batch-size 16"
    return [*data.split(), *maps.split(), "--model", f"opposite={place / 'b.keras'}"]


@pytest.fixture(scope="module")
def finished(place, flags):
    assert subcommand("explain")([*flags, "--output", str(place / "two")]) == 0
    return place / "two"


@pytest.fixture
def few(monkeypatch):
    """Groups of four images, each saved."""
    monkeypatch.setattr(benchmark, "_GROUP_SIZE", 4)
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)


def test_a_model_that_reads_colors_is_selective_and_its_opposite_is_not(finished):
    reports = {
        name: explain.SelectivityReport.load(finished / name / "selectivity.json")
        for name in ("a", "opposite")
    }
    assert reports["a"].interval[0] > 0.6
    assert reports["opposite"].interval[1] < 0.4
    assert reports["a"].settings["scores"].startswith("logits (scores from 0 to 2.8")
    assert reports["opposite"].settings["scores"] == "probabilities (scores that sum to 1)"
    # Half of each image is its own: colors tie, and the opposite prefers the third one.
    assert reports["opposite"].accuracy == 0


def test_the_numbers_are_those_of_the_function(finished, place):
    photos = datasets.load_for_scoring(f"folder:{place / 'photos'}", "all", batch_size=16)
    called = explain.selectivity_benchmark(
        keras.saving.load_model(place / "a.keras"),
        photos,
        corruption=occlusion.PatchReplacement(2, 0.5),
        max_examples=100,
        num_masks=60,
        grid_size=4,
        batch_size=16,
        from_logits=True,
        num_kept=2,
    )
    there = explain.SelectivityReport.load(finished / "a" / "selectivity.json")
    assert there.rows == called.rows
    with np.load(finished / "a" / "maps.npz") as arrays:
        for name in ("images", "masks", "maps"):
            np.testing.assert_array_equal(arrays[name], called.examples[name])


def test_every_file_is_there_and_the_same_command_prints_them_again(finished, flags, capsys):
    assert {path.name for path in finished.iterdir()} == {
        "config.json", "rows.csv", "explain.png", "selectivity.png", "curves.png", "a", "opposite",
    }  # fmt: skip
    assert {path.name for path in (finished / "a").iterdir()} == {
        "selectivity.json", "explanation.json", "maps.npz",
    }  # fmt: skip
    status, out, _ = run([*flags, "--output", finished], capsys)
    assert status == 0
    assert "All of this was explained before" in out
    assert "Not read: 1: red/broken.png (no image of a known format" in out
    said = result(out)
    assert (said["n"], said["skipped"], said["split"]) == (12, 1, "all")
    report = explain.SelectivityReport.load(finished / "a" / "selectivity.json")
    other = explain.SelectivityReport.load(finished / "opposite" / "selectivity.json")
    assert said["models"]["a"]["selectivity"] == round(report.mean, 4)
    difference = report.compare(other)
    assert said["differences"] == {"opposite": [round(value, 4) for value in difference]}
    (line,) = [line for line in out.splitlines() if line.startswith("a - opposite")]
    assert f"{difference[0]:+.3f}" in line.split()
    rows = list(csv.DictReader((finished / "rows.csv").open()))
    assert [row["model"] for row in rows] == ["a"] * 12 + ["opposite"] * 12
    assert [float(row["selectivity"]) for row in rows[:12]] == report.values.tolist()
    assert {row["class_name"] for row in rows} == set(CLASSES)
    for name in ("deletion_area", "probability"):
        assert [bool(row[name]) for row in rows[:12]] == [True] * 2 + [False] * 10
    assert {row["predicted_name"] for row in rows} <= set(CLASSES)


def test_deletion_falls_where_the_map_is_right(finished):
    found = {
        name: json.loads((finished / name / "explanation.json").read_text())
        for name in ("a", "opposite")
    }
    for name in found:
        said = [row["predicted"] for row in found[name]["rows"]]
        report = explain.SelectivityReport.load(finished / name / "selectivity.json")
        assert said == [row["predicted"] for row in report.rows[:2]]
    for row in found["a"]["rows"]:
        # Its own half goes first; then the other class's half, and all are as probable.
        assert row["deletion_area"] == pytest.approx(deletion_area(), abs=0.01)
    assert len(found["a"]["curves"]["shares"]) == 51


def test_other_flags_are_refused_in_the_same_directory(finished, flags, capsys):
    status, _, err = run([*flags, "--seed", "3", "--output", finished], capsys)
    assert status == 1
    assert err.strip().endswith("Different: --seed (0 there, 3 now)")


@pytest.mark.usefixtures("few")
def test_interrupted_it_goes_on_and_ends_in_the_same_numbers(
    finished, place, flags, capsys, monkeypatch
):
    without_pictures(monkeypatch)
    calls, original = [], benchmark.Explainer

    def counted(*arguments):
        calls.append(arguments)
        if len(calls) == 5:  # the second of three groups of the second model
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(benchmark, "Explainer", counted)
    command = [*flags, "--output", place / "again"]
    status, out, err = run(command, capsys)
    assert status == 130
    assert "\nClasses: 0 'blue', 1 'green', 2 'red'\n" in out
    assert "\n13 images, 2 models, 60 masks each: 1,560 forward passes\n" in out
    assert f"--output {place / 'again'}" in err.splitlines()[-1]
    assert (place / "again" / "opposite" / "backup.json").exists()
    status, out, _ = run(command, capsys)
    assert status == 0
    assert "a: explained before" in out
    assert "opposite: resuming" in out
    assert len(calls) == 5 + 2
    assert not (place / "again" / "opposite" / "backup.json").exists()
    for name in ("a", "opposite"):
        there, again = (root / name / "explanation.json" for root in (finished, place / "again"))
        assert again.read_text() == there.read_text()
        one, other = (root / name / "selectivity.json" for root in (finished, place / "again"))
        assert other.read_text() == one.read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--grid-size 40", "a: --grid-size must be no finer than the image of 12x12"),
        ("--scores probabilities", "--scores probabilities: 'a' returns scores from 0 to 2.8"),
        ("--split dev", "--split must be one of ['train', 'validation', 'test', 'all']"),
        (
            "--level 0.1",
            "The level 0.1 affects none of the 2 x 2 patches of --patches",
        ),
    ],
)
def test_errors_are_one_line_that_names_the_flag(more, message, flags, capsys, tmp_path):
    status, _, err = run([*flags, *more.split(), "--output", tmp_path / "out"], capsys)
    assert status == 1
    assert message in err
    assert err.count("\n") == 1
