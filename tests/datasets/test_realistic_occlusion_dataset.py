import functools
import http.server
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from keras_patchmix.datasets import realistic_occlusion_dataset as rod
from keras_patchmix.scoring.class_map import ClassMap
from tests.datasets.tarballs import jpg, noise, png, png_that_claims, write_tar_gz

needs_tfds = pytest.mark.needs("tensorflow", "tensorflow_datasets")
# Archive, folder, file, label, image: folders are spelled in every way that is accepted.
PHOTOS = [
    ("rod_0.tar.gz", "rod_0/banana", "blue-s1.png", "banana", noise(20, 30, 0)),
    ("rod_0.tar.gz", "rod_0/cowboy hat", "red-s2.png", "cowboy hat", noise(30, 20, 1)),
    ("rod_0.tar.gz", "rod_0/Cowboy_Hat", "red-s3.png", "cowboy hat", noise(8, 8, 2)),
    ("rod_1.tar.gz", "banana", "blue-s1.png", "banana", noise(9, 60, 3)),
    ("rod_1.tar.gz", "cowboyhat", "red-s4.png", "cowboy hat", noise(64, 7, 4)),
    ("rod_1.tar.gz", "vase", "red-s5.png", "vase", noise(40, 40, 5)),
]


def write_archives(folder):
    """Archives in the true form, with photographs of noise."""
    for archive in ("rod_0.tar.gz", "rod_1.tar.gz"):
        members = [
            (f"{where}/{name}", png(image))
            for own, where, name, _, image in PHOTOS
            if own == archive
        ]
        write_tar_gz(folder / archive, members)
    return folder


@pytest.fixture
def small_sizes(tmp_path, monkeypatch):
    """Archives in a folder, whose sizes are the published ones while the test runs."""
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder

    folder = write_archives(tmp_path / "manual")
    for name in list(builder.SIZES):
        monkeypatch.setitem(builder.SIZES, name, (folder / name).stat().st_size)
    return folder


def prepare(data_dir, manual_dir, config="full"):
    """Returns a builder whose files were written, read from disk again."""
    import tensorflow_datasets as tfds

    import keras_patchmix.datasets  # noqa: F401 (registers the builder)

    tfds.disable_progress_bar()
    made = tfds.builder("realistic_occlusion_dataset", config=config, data_dir=data_dir)
    made.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    )
    return tfds.builder("realistic_occlusion_dataset", config=config, data_dir=data_dir)


def examples_of(made):
    examples = made.as_dataset(split="test").as_numpy_iterator()
    return sorted(examples, key=lambda example: example["file_name"])


@needs_tfds
def test_every_photograph_comes_with_its_label_whatever_the_spelling(tmp_path, small_sizes):
    made = prepare(tmp_path / "data", small_sizes)
    names = made.info.features["label"].names
    assert names == list(rod.CLASS_NAMES)
    read = {
        example["file_name"].decode(): (names[example["label"]], example["image"])
        for example in examples_of(made)
    }
    assert len(read) == len(PHOTOS)
    for _, folder, name, label, image in PHOTOS:
        assert read[f"{folder}/{name}"][0] == label
        np.testing.assert_array_equal(read[f"{folder}/{name}"][1], image)


@needs_tfds
def test_load_gives_images_and_labels_of_one_size(tmp_path, small_sizes):
    from keras_patchmix import datasets

    prepare(tmp_path / "data", small_sizes)
    pairs, info = datasets.load(
        "realistic_occlusion_dataset", "test", 6, data_dir=tmp_path / "data", with_info=True
    )
    read = [(tuple(image.shape), int(label)) for image, label in pairs]
    assert sorted(read) == [((6, 6, 3), label) for label in (0, 0, 2, 2, 2, 15)]
    assert info.class_names == rod.CLASS_NAMES


@needs_tfds
def test_larger_photographs_are_reduced_and_smaller_ones_kept(tmp_path, small_sizes):
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder

    made = prepare(tmp_path / "data", small_sizes, rod.RodConfig(name="30px", longest_side=30))
    read = {example["file_name"].decode(): example["image"] for example in examples_of(made)}
    shapes = [(20, 30), (30, 20), (8, 8), (4, 30), (30, 3), (30, 30)]
    for (_, folder, name, _, image), shape in zip(PHOTOS, shapes, strict=True):
        stored = read[f"{folder}/{name}"]
        assert stored.shape == (*shape, 3)
        if shape == image.shape[:2]:
            np.testing.assert_array_equal(stored, image)
    # A reduction by two weighs four pixels of each direction 1, 3, 3, 1: a step keeps its place.
    step = np.zeros((8, 8, 3), np.uint8)
    step[:, 4:] = 200
    reduced = builder._reduced(step, 4)[..., 0]
    np.testing.assert_array_equal(reduced, [[0, 25, 175, 200]] * 4)


@needs_tfds
def test_files_that_cannot_be_used_are_named_with_the_reason(tmp_path, small_sizes, monkeypatch):
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder

    photo = jpg(noise(20, 20))
    members = [
        ("vase/good.jpg", photo),
        ("vase/broken.jpg", photo[: len(photo) // 2]),
        ("vase/bomb.png", png_that_claims(50_000, 40_000)),
        ("teapot/stranger.jpg", photo),
        ("outside.jpg", photo),
    ]
    write_tar_gz(small_sizes / "rod_1.tar.gz", members)
    size = (small_sizes / "rod_1.tar.gz").stat().st_size
    monkeypatch.setitem(builder.SIZES, "rod_1.tar.gz", size)
    with pytest.warns(UserWarning, match="4 of 8 images are left out"):
        made = prepare(tmp_path / "data", small_sizes)
    assert made.info.splits["test"].num_examples == 4
    assert made.info.metadata["skipped"] == {
        "rod_1.tar.gz:vase/broken.jpg": "damaged, or cut off",
        "rod_1.tar.gz:vase/bomb.png": "50000 x 40000 pixels, above the limit of 100 million",
        "rod_1.tar.gz:teapot/stranger.jpg": "its folder 'teapot' is no class of ROD",
        "rod_1.tar.gz:outside.jpg": "its folder '' is no class of ROD",
    }


@needs_tfds
def test_archives_of_another_size_are_refused_unless_asked_for(tmp_path):
    manual = write_archives(tmp_path / "manual")
    with pytest.raises(ValueError, match=r"1,350,865,094 are pub.*check_sizes=False\)") as error:
        prepare(tmp_path / "data", manual)
    assert "'rod_0.tar.gz'" in str(error.value)
    made = prepare(tmp_path / "data", manual, rod.RodConfig(name="any_size", check_sizes=False))
    assert made.info.splits["test"].num_examples == 6


@needs_tfds
def test_archives_are_downloaded_from_the_old_address_where_the_new_one_has_none(
    tmp_path, small_sizes, monkeypatch
):
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder

    (tmp_path / "server").mkdir()
    small_sizes.rename(tmp_path / "server" / "old")
    asked = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Quiet, directory=str(tmp_path / "server"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(builder, "ADDRESSES", (f"{address}/new/{{}}", f"{address}/old/{{}}"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        # TFDS knows no checksums of these files; with its defaults it does not ask for any.
        made = prepare(tmp_path / "data", None)
        assert made.info.splits["test"].num_examples == 6
        asked.clear()
        prepare(tmp_path / "data", None, "512px")
        # What was downloaded is not downloaded again.
        assert not [path for path in asked if path.startswith("/old")]
        monkeypatch.setattr(builder, "ADDRESSES", (f"{address}/gone/{{}}",))
        with pytest.raises(ValueError, match=r"2 of 2 archives are missing.*HTTP code: 404"):
            prepare(tmp_path / "elsewhere", None)
    finally:
        server.shutdown()
        server.server_close()


@needs_tfds
def test_the_map_holds_the_outputs_of_the_named_classes_of_imagenet():
    import tensorflow_datasets as tfds

    names = tfds.builder("imagenet2012").info.features["label"].names
    assert rod.class_map() == [
        [names.index(synset) for synset in rod.IMAGENET_CLASSES[name]] for name in rod.CLASS_NAMES
    ]


def test_there_are_sixteen_classes_in_alphabetical_order():
    assert len(rod.CLASS_NAMES) == 16
    assert list(rod.CLASS_NAMES) == sorted(rod.CLASS_NAMES)
    assert list(rod.IMAGENET_CLASSES) == list(rod.CLASS_NAMES)


def test_the_page_on_rod_prints_the_map():
    page = (Path(__file__).parents[2] / "docs" / "data_sets.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z ]+) \| (n\d{8} .*) \|$", page, re.M)
    printed = [(name, re.findall(r"(n\d{8})[^(]*\((\d+)\)", row)) for name, row in rows]
    assert printed == [
        (name, list(zip(rod.IMAGENET_CLASSES[name], map(str, outputs), strict=True)))
        for name, outputs in zip(rod.CLASS_NAMES, rod.class_map(), strict=True)
    ]


def test_models_are_scored_over_the_mapped_classes_alone():
    scores = np.zeros((3, 1000), np.float32)
    scores[0, 504] = 2.0  # coffee mug: a cup
    scores[1, [681, 950]] = 3.0, 2.0  # notebook above orange: a laptop
    scores[2, [0, 883]] = 9.0, 1.0  # tench does not count: a vase
    selected = ClassMap(rod.class_map()).select(scores)
    assert selected.shape == (3, 16)
    predicted = [rod.CLASS_NAMES[k] for k in selected.argmax(1)]
    assert predicted == ["cup", "laptop", "vase"]


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "512", True])
def test_a_longest_side_that_is_no_length_is_refused(wrong):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ValueError, match="`longest_side` must be a positive integer or None"):
        rod.RodConfig(name="wrong", longest_side=wrong)
