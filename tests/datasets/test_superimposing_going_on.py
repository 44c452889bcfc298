"""The command that makes superimposed data sets, interrupted, killed and called again."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_datasets")

from keras_patchmix.datasets.folder import list_images
from keras_patchmix.datasets.superimposing import encoding, running
from tests.datasets.superimposed import (
    COUNT,
    RECIPE,
    SIZE,
    listed,
    make,
    make_data_set,
    write_photos,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_data_set(tmp_path_factory.mktemp("superimposing"))


def tree(root):
    """Returns every file under a directory with its digest."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def test_the_same_command_again_makes_nothing_anew(made, capsys, monkeypatch):
    before = tree(made.output)
    monkeypatch.setattr(running, "_make", None)
    status, out, _ = make(capsys, made.photos, made.output, *made.flags)
    assert status == 0
    assert "All of this was made before" in out
    assert json.loads(out.strip().splitlines()[-1].removeprefix("RESULT "))["images"] == COUNT - 1
    assert tree(made.output) == before


def test_a_data_set_that_lost_a_file_is_made_again(made, tmp_path, capsys):
    shutil.copytree(made.output, tmp_path / "data")
    (tmp_path / "data" / "mine" / "1.0.0" / "mine-coverage_50.tfrecord-00002-of-00004").unlink()
    assert make(capsys, made.photos, tmp_path / "data", *made.flags)[0] == 0
    assert tree(tmp_path / "data") == tree(made.output)


def test_a_signal_to_terminate_ends_it_with_a_word(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(running, "_write", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    status, _, err = make(capsys, made.photos, tmp_path, *made.flags)
    assert status == 143
    assert "The same command goes on" in err
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("images", [0, 3, 9, 20])
def test_interrupted_it_goes_on_to_the_same_files(made, tmp_path, capsys, monkeypatch, images):
    work, done = encoding.Work.__call__, []

    def interrupted(self, image, index):
        if len(done) == images:
            raise KeyboardInterrupt
        done.append(index)
        return work(self, image, index)

    with monkeypatch.context() as patch:
        # Told from a full disk before anything is written.
        patch.setattr(running, "_SAMPLE", 1)
        patch.setattr(encoding.Work, "__call__", interrupted)
        status, _, err = make(capsys, made.photos, tmp_path, *made.flags)
    assert status == 130
    assert "The same command goes on" in err
    assert not list(tmp_path.rglob("dataset_info.json"))
    again = []
    monkeypatch.setattr(
        encoding.Work,
        "__call__",
        lambda self, image, index: again.append(index) or work(self, image, index),
    )
    assert make(capsys, made.photos, tmp_path, *made.flags)[0] == 0
    assert tree(tmp_path) == tree(made.output)
    # Of 31 files a shard holds 7 or 8. Those that were whole are not made again.
    whole = set(done) - set(again)
    assert sorted(again) == sorted(set(listed(made.photos)[0]) - whole)
    assert len(done) - len(whole) < 8
    assert bool(whole) == (images >= 8)


@pytest.mark.parametrize("move", range(0, 14, 3))
def test_a_crash_while_files_take_their_names_loses_nothing(
    made, tmp_path, capsys, monkeypatch, move
):
    replace, moved = os.replace, []

    def crash(source, target):
        if len(moved) == move:
            raise KeyboardInterrupt
        moved.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        assert make(capsys, made.photos, tmp_path, *made.flags)[0] == 130
    assert make(capsys, made.photos, tmp_path, *made.flags)[0] == 0
    assert tree(tmp_path) == tree(made.output)


def test_killed_it_goes_on_to_the_same_files_and_leaves_no_process(tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", 160, 32, ("a", "b"))
    first = list_images(photos, "all")[1][3][2]
    first.write_bytes(b"no image")
    flags = ["--coverage", "70", "--shards", "8", "--jobs", "2", "--name", "mine"]
    asked = ["--dataset", f"folder:{photos}", "--split", "all", "--output", tmp_path / "killed"]
    process = subprocess.Popen(
        [sys.executable, RECIPE, *map(str, [*asked, *flags])],
        env={**os.environ, "PYTHONPATH": str(RECIPE.parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    part = tmp_path / "killed" / "mine" / "1.0.0" / "part-00000.json"
    while not part.exists():
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    # Its standard error ends when the last of its processes has.
    process.communicate(timeout=60)
    assert not (part.parent / "manifest.json").exists()
    assert len(list(part.parent.glob("part-*.json"))) < 8
    # From here in one process: how many there are makes no difference either.
    flags[flags.index("--jobs") + 1] = "1"
    for output in ("killed", "alone"):
        assert make(capsys, photos, tmp_path / output, *flags)[0] == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "alone")
    manifest = json.loads((part.parent / "manifest.json").read_text())
    assert manifest["images"] == 159
    assert list(manifest["skipped"]) == [f"{first.parent.name}/{first.name}"]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--coverage", "20", "40"], "--coverage (20 50 10-60 there, 20 40 now)"),
        (["--seed", "4"], "--seed (3 there, 4 now)"),
        (["--format", "jpeg"], "--format (png there, jpeg now)"),
        (["--image-size", "32"], "--image-size (not given there, 32 now)"),
        (["--shards", "2"], "--shards (4 there, 2 now)"),
    ],
)
def test_other_settings_are_refused(made, capsys, flags, named):
    before = tree(made.output)
    status, _, err = make(capsys, made.photos, made.output, *made.flags, *flags)
    assert status == 1
    assert f"Different: {named}\n" in err
    assert tree(made.output) == before


def test_other_photos_or_occluders_are_refused(made, tmp_path, capsys):
    for change, named in (("photos", "what --dataset holds"), ("cut outs", "the pictures of")):
        root = tmp_path / change
        shutil.copytree(made.output.parent, root)
        kind = "cat" if change == "photos" else "."
        Image.new("RGBA", (SIZE, SIZE), (9, 9, 9, 255)).save(root / change / kind / "new.png")
        flags = [root / "cut outs" if part == made.occluders else part for part in made.flags]
        status, _, err = make(capsys, root / "photos", root / "data", *flags)
        assert status == 1
        assert named in err
