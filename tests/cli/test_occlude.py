"""The command that makes superimposed data sets: what it writes, and what it refuses."""

import collections
import os
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.cli.occlude.options import OccludeOptions  # noqa: E402
from keras_patchmix.datasets.superimposing import Superimposer, running  # noqa: E402
from keras_patchmix.occlusion import Superimpose  # noqa: E402
from tests import odd_names  # noqa: E402
from tests.command_line import result, subcommand  # noqa: E402
from tests.datasets.listing import list_images  # noqa: E402
from tests.datasets.superimposed import (  # noqa: E402
    COUNT,
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


def test_images_are_those_of_the_corruption_bit_by_bit(made):
    good, _ = listed(made.photos)
    images = np.stack([image for image, _ in good.values()])
    index = np.array(list(good))
    corruption = Superimpose(str(made.occluders), (0.2, 0.5))
    builder = tfds.builder_from_directory(made.path)
    for split, (_, expected, pixels) in zip(
        ("coverage_20", "coverage_50"), corruption(images, index=index, seed=3), strict=True
    ):
        found = {int(e["index"]): e for e in tfds.as_numpy(builder.as_dataset(split=split))}
        for place, position in enumerate(index.tolist()):
            np.testing.assert_array_equal(found[position]["image"], expected[place])
            assert found[position]["mask"].sum() == pixels[place]


def test_the_metadata_say_what_was_made_of_what(made):
    builder = tfds.builder_from_directory(made.path)
    metadata = builder.info.metadata
    _, broken = listed(made.photos)
    assert len(broken) == 2
    assert set(metadata["skipped"]) == set(broken)
    assert metadata["settings"]["seed"] == 3
    assert metadata["settings"]["coverage"] == ["20", "50", "10-60"]
    assert metadata["occluders"] == ["0", "1", "2"]
    assert metadata["occluders_sha256"] == Superimpose(str(made.occluders)).sha256
    assert set(metadata["coverage"]) == set(builder.info.splits)
    for split, level in metadata["coverage"].items():
        shares = [
            float(example["mask"].mean(dtype=np.float64))
            for example in tfds.as_numpy(builder.as_dataset(split=split))
        ]
        assert level["mean"] == pytest.approx(np.mean(shares), abs=1e-12)
        assert level["min"] == pytest.approx(min(shares), abs=1e-12)
        assert level["max"] == pytest.approx(max(shares), abs=1e-12)


def test_the_last_line_is_a_result_and_nothing_unfinished_is_left(made):
    found = result(made.out)
    assert found["images"] == COUNT - 1
    assert found["skipped"] == 2
    assert 0.48 < found["splits"]["coverage_50"] < 0.52
    assert found["images_per_second"] > 0
    assert "left out: dog/broken.jpg: the file is empty" in made.out
    names = {path.name for path in made.path.iterdir()}
    assert names == {
        *(f"mine-{split}.tfrecord-00000-of-00001" for split in found["splits"]),
        *(f"{name}.json" for name in ("dataset_info", "features", "metadata")),
        "label.labels.txt",
        "mask.labels.txt",
        "contact_sheet.png",
    }
    assert [path.name for path in made.path.parent.iterdir()] == ["1.0.0"]


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
    flags += ["--coverage", "30", "--name", "again", "--output", tmp_path]
    assert subcommand("occlude")([str(part) for part in flags]) == 0
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
    assert subcommand("occlude")([str(part) for part in [*flags, "--name", "other"]]) == 1
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


def test_jpeg_keeps_masks_exact(made, tmp_path, capsys):
    flags = [*made.flags, "--format", "jpeg", "--image-size", "64"]
    assert make(capsys, made.photos, tmp_path, *flags)[0] == 0
    builder = tfds.builder("mine", data_dir=tmp_path)
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


def test_a_lower_quality_is_smaller(made, tmp_path, capsys):
    sizes = {}
    for quality in ("30", "95"):
        flags = ["--coverage", "20", "--format", "jpeg", "--quality", quality]
        assert make(capsys, made.photos, tmp_path / quality, *flags)[0] == 0
        (file,) = (tmp_path / quality).rglob("*.tfrecord*")
        sizes[quality] = file.stat().st_size
    assert sizes["30"] < 0.7 * sizes["95"]


def test_what_is_there_is_refused_and_stays(made, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.path.iterdir()}
    status, _, err = make(capsys, made.photos, made.output, *made.flags)
    assert status == 1
    assert "holds the data set 'mine' already: choose another --name" in err
    assert {path: path.stat().st_mtime_ns for path in made.path.iterdir()} == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_that_reads_as_a_data_set(
    made, tmp_path, capsys, monkeypatch, number
):
    make_example = running.make_example

    def interrupted(shown, label, index, *arguments):
        if index == 9:
            os.kill(os.getpid(), number)
        return make_example(shown, label, index, *arguments)

    monkeypatch.setattr(running, "make_example", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    status, _, err = make(capsys, made.photos, tmp_path, *made.flags)
    assert status == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "starts over" in err
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "mine").exists()
    # As SIGKILL leaves it.
    (tmp_path / "mine" / "1.0.0.incomplete" / "downloads").mkdir(parents=True)
    monkeypatch.undo()
    assert make(capsys, made.photos, tmp_path, *made.flags)[0] == 0


def test_the_first_images_are_taken_and_broken_ones_among_them_counted(made, tmp_path, capsys):
    names = [name for name, _, _ in list_images(made.photos, "all")[1]]
    good, broken = listed(made.photos)
    for count in range(2, 32, 7):
        output = tmp_path / str(count)
        flags = ["--coverage", "20", "--max-examples", str(count), "--name", "mine"]
        status, out, _ = make(capsys, made.photos, output, *flags)
        assert status == 0
        builder = tfds.builder("mine", data_dir=output)
        examples = tfds.as_numpy(builder.as_dataset(split="coverage_20"))
        assert {int(e["index"]) for e in examples} == {index for index in good if index < count}
        left_out = set(broken) & set(names[:count])
        assert set(builder.info.metadata["skipped"]) == left_out
        assert result(out)["skipped"] == len(left_out)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "folder:nowhere"], '--dataset must be .* Received: --dataset "folder:'),
        (["--split", "half"], "--split must be one of .* Received: --split 'half'"),
        (["--name", "cifar10"], "name of the set must not be .* Received: 'cifar10'"),
        (["--occluders", "nowhere"], "--occluders must be .* Received: --occluders 'nowhere'"),
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
    assert "at least 16 pixels a side" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--coverage", "95"], "--coverage: a coverage must be 0, a percentage from 1 to 90"),
        (["--coverage", "20", "20"], "--coverage: .*must be one or more percentages"),
        (["--name", "My Set"], "--name: must begin with a small letter"),
        (["--color", "red"], "unrecognized arguments: --color red"),
        (["--jobs", "2"], "unrecognized arguments: --jobs 2"),
        (["--shards", "2"], "unrecognized arguments: --shards 2"),
        (["--seed", "-1"], "--seed: must be a whole number of at least 0"),
        (["--quality", "0"], "--quality: must be a whole number from 1 to 100"),
    ],
)
def test_flags_are_strict(capsys, flags, message):
    with pytest.raises(SystemExit) as stop:
        OccludeOptions.parse(["--dataset", "shapes", "--split", "test", "--output", "out", *flags])
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_name_follows_from_the_source():
    flags = ["--dataset", "folder:my photos", "--split", "all", "--output", "out"]
    assert running.name_of(OccludeOptions.parse(flags)) == "superimposed_my_photos"
    assert running.name_of(OccludeOptions.parse([*flags, "--name", "mine"])) == "mine"


def test_no_name_ends_a_run_or_turns_a_terminal(made, tmp_path, capsys):
    photos = write_photos(tmp_path / os.fsdecode(b"d\xe9"), 6, names=odd_names.CLASSES)
    for name in odd_names.FILES:
        (photos / odd_names.CLASSES[0] / name).write_bytes(b"broken")
    status, _, errors = make(capsys, photos, tmp_path / os.fsdecode(b"out\xe9"), *made.flags)
    assert status == 1
    assert r"--output must be a path in UTF-8" in errors
    output = tmp_path / "out\x1b"
    status, out, errors = make(capsys, photos, output, *made.flags)
    assert (status, errors) == (0, "")
    odd_names.assert_printable(out)
    assert r"left out: caf\xe9/a\xe9.png: " in out
    assert r"left out: caf\xe9/a\xe9.png (2): " in out
    assert result(out)["skipped"] == 2
    odd_names.assert_files_are_printable(output)
    builder = tfds.builder_from_directory(output / "mine" / "1.0.0")
    assert sorted(builder.info.features["label"].names) == sorted(odd_names.SHOWN)
    assert set(builder.info.metadata["skipped"]) == {r"caf\xe9/a\xe9.png", r"caf\xe9/a\xe9.png (2)"}
