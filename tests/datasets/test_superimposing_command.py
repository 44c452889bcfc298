"""The command that makes superimposed data sets: what it writes, and what it refuses."""

import collections
import hashlib
import json
import os
import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets.superimposing import (  # noqa: E402
    Superimposer,
    main,
    parse_options,
)
from tests import odd_names  # noqa: E402
from tests.command_line import result  # noqa: E402
from tests.datasets.superimposed import (  # noqa: E402
    COUNT,
    RECIPE,
    SIZE,
    listed,
    make,
    make_data_set,
    write_photos,
)

SHOWN = ("$\\owl$\\n", "cat", "dog")  # sorted, and on one line each


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_data_set(tmp_path_factory.mktemp("superimposing"))


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
        (["--dataset", "folder:nowhere"], '--dataset must be .* Received: --dataset "folder:'),
        (["--split", "half"], "--split must be one of .* Received: --split 'half'"),
        (["--occluders", "nowhere"], "--occluders must be .* Received: --occluders 'nowhere'"),
        (["--name", "cifar10"], "--name must not be that of .* Received: --name 'cifar10'"),
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
    status, out, err = make(capsys, photos, tmp_path / "out", *made.flags)
    assert status == 1
    assert out == f"folder:{photos} all: 32 images, results go to {tmp_path}/out/mine/1.0.0\n"
    assert "Give --image-size. Received: --image-size not given" in err
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


def test_no_name_ends_a_run_or_turns_a_terminal(made, tmp_path, capsys):
    photos = write_photos(tmp_path / os.fsdecode(b"d\xe9"), 6, names=odd_names.CLASSES)
    for name in odd_names.FILES:
        (photos / odd_names.CLASSES[0] / name).write_bytes(b"broken")
    status, _, errors = make(capsys, photos, tmp_path / os.fsdecode(b"out\xe9"), *made.flags)
    assert status == 1
    assert r"--output must be a path in UTF-8" in errors
    output = tmp_path / "out\x1b"
    for _ in range(2):
        status, out, errors = make(capsys, photos, output, *made.flags)
        assert (status, errors) == (0, "")
        odd_names.assert_printable(out)
        assert r"left out: caf\xe9/a\xe9.png: " in out
        assert r"left out: caf\xe9/a\xe9.png (2): " in out
        assert result(out)["skipped"] == 2
    odd_names.assert_files_are_printable(output)
    builder = tfds.builder_from_directory(output / "mine" / "1.0.0")
    assert sorted(builder.info.features["label"].names) == sorted(odd_names.SHOWN)
    (manifest,) = output.rglob("manifest.json")
    manifest.write_text("{}")
    status, _, errors = make(capsys, photos, output, *made.flags)
    assert status == 1
    assert "manifest.json' is damaged" in errors
