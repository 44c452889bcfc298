import json
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.photos import encoded, smooth, write_folder

tf = pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets import records as writing  # noqa: E402
from keras_patchmix.datasets.errors import EmptySplitError  # noqa: E402
from tests.command_line import subcommand  # noqa: E402

tfds.disable_progress_bar()
RECIPE = Path(__file__).parents[2] / "recipes" / "make_records.py"
ODD = {
    "ant/gray.jpg": (30, 20, "JPEG", "L"),
    "ant/cmyk.jpg": (30, 20, "JPEG", "CMYK"),
    "bee/alpha.png": (30, 20, "PNG", "RGBA"),
    "bee/palette.png": (30, 20, "PNG", "P"),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 40 JPEGs, four files of other kinds, a GIF and two that are no images."""
    root = tmp_path_factory.mktemp("photos")
    paths = write_folder(root)
    for name, (height, width, form, mode) in ODD.items():
        (root / "train" / name).write_bytes(encoded(smooth(50, height, width), form, mode))
    (root / "train/cat/picture.bmp").write_bytes(encoded(smooth(60, 20, 20), "BMP"))
    (root / "train/cat/cut.jpg").write_bytes(paths[0].read_bytes()[:-400])
    (root / "train/dog/empty.png").write_bytes(b"")
    (root / "validation/ant").mkdir(parents=True)
    (root / "validation/ant/only.jpg").write_bytes(encoded(smooth(70, 24, 32)))
    (root / "test/bee").mkdir(parents=True)
    (root / "test/bee/only.png").write_bytes(encoded(smooth(71, 24, 32), "PNG"))
    return root


@pytest.fixture(scope="module")
def records(photos, tmp_path_factory):
    """The directory of records of that folder, and what `write_records` returned."""
    path = tmp_path_factory.mktemp("records")
    return path, datasets.write_records(f"folder:{photos}", path)


def examples(directory, split="train"):
    """The examples in the files of a split, by TensorFlow alone: {name: (bytes, label, shard)}."""
    found = {}
    for shard, file in enumerate(sorted(Path(directory).glob(f"records-{split}.tfrecord-*"))):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            assert set(features) == {"image", "label", "file_name"}
            name = features["file_name"].bytes_list.value[0].decode()
            (data,), (label,) = (
                features["image"].bytes_list.value,
                features["label"].int64_list.value,
            )
            found[name] = data, label, shard
    return found


def test_files_are_kept_byte_by_byte_under_their_class(photos, records):
    found = examples(records[0])
    assert len(found) == 40 + len(ODD) + 1
    for name, (data, label, _) in found.items():
        assert label == ["ant", "bee", "cat", "dog"].index(name.split("/")[0])
        if not name.endswith(".bmp"):
            assert data == (photos / "train" / name).read_bytes()
    assert found["cat/picture.bmp"][0].startswith(b"\xff\xd8"), "a JPEG now"


def test_what_is_no_image_is_left_out_named_and_counted(records):
    written = records[1]["train"]
    assert written["images"] == 45
    assert written["shards"] == 1
    assert written["skipped"] == {
        "cat/cut.jpg": "damaged, or cut off",
        "dog/empty.png": "the file is empty",
    }
    # A TFRecord file has 16 bytes more for each example.
    sizes = [path.stat().st_size for path in records[0].glob("*-train.*")]
    assert written["bytes"] == sum(sizes) - 16 * 45
    metadata = tfds.builder_from_directory(records[0]).info.metadata
    assert metadata["skipped"] == {split: part["skipped"] for split, part in records[1].items()}


def test_every_shard_holds_every_class(photos, tmp_path):
    written = datasets.write_records(f"folder:{photos}", tmp_path, ["train"], shards=3)
    assert written["train"]["shards"] == 3
    found = examples(tmp_path)
    assert len(found) == 45
    for shard in range(3):
        assert {label for _, label, part in found.values() if part == shard} == {0, 1, 2, 3}


def test_records_load_as_the_folder_does(photos, records):
    def loaded(name):
        dataset, info = datasets.load(name, "train", image_size=16, with_info=True)
        assert int(dataset.cardinality()) == info.num_examples
        return {image.tobytes(): label for image, label in dataset.as_numpy_iterator()}, info

    (photos / "train/cat/cut.jpg").rename(photos / "cut")
    (photos / "train/dog/empty.png").rename(photos / "empty")
    (photos / "train/cat/picture.bmp").rename(photos / "picture")
    try:
        of_folder, info = loaded(f"folder:{photos}")
    finally:
        (photos / "cut").rename(photos / "train/cat/cut.jpg")
        (photos / "empty").rename(photos / "train/dog/empty.png")
        (photos / "picture").rename(photos / "train/cat/picture.bmp")
    of_records, records_info = loaded(f"records:{records[0]}")
    assert len(of_folder) == 44
    assert of_folder.items() <= of_records.items()
    assert records_info.class_names == info.class_names
    assert records_info.num_examples == 45


def test_all_splits_are_there_and_parts_of_them(records):
    name = f"records:{records[0]}"
    assert datasets.split_names(name) == ["test", "train", "validation"]
    _, info = datasets.load(name, "train[20%:]", image_size=16, with_info=True)
    assert info.num_examples == 36
    scoring = datasets.load_for_scoring(name, "train", image_size=16, batch_size=20)
    assert [len(batch["labels"]) for batch in scoring] == [20, 20, 5]
    with pytest.raises(ValueError, match=r"`split` must be one of \['test', 'train', 'validation'"):
        datasets.load(name, "dev", image_size=16)


def test_tfds_itself_opens_the_directory(records):
    builder = tfds.builder_from_directory(records[0])
    example = next(iter(builder.as_dataset(split="validation")))
    assert example["file_name"].numpy() == b"ant/only.jpg"
    assert example["image"].shape == (24, 32, 3)
    assert builder.info.features["label"].names == ["ant", "bee", "cat", "dog"]
    pairs = builder.as_dataset(split="test", as_supervised=True).as_numpy_iterator()
    assert [(image.shape, label) for image, label in pairs] == [((24, 32, 3), 1)]


def written_by_0_1(directory, count):
    """Writes a directory as version 0.1 did: by hand, with a journal, without supervised keys."""
    file = "records-train.tfrecord-00000-of-00001"
    images = [smooth(number, 20, 20) for number in range(count)]
    with tf.io.TFRecordWriter(str(directory / file)) as writer:
        for number, image in enumerate(images):
            values = {
                "image": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[encoded(image, "PNG")])
                ),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
                "file_name": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[b"%d.png" % number])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=values))
            writer.write(example.SerializeToString())
    features = tfds.features
    tfds.folder_dataset.write_metadata(
        data_dir=directory,
        filename_template=tfds.core.ShardedFileTemplate(
            data_dir=directory, dataset_name="records", filetype_suffix="tfrecord"
        ),
        features=features.FeaturesDict(
            {
                "image": features.Image(shape=(20, 20, 3)),
                "label": features.ClassLabel(names=["ant", "bee"]),
                "file_name": features.Text(),
            }
        ),
        split_infos=[
            tfds.core.SplitInfo(
                name="train",
                shard_lengths=[count],
                num_bytes=(directory / file).stat().st_size,
            )
        ],
        check_data=False,
    )
    (directory / "records.json").write_text('{"version": 1, "complete": true}')
    return images


def test_directories_of_version_0_1_load(tmp_path):
    images = written_by_0_1(tmp_path, 6)
    loaded = datasets.load(f"records:{tmp_path}", "train").as_numpy_iterator()
    for number, (image, label) in enumerate(loaded):
        np.testing.assert_array_equal(image, images[number])
        assert label == number % 2
    assert number == 5


@pytest.mark.parametrize("images", [0, 20])
def test_an_interrupted_call_leaves_nothing_and_starts_anew(
    photos, records, tmp_path, monkeypatch, images
):
    checked = writing._checked

    def interrupted(*arguments):
        for number, image in enumerate(checked(*arguments)):
            if number == images:
                raise KeyboardInterrupt
            yield image

    monkeypatch.setattr(writing, "_common_size", lambda *_: (None, None))
    monkeypatch.setattr(writing, "_checked", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.write_records(f"folder:{photos}", tmp_path / "r")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    datasets.write_records(f"folder:{photos}", tmp_path / "r")
    assert examples(tmp_path / "r") == examples(records[0])


def test_a_directory_that_holds_something_is_refused(photos, records, tmp_path):
    before = examples(records[0])
    (tmp_path / "file").touch()
    for directory in (records[0], tmp_path):
        with pytest.raises(FileExistsError, match="`directory` must be new or empty"):
            datasets.write_records(f"folder:{photos}", directory)
    assert examples(records[0]) == before


def test_larger_images_are_made_smaller_by_their_shorter_side(photos, tmp_path):
    datasets.write_records(f"folder:{photos}", tmp_path, ["train"], image_size=26, quality=90)
    for name, (data, _, _) in examples(tmp_path).items():
        original = tf.io.decode_image((photos / "train" / name).read_bytes()).numpy()[..., :3]
        sides = np.array(original.shape[:2])
        image = tf.io.decode_image(data, channels=3).numpy()
        if sides.min() <= 26:
            assert image.shape[:2] == original.shape[:2]
            continue
        assert image.shape[:2] == tuple(np.round(sides * 26 / sides.min()))
        assert data.startswith(b"\xff\xd8")
        # the same picture: its mean color stays
        np.testing.assert_allclose(image.mean((0, 1)), original.mean((0, 1)), atol=6)


def test_images_of_one_size_need_no_image_size(tmp_path):
    write_folder(tmp_path / "photos", 8, size=(20, 24))
    written = datasets.write_records(f"folder:{tmp_path / 'photos'}", tmp_path / "r", ["train"])
    dataset, info = datasets.load(f"records:{tmp_path / 'r'}", "train", with_info=True)
    assert info.image_shape == (20, 24, 3)
    assert len(list(dataset)) == written["train"]["images"]


def test_empty_splits_of_a_tfds_set_are_left_out_where_nobody_asks_for_them(tmp_path):
    config = tfds.download.DownloadConfig(max_examples_per_split=4, try_download_gcs=False)
    builder = tfds.builder("shapes", data_dir=tmp_path)
    builder.download_and_prepare(download_config=config)
    file = Path(builder.data_dir) / "dataset_info.json"
    info = json.loads(file.read_text())
    for split in info["splits"]:
        if split["name"] != "train":
            split["shardLengths"] = ["0"]  # TFDS itself writes none
    file.write_text(json.dumps(info))
    written = datasets.write_records("shapes", tmp_path / "r", data_dir=tmp_path)
    assert {split: part["images"] for split, part in written.items()} == {"train": 4}
    with pytest.raises(EmptySplitError, match="`split` holds no images of 'shapes'"):
        datasets.write_records("shapes", tmp_path / "s", ["test"], data_dir=tmp_path)


def test_records_of_a_tfds_set_hold_its_images(tmp_path):
    config = tfds.download.DownloadConfig(max_examples_per_split=30, try_download_gcs=False)
    tfds.builder("shapes", data_dir=tmp_path).download_and_prepare(download_config=config)
    datasets.write_records("shapes", tmp_path / "r", shards=4, data_dir=tmp_path)
    both = [
        list(datasets.load(name, "test", data_dir=tmp_path).as_numpy_iterator())
        for name in ("shapes", f"records:{tmp_path / 'r'}")
    ]
    assert len(list((tmp_path / "r").glob("*-test.*"))) == 4
    assert set(examples(tmp_path / "r", "test")) == {f"test/{number}" for number in range(30)}
    pixels = [{image.tobytes(): label for image, label in images} for images in both]
    assert pixels[0] == pixels[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "records:x"}, "`source` must be .*Received: source='records:x'"),
        ({"source": ""}, "`source` must be .*Received: source=''"),
        ({"image_size": 0}, "`image_size` must be .*Received: image_size=0"),
        ({"shards": 1.5}, "`shards` must be .*Received: shards=1.5"),
        ({"quality": 101}, "`quality` must be .*Received: quality=101"),
        ({"shards": 2}, "`shards` must be at most 1, .*Received: shards=2"),
        ({"splits": "train"}, "`splits` must be a list of names. Received: splits='train'"),
        ({"splits": ["dev"]}, "`split` must be .*Received: split='dev'"),
        ({"splits": ["all"]}, '`splits` must not hold "all"'),
    ],
)
def test_errors_name_the_argument_and_what_arrived(photos, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.write_records(**{"source": f"folder:{photos}", "directory": tmp_path, **arguments})
    assert not list(tmp_path.iterdir())


def test_a_directory_without_records_is_named(tmp_path):
    with pytest.raises(ValueError, match=rf"`name` must be .*Received: name=.records:{tmp_path}"):
        datasets.load(f"records:{tmp_path}")


def test_a_set_of_broken_images_alone_is_an_error(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(9):
            (tmp_path / "photos" / name / f"{number}.jpg").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="None of the images of `source` can be read in the split"):
        datasets.write_records(f"folder:{tmp_path / 'photos'}", tmp_path / "r", ["train"])


def test_a_damaged_record_of_a_tfds_set_is_told_so(records, tmp_path):
    set_ = tmp_path / "mine" / "1.0.0"
    shutil.copytree(records[0], set_)
    for file in ("features.json", "dataset_info.json"):
        (set_ / file).write_text((set_ / file).read_text().replace('"records"', '"mine"'))
    for path in set_.glob("records-*"):
        path.rename(path.with_name(path.name.replace("records", "mine")))
    damaged = next(set_.glob("*-train.*"))
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="`source` 'mine', split 'train', cannot be read: "):
        datasets.write_records("mine", tmp_path / "r", ["train"], data_dir=tmp_path)
    assert not (tmp_path / "r").exists()


def run_recipe(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["make_records.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(RECIPE), run_name="__main__")
    return exit_.value.code, *capsys.readouterr()


def test_the_recipe_names_what_it_left_out_and_ends_with_a_result(
    photos, tmp_path, monkeypatch, capsys
):
    arguments = ("--dataset", f"folder:{photos}", "--output", tmp_path, "--splits", "train")
    status, out, err = run_recipe(monkeypatch, capsys, *arguments)
    assert status == 0
    assert "left out of train: cat/cut.jpg: damaged, or cut off\n" in err
    result = json.loads(out.splitlines()[-1].removeprefix("RESULT "))
    assert result["splits"]["train"]["images"] == 45
    assert result["splits"]["train"]["skipped"] == 2
    status, _, err = run_recipe(monkeypatch, capsys, *arguments)
    assert status == 1
    last = err.splitlines()[-1]
    assert last.startswith("keras-patchmix records: --output must be new or empty")
    assert f"Received: --output '{tmp_path}'" in last


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "records:x"], "--dataset must be .* Received: --dataset 'records:x'"),
        (
            ["--dataset", "nowhere"],
            "--dataset must be .* Received: --dataset 'nowhere', --da",
        ),
        (["--splits", "dev"], "--splits must be one of .* Received: --splits 'dev'"),
        (["--splits", "all"], '--splits must not hold "all"'),
    ],
)
def test_the_command_names_flags_in_place_of_arguments(photos, tmp_path, capsys, flags, message):
    given = ["--dataset", f"folder:{photos}", "--output", str(tmp_path), *flags]
    assert subcommand("records")(given) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
