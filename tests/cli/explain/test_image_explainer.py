"""The command on image files: on every Keras backend."""

import csv
import json
import re

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("matplotlib")

from keras_patchmix.base.state_files import sealed
from keras_patchmix.cli.explain import image_explainer
from keras_patchmix.explain import map_archive
from keras_patchmix.occlusion import backup
from tests.cli.explain.cases import (
    SIZE,
    by_color,
    color,
    deletion_area,
    run,
    save,
    without_pictures,
    write_folder,
)
from tests.command_line import result, subcommand

FOREIGN = np.zeros((SIZE, SIZE), bool)
FOREIGN[:, SIZE // 2 :] = True


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two photos, half of each of another color, a broken one, and their masks."""
    root = tmp_path_factory.mktemp("place")
    for name, own, other in (("a", 0, 1), ("b", 2, 0)):
        image = np.where(FOREIGN[..., None], color(other), color(own))
        save(root / "photos" / f"{name}.png", image)
        save(root / "masks" / f"{name}.png", np.repeat(255 * FOREIGN[..., None], 3, -1))
    (root / "photos" / "c.jpg").write_bytes(b"\xff\xd8 cut off")
    save(root / "masks" / "c.png", color(0))
    by_color().save(root / "net.keras")
    (root / "map.json").write_text(json.dumps({"sky blue": 0, "leaf": 1, "fire": 2}))
    return root


@pytest.fixture(scope="module")
def flags(place):
    return [
        *f"--model {place / 'net.keras'} --image {place / 'photos'} --num-masks 60".split(),
        *f"--mask {place / 'masks'} --grid-size 4 --class-map {place / 'map.json'}".split(),
        *("--class", "Sky Blue", "--class", "fire", "--class", "fire"),
        *("--contrast", "leaf", "--contrast", "0", "--contrast", "0"),
    ]


@pytest.fixture(scope="module")
def finished(place, flags):
    assert subcommand("explain")([*flags, "--output", str(place / "out")]) == 0
    return place / "out"


def test_what_is_in_context_is_salient(finished, flags, capsys):
    status, out, _ = run([*flags, "--output", finished], capsys)
    assert status == 0
    assert {path.name for path in finished.iterdir()} == {
        "config.json", "rows.csv", "explain.png", "curves.png", "explanation.json", "maps.npz",
    }  # fmt: skip
    assert "Not read: 1: c.jpg (" in out
    said = result(out)
    assert (said["n"], said["skipped"]) == (2, 1)
    rows = list(csv.DictReader((finished / "rows.csv").open()))
    assert [row["image"] for row in rows] == ["a.png", "b.png"]
    assert [row["class_name"] for row in rows] == ["sky blue", "fire"]
    assert [row["contrast_name"] for row in rows] == ["leaf", "sky blue"]
    for row in rows:
        assert float(row["selectivity"]) > 0.65
        assert float(row["deletion_area"]) == pytest.approx(deletion_area(), abs=0.01)
        # Half of an image is of either color.
        share = np.exp(3 * 240 / 255)
        for kind in ("probability", "class_probability", "contrast_probability"):
            assert float(row[kind]) == pytest.approx(share / (2 * share + 1), abs=1e-5)
        assert abs(float(row["mean_score"])) < 0.1
    with np.load(finished / "maps.npz") as arrays:
        np.testing.assert_array_equal(arrays["masks"], [FOREIGN] * 2)
        assert (arrays["maps"][:, ~FOREIGN].mean(1) > arrays["maps"][:, FOREIGN].mean(1)).all()


def test_a_photo_that_changed_is_noticed(place, capsys, tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    photo = save(tmp_path / "photo.png", color(0))
    flags = f"--model {place / 'net.keras'} --image {photo} --num-masks 8 --method rise".split()
    flags += ["--grid-size", "4", "--output", str(tmp_path / "out")]
    status, out, _ = run(flags, capsys)
    assert status == 0
    assert "1 image, 1 model, 8 masks each: 8 forward passes" in out
    share = np.exp(6 * 240 / 255)
    assert re.search(rf"class 0 {100 * share / (share + 2):.1f} % +class 0 ", out)
    (row,) = csv.DictReader((tmp_path / "out" / "rows.csv").open())
    assert (row["predicted"], row["predicted_name"]) == ("0", "class 0")  # its own choice
    assert float(row["probability"]) == pytest.approx(share / (share + 2), abs=1e-5)
    assert row["class_probability"] == row["probability"]
    assert row["contrast_probability"] == ""
    assert "selectivity" not in out
    save(photo, color(1))
    status, _, err = run(flags, capsys)
    assert status == 1
    assert f"the file '{photo}', which has changed" in err


def test_interrupted_it_goes_on_and_ends_in_the_same_maps(
    finished, place, flags, capsys, monkeypatch
):
    without_pictures(monkeypatch)
    monkeypatch.setattr(image_explainer, "_GROUP_SIZE", 1)
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    calls, original = [], image_explainer.c_rise

    def counted(*arguments, **settings):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments, **settings)

    monkeypatch.setattr(image_explainer, "c_rise", counted)
    command = [*flags, "--output", place / "again"]
    assert run(command, capsys)[0] == 130
    status, out, _ = run(command, capsys)
    assert (status, len(calls)) == (0, 3)
    assert "net: resuming" in out
    there, again = (root / "explanation.json" for root in (finished, place / "again"))
    assert again.read_text() == there.read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--class 3", "--class must be a whole number from 0 to 2; names come from --class-map"),
        ("--class red", "--class must be a whole number; names come from --class-map"),
        ("--class 1 --contrast 1", "--contrast must be another class than --class"),
        ("--class 1 --class 2", "--class must be given once, or once for each of the 1 images"),
        ("--image-size 32", "--image-size 32: the model 'net' takes images of 12x12 pixels"),
        ("--mask none.png", "--mask: there is no file 'none.png'"),
    ],
)
def test_errors_are_one_line_that_names_the_flag(more, message, place, capsys, tmp_path):
    flags = ["--model", place / "net.keras", "--image", place / "photos" / "a.png"]
    status, _, err = run([*flags, *more.split(), "--output", tmp_path / "out"], capsys)
    assert status == 1
    assert message in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))


def test_more_images_than_an_archive_holds_are_refused_at_once(place, capsys, monkeypatch):
    monkeypatch.setattr(map_archive, "_MAX_BYTES", 2 * SIZE * SIZE * 8 - 1)
    flags = ["--model", place / "net.keras", "--image", place / "photos", "--num-masks", 60]
    output = place / "too_many"
    status, _, errors = run([*flags, "--scores", "logits", "--output", output], capsys)
    assert status == 1
    assert "--image must give at most 1 images of this size" in errors
    assert f"Received: 2 of {SIZE}x{SIZE}" in errors
    assert not (output / "backup.json").exists()


def test_a_backup_of_other_images_is_refused(place, flags, tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(image_explainer.Explanation, "with_curves", stop)
        assert run([*flags, "--output", tmp_path], capsys)[0] == 130
    content = json.loads((tmp_path / "backup.json").read_text())
    del content["sha256"]
    content["state"]["rows"].append(content["state"]["rows"][0])
    (tmp_path / "backup.json").write_text(json.dumps(sealed(content)))
    status, _, errors = run([*flags, "--output", tmp_path], capsys)
    assert status == 1
    assert "backup.json' is damaged" in errors


def test_names_come_from_a_folder_of_photos(place, capsys, tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    write_folder(tmp_path / "photos", count=1)
    photo = place / "photos" / "b.png"
    flags = f"--model {place / 'net.keras'} --image {photo} --num-masks 8 --grid-size 4".split()
    flags += ["--class-map", tmp_path / "photos", "--output", tmp_path / "out"]
    status, out, _ = run([*flags, "--class", "Red", "--contrast", "1"], capsys)
    assert status == 0
    assert "Classes: 0 'blue', 1 'green', 2 'red'" in out
    assert "red rather than green" in out
    (tmp_path / "photos" / "green" / "0.png").unlink()
    (tmp_path / "photos" / "green").rmdir()
    status, _, err = run([*flags[:-1], tmp_path / "new"], capsys)
    assert status == 1
    assert "must hold a folder for each of the 3 scores that the model returns" in err
