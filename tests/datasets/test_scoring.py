"""Data for scoring: broken files are skipped and named, and shift nobody."""

import os

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from keras_patchmix import datasets  # noqa: E402
from tests.datasets.listing import list_images  # noqa: E402


def write(path, image, encode=tf.io.encode_png):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(image).numpy())


@pytest.fixture
def photos(tmp_path):
    """Forty images of two classes; image k is k everywhere."""
    for k in range(40):
        image = np.full((8, 8, 3), k, np.uint8)
        write(tmp_path / ("even" if k % 2 == 0 else "odd") / f"{k}.png", image)
    return tmp_path


def values(data):
    """Returns what was read: the index, the value and the label of each image."""
    found = {}
    for batch in data:
        assert batch["images"].dtype == np.uint8
        assert batch["labels"].dtype == batch["index"].dtype == np.int64
        for image, label, index in zip(*batch.values(), strict=True):
            assert len(np.unique(image)) == 1
            found[int(index)] = (int(image[0, 0, 0]), int(label))
    return found


def expected(root):
    listed = list_images(root, "all")[1]
    return {i: (int(path.stem), label) for i, (_, label, path) in enumerate(listed)}


def test_every_image_comes_with_its_label_and_its_place_in_the_listing(photos):
    data = datasets.load_for_scoring(f"folder:{photos}", "all", batch_size=7)
    assert values(data) == expected(photos)
    assert values(data) == expected(photos)
    assert data.skipped == {}
    assert len(data) == 6
    assert data.info.num_examples == 40
    assert data.info.class_names == ("even", "odd")
    assert data.info.image_shape == (8, 8, 3)
    assert [len(batch["labels"]) for batch in data] == [7, 7, 7, 7, 7, 5]


def test_the_images_are_those_of_load(photos):
    write(photos / "even" / "wide.png", np.full((20, 60, 3), 99, np.uint8))
    dataset = datasets.load(f"folder:{photos}", "train", image_size=6)
    data = datasets.load_for_scoring(f"folder:{photos}", "train", image_size=6)
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    np.testing.assert_array_equal(np.concatenate([b["images"] for b in data]), np.stack(images))
    np.testing.assert_array_equal(np.concatenate([b["labels"] for b in data]), labels)


def test_broken_files_are_skipped_with_a_reason_and_shift_nobody(photos):
    whole = tf.io.encode_jpeg(np.zeros((8, 8, 3), np.uint8)).numpy()
    kept = expected(photos)
    broken = {
        "even/0.png": b"no image",
        "odd/1.png": b"",
        "even/2.png": whole[: len(whole) // 2],
    }
    for name, content in broken.items():
        (photos / name).write_bytes(content)
    reasons = {
        "even/0.png": "no image of a known format (JPEG, PNG, GIF, BMP, WebP, TIFF, PPM)",
        "odd/1.png": "the file is empty",
        "even/2.png": "damaged, or cut off",
        "odd/3.png": "cannot be read: No such file or directory",
    }
    data = datasets.load_for_scoring(f"folder:{photos}", "all", image_size=8, batch_size=8)
    (photos / "odd" / "3.png").unlink()  # listed, and gone when it is its turn
    rest = {i: (k, label) for i, (k, label) in kept.items() if k > 3}
    assert values(data) == rest
    assert data.skipped == reasons
    assert values(data) == rest
    assert data.skipped == reasons


def test_a_broken_image_comes_first_and_the_size_is_that_of_the_others(photos):
    (first, _, path), *_ = list_images(photos, "all")[1]
    path.write_bytes(b"broken")
    data = datasets.load_for_scoring(f"folder:{photos}", "all")
    assert data.info.image_shape == (8, 8, 3)
    assert len(values(data)) == 39
    assert list(data.skipped) == [first]


def test_batches_without_a_readable_image_are_left_out(photos):
    for _, _, path in list_images(photos, "all")[1][4:8]:
        path.write_bytes(b"broken")
    data = datasets.load_for_scoring(f"folder:{photos}", "all", image_size=8, batch_size=4)
    assert [len(batch["labels"]) for batch in data] == [4] * 9


def test_nothing_readable_raises(photos):
    data = datasets.load_for_scoring(f"folder:{photos}", "all", image_size=8)
    for path in photos.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"None of the 40 images can be read; .*no image of"):
        list(data)
    with pytest.raises(ValueError, match="None of the 40 images can be read"):
        datasets.load_for_scoring(f"folder:{photos}", "all")


def test_sizes_that_vary_are_no_broken_files(photos):
    write(photos / "even" / "large.png", np.full((9, 8, 3), 50, np.uint8))
    data = datasets.load_for_scoring(f"folder:{photos}", "all")
    with pytest.raises(ValueError, match=r"no common size: 'even/large.png' .*Give `image_size`"):
        list(data)


def test_names_that_are_no_text_can_be_written_down(photos):
    name = os.fsdecode(b"broken\xff.png")
    (photos / "even" / name).write_bytes(b"broken")
    data = datasets.load_for_scoring(f"folder:{photos}", "all", image_size=8)
    assert len(values(data)) == 40
    assert list(data.skipped) == [f"even/{name}"]
    assert (photos / next(iter(data.skipped))).exists()


def test_two_broken_files_of_one_printable_name_are_both_named(photos):
    for name in (b"a\xe9.png", rb"a\xe9.png"):
        (photos / "even" / os.fsdecode(name)).write_bytes(b"broken")
    data = datasets.load_for_scoring(f"folder:{photos}", "all", image_size=8)
    assert len(values(data)) == 40
    assert set(data.skipped) == {"even/a\udce9.png", r"even/a\xe9.png"}


def test_the_names_of_classes_are_printable(photos):
    for number, name in enumerate((b"caf\xe9", b"red\x1b[31m")):
        folder = photos / os.fsdecode(name)
        folder.mkdir()
        write(folder / f"{number}.png", np.full((8, 8, 3), 9, np.uint8))
    data = datasets.load_for_scoring(f"folder:{photos}", "all")
    assert {r"caf\xe9", r"red\x1b[31m"} < set(data.info.class_names)
    assert datasets.load(f"folder:{photos}", "all", with_info=True)[1].class_names == (
        data.info.class_names
    )


def test_a_set_of_tfds_comes_in_batches_with_its_index():
    data = datasets.load_for_scoring("shapes", "test[:100]", batch_size=64)
    dataset, info = datasets.load("shapes", "test[:100]", with_info=True)
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    batches = list(data)
    assert data.info == info
    assert len(data) == len(batches) == 2
    np.testing.assert_array_equal(np.concatenate([b["images"] for b in batches]), images)
    np.testing.assert_array_equal(np.concatenate([b["labels"] for b in batches]), labels)
    np.testing.assert_array_equal(np.concatenate([b["index"] for b in batches]), np.arange(100))
    assert data.skipped == {}


def test_the_split_all_is_every_image_once(photos):
    parts = [
        {name for name, _, _ in list_images(photos, split)[1]}
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, parts)) == 40
    assert {name for name, _, _ in list_images(photos, "all")[1]} == set.union(*parts)
    for name in ("train", "test"):
        write(photos / "parted" / name / "a" / "1.png", np.zeros((8, 8, 3), np.uint8))
        write(photos / "parted" / name / "b" / "1.png", np.zeros((8, 8, 3), np.uint8))
    names = {name for name, _, _ in list_images(photos / "parted", "all")[1]}
    assert names == {"train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"}


@pytest.mark.parametrize("batch_size", [0, 2.5, None])
def test_a_batch_size_out_of_range_is_refused(photos, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        datasets.load_for_scoring(f"folder:{photos}", "all", batch_size=batch_size)
