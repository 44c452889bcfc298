"""The command that makes superimposed data sets: what it writes, and how it goes on."""

import collections
import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets.folder import list_images  # noqa: E402
from keras_patchmix.datasets.image_files import read_image  # noqa: E402
from keras_patchmix.datasets.superimposing import (  # noqa: E402
    Superimposer,
    encoding,
    main,
    parse_options,
    running,
)

RECIPE = Path(__file__).parents[2] / "recipes" / "make_smd.py"
SIZE, COUNT = 24, 30
CLASSES = ("cat", "dog", "$\\owl$\n")
SHOWN = ("$\\owl$\\n", "cat", "dog")  # sorted, and on one line each


def write_photos(root, count=COUNT, size=SIZE, names=CLASSES):
    rng = np.random.default_rng(0)
    for k in range(count):
        folder = root / names[k % len(names)]
        folder.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 150, (size, size, 3)).astype(np.uint8)  # darker than outlines
        Image.fromarray(image).save(folder / f"{k}.png")
    return root


def write_occluders(root):
    root.mkdir()
    for k in range(3):
        image = np.zeros((30, 30, 4), np.uint8)
        image[3 + k : 27 - k, 5:25] = (50 * k, 90, 255 - 50 * k, 255)
        Image.fromarray(image).save(root / f"{k}.png")
    return root


def make(capsys, photos, output, *flags):
    """Returns exit status, standard output and standard error of the command."""
    asked = ["--dataset", f"folder:{photos}", "--split", "all", "--output", output, *flags]
    status = main([str(part) for part in asked])
    said = capsys.readouterr()
    return status, said.out, said.err


def tree(root):
    """Returns every file under a directory with its digest."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def listed(photos):
    """Returns index -> (image, label) of the files that can be read, and names of the others."""
    good, broken = {}, []
    for index, (name, label, path) in enumerate(list_images(photos, "all")[1]):
        try:
            good[index] = (read_image(path).numpy(), label)
        except ValueError:
            broken.append(name)
    return good, broken


Made = collections.namedtuple("Made", "photos occluders flags output path out")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set made of a folder in which two files are broken."""
    root = tmp_path_factory.mktemp("superimposing")
    photos, occluders = write_photos(root / "photos"), write_occluders(root / "cut outs")
    (photos / "cat" / "0.png").write_bytes(b"no image")
    (photos / "dog" / "broken.jpg").write_bytes(b"")
    flags = ["--occluders", occluders, "--coverage", "20", "50", "10-60", "--seed", "3"]
    flags += ["--shards", "4", "--jobs", "1", "--progress", "off", "--name", "mine"]
    asked = ["--dataset", f"folder:{photos}", "--split", "all", "--output", root / "data", *flags]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([str(part) for part in asked]) == 0
    return Made(
        photos, occluders, flags, root / "data", root / "data" / "mine" / "1.0.0", out.getvalue()
    )


def test_every_split_holds_every_image_as_the_superimposer_makes_it(made):
    superimpose = Superimposer(str(made.occluders), ("20", "50", "10-60"), seed=3)
    good, _ = listed(made.photos)
    builder = tfds.builder_from_directory(made.path)
    assert set(builder.info.splits) == {"coverage_20", "coverage_50", "coverage_10_to_60"}
    for place, one in enumerate(superimpose.coverage):
        examples = list(tfds.as_numpy(builder.as_dataset(split=one.split)))
        assert sorted(int(example["index"]) for example in examples) == sorted(good)
        for example in examples:
            image, label = good[int(example["index"])]
            expected = superimpose(image, int(example["index"]))[place]
            np.testing.assert_array_equal(example["image"], expected.image)
            np.testing.assert_array_equal(example["mask"], expected.mask)
            assert example["label"] == label
            assert example["coverage"] == np.float32(expected.mask.mean(dtype=np.float64))


def test_tfds_and_this_package_load_it_by_name(made):
    good, _ = listed(made.photos)
    labels = collections.Counter(label for _, label in good.values())
    dataset, info = tfds.load(
        "mine", data_dir=made.output, split="coverage_50", with_info=True, as_supervised=True
    )
    assert collections.Counter(int(label) for _, label in dataset) == labels
    assert tuple(info.features["label"].names) == SHOWN
    assert info.features["mask"].names == ["image", "occluder"]
    dataset, info = datasets.load("mine", "coverage_50", data_dir=made.output, with_info=True)
    assert info.image_shape == (SIZE, SIZE, 3)
    assert info.class_names == SHOWN
    assert collections.Counter(label for _, label in dataset.as_numpy_iterator()) == labels


def test_the_manifest_says_what_was_made_of_what(made):
    manifest = json.loads((made.path / "manifest.json").read_text())
    good, broken = listed(made.photos)
    assert len(broken) == 2
    assert manifest["images"] == len(good) == COUNT - 1
    assert set(manifest["skipped"]) == set(broken)
    assert manifest["settings"]["seed"] == 3
    assert manifest["settings"]["coverage"] == ["20", "50", "10-60"]
    assert manifest["occluders"]["names"] == ["0", "1", "2"]
    assert manifest["versions"]["numpy"] == np.__version__
    labels = np.array([good[index][1] for index in sorted(good)], "<i8")
    assert manifest["labels_sha256"] == hashlib.sha256(labels.tobytes()).hexdigest()
    builder = tfds.builder_from_directory(made.path)
    for split, level in manifest["splits"].items():
        shares = [
            float(example["mask"].mean(dtype=np.float64))
            for example in tfds.as_numpy(builder.as_dataset(split=split))
        ]
        assert level["images"] == len(shares)
        assert level["mean"] == pytest.approx(np.mean(shares), abs=1e-12)
        assert level["min"] == pytest.approx(min(shares), abs=1e-12)
        assert level["max"] == pytest.approx(max(shares), abs=1e-12)
    assert manifest["splits"]["coverage_20"]["asked"] == 0.2
    assert manifest["splits"]["coverage_10_to_60"]["asked"] == [0.1, 0.6]


def test_the_last_line_is_a_result_and_nothing_unfinished_is_left(made):
    result = json.loads(made.out.strip().splitlines()[-1].removeprefix("RESULT "))
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert result["images"] == COUNT - 1
    assert result["skipped"] == 2
    assert result["splits"]["coverage_50"] == manifest["splits"]["coverage_50"]["mean"]
    assert result["images_per_second"] > 0
    assert "left out: dog/broken.jpg: the file is empty" in made.out
    names = {path.name for path in made.path.iterdir()}
    records = {
        f"mine-{split}.tfrecord-{shard:05}-of-00004"
        for split in manifest["splits"]
        for shard in range(4)
    }
    files = "config dataset_info features manifest".split()
    assert names - records == {
        *(f"{name}.json" for name in files),
        "label.labels.txt",
        "mask.labels.txt",
        "contact_sheet.png",
    }
    assert records <= names


def test_the_contact_sheet_is_a_picture_with_outlines(made):
    sheet = np.asarray(Image.open(made.path / "contact_sheet.png").convert("RGB")).astype(int)
    assert sheet.shape[0] > 1000  # six rows
    pink = (abs(sheet - (255, 42, 212)).sum(axis=-1) < 30).any(axis=0)
    # No mask, and so no outline, in the first of four columns; some in each other.
    quarters = np.split(pink[8:], 4)
    assert [bool(quarter.any()) for quarter in quarters] == [False, True, True, True]


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


def test_a_tfds_set_is_a_source_and_a_damaged_one_is_told_so(made, tmp_path, capsys):
    data = shutil.copytree(made.output, tmp_path / "data")
    flags = ["--dataset", "mine", "--split", "coverage_20", "--data-dir", data, "--seed", "1"]
    flags += ["--coverage", "30", "--jobs", "1", "--name", "again", "--output", tmp_path]
    assert main([str(part) for part in flags]) == 0
    source = datasets.load("mine", "coverage_20", data_dir=data).as_numpy_iterator()
    images = list(source)
    superimpose = Superimposer(coverage=("30",), seed=1)
    builder = tfds.builder("again", data_dir=tmp_path)
    for example in tfds.as_numpy(builder.as_dataset(split="coverage_30")):
        index = int(example["index"])
        image, label = images[index]
        np.testing.assert_array_equal(example["image"], superimpose(image, index)[0].image)
        assert example["label"] == label
    capsys.readouterr()
    damaged = next((data / "mine" / "1.0.0").glob("*coverage_20*"))
    damaged.write_bytes(damaged.read_bytes()[:-3000])
    assert main([str(part) for part in [*flags, "--name", "other"]]) == 1
    err = capsys.readouterr().err
    assert "--dataset 'mine', split 'coverage_20', cannot be read: " in err
    assert err.count("\n") == 1


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
    photos = write_photos(tmp_path / "photos", 240, 32, ("a", "b"))
    first = list_images(photos, "all")[1][3][2]
    first.write_bytes(b"no image")
    flags = ["--coverage", "70", "--shards", "12", "--jobs", "2", "--name", "mine"]
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
    assert len(list(part.parent.glob("part-*.json"))) < 12
    # From here in one process: how many there are makes no difference either.
    flags[flags.index("--jobs") + 1] = "1"
    for output in ("killed", "alone"):
        assert make(capsys, photos, tmp_path / output, *flags)[0] == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "alone")
    manifest = json.loads((part.parent / "manifest.json").read_text())
    assert manifest["images"] == 239
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


def test_several_data_sets_live_in_one_directory(made, tmp_path, capsys):
    for name in ("first", "second"):
        flags = [*made.flags, "--name", name, "--max-examples", "6"]
        assert make(capsys, made.photos, tmp_path, *flags)[0] == 0
        count = sum(index < 6 for index in listed(made.photos)[0])
        assert (
            tfds.builder(name, data_dir=tmp_path).info.splits["coverage_20"].num_examples == count
        )


def test_a_shard_may_be_empty_and_jpeg_keeps_masks_exact(made, tmp_path, capsys):
    flags = [*made.flags, "--shards", str(COUNT + 1), "--format", "jpeg", "--image-size", "64"]
    assert make(capsys, made.photos, tmp_path, *flags)[0] == 0
    builder = tfds.builder("mine", data_dir=tmp_path)
    assert builder.info.splits["coverage_20"].shard_lengths.count(0) == 2
    examples = list(tfds.as_numpy(builder.as_dataset(split="coverage_20")))
    assert len(examples) == COUNT - 1
    source = datasets.load_for_scoring(f"folder:{made.photos}", "all", 64)
    images = {
        index: image
        for batch in source
        for index, image in zip(batch["index"].tolist(), batch["images"], strict=True)
    }
    superimpose = Superimposer(str(made.occluders), ("20", "50", "10-60"), seed=3)
    for example in examples[:5]:
        index = int(example["index"])
        expected = superimpose(images[index], index)[0]
        np.testing.assert_array_equal(example["mask"], expected.mask)
        error = example["image"].astype(int) - expected.image
        assert 0 < np.abs(error).mean() < 12


def test_a_disk_without_room_is_told_before_much_is_written(made, tmp_path, capsys, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")(10**6, 10**6, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    status, _, err = make(capsys, made.photos, tmp_path, *made.flags)
    assert status == 1
    assert "GB are needed, and the disk has 0.0 GB free" in err
    assert not list(tmp_path.rglob("*.tfrecord*"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "folder:nowhere"], '--dataset.* must be "folder:PATH" .* exists'),
        (["--split", "half"], "--split must be one of .* Received: split='half'"),
        (["--occluders", "nowhere"], "nowhere"),
        (["--name", "cifar10"], "--name must not be that of .* Received: name='cifar10'"),
    ],
)
def test_errors_are_one_line_that_names_the_flag(made, tmp_path, capsys, flags, message):
    status, _, err = make(capsys, made.photos, tmp_path / "new", *made.flags, *flags)
    assert status == 1
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert not (tmp_path / "new").exists()


def test_images_of_several_sizes_need_a_size(made, tmp_path, capsys):
    photos = shutil.copytree(made.photos, tmp_path / "photos")
    Image.new("RGB", (50, 40)).save(photos / "dog" / "large.png")
    status, _, err = make(capsys, photos, tmp_path / "out", *made.flags)
    assert status == 1
    assert "Give --image-size" in err
    assert make(capsys, photos, tmp_path / "out2", *made.flags, "--image-size", "20")[0] == 0


def test_images_too_small_are_told_so(tmp_path, capsys):
    status, _, err = make(capsys, write_photos(tmp_path / "tiny", 4, 12), tmp_path / "out")
    assert status == 1
    assert "--image-size must be at least 16 pixels a side. Received: images of 12x12" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--coverage", "95"], "--coverage: a coverage must be 0, a percentage from 1 to 90"),
        (["--coverage", "20", "20"], "--coverage`? must be one or more percentages"),
        (["--name", "My Set"], "--name must begin with a small letter"),
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--jobs", "0"], "--jobs: must be a whole number of at least 1"),
        (["--quality", "0"], "--quality: must be a whole number from 1 to 100"),
    ],
)
def test_flags_are_strict(capsys, flags, message):
    with pytest.raises(SystemExit) as stop:
        parse_options(["--dataset", "shapes", "--split", "test", "--output", "out", *flags])
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_command_in_the_manifest_makes_the_same_again():
    flags = ["--dataset", "folder:my photos", "--split", "all", "--output", "out"]
    flags += ["--coverage", "5", "10-20", "--image-size", "64", "--format", "jpeg", "--seed", "7"]
    options = parse_options([*flags, "--jobs", "3", "--max-examples", "9"])
    assert options.called() == "superimposed_my_photos"
    words = shlex.split(options.command())
    assert words[:2] == ["python", "recipes/make_smd.py"]
    assert parse_options([*words[2:], "--output", "other"]).deciding() == options.deciding()


@pytest.mark.parametrize("file", ["recipes/make_smd.py", "docs/data_sets/your_own.md"])
def test_the_commands_that_are_documented_are_understood(file):
    text = (RECIPE.parents[1] / file).read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"^ *python recipes/make_smd.py (.*)$", text, re.M)
    assert commands
    for command in commands:
        assert parse_options(shlex.split(command)).output == "data"
