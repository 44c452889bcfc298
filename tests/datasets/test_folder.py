import os
import re
import shutil

import keras
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets.errors import EmptySplitError  # noqa: E402
from keras_patchmix.datasets.loading import parse_source  # noqa: E402

COLORS = {"blue": (0, 0, 250), "green": (0, 250, 0), "red": (250, 0, 0)}


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = {".png": tf.io.encode_png, ".jpg": tf.io.encode_jpeg}[path.suffix]
    path.write_bytes(encode(image).numpy())


def fill(root, count, size=(8, 8), start=0):
    for name, color in COLORS.items():
        for k in range(start, start + count):
            image = np.broadcast_to(np.uint8(color), (*size, 3)).copy()
            image[0, 0] = k  # tells the images of a class apart
            write(root / name / f"{k}.png", image)


def read(path, split="train", **arguments):
    dataset, info = datasets.load(f"folder:{path}", split, with_info=True, **arguments)
    examples = list(dataset.as_numpy_iterator())
    assert len(examples) == info.num_examples == int(dataset.cardinality())
    return examples, info


def keys(examples):
    return {(int(image[0, 0, 0]), int(label)) for image, label in examples}


def test_classes_are_the_folders_and_labels_fit_the_images(tmp_path):
    fill(tmp_path, 10)
    examples, info = read(tmp_path)
    assert info.class_names == ("blue", "green", "red")
    assert info.num_classes == 3
    assert info.image_shape == (8, 8, 3)
    for image, label in examples:
        assert image.dtype == np.uint8
        assert label.dtype == np.int64
        np.testing.assert_array_equal(image[5, 5], COLORS[info.class_names[label]])


def test_a_jfif_file_is_a_jpeg_image(tmp_path):
    fill(tmp_path, 1)
    image = np.full((8, 8, 3), 200, np.uint8)
    (tmp_path / "green" / "photo.JFIF").write_bytes(tf.io.encode_jpeg(image).numpy())
    examples, info = read(tmp_path, "all")
    assert info.num_examples == 4
    (found,) = [pixels for pixels, label in examples if label == 1 and pixels[5, 5].min() > 100]
    np.testing.assert_allclose(found, image, atol=2)


def test_splits_by_hash_part_the_images_and_stay_when_files_are_added(tmp_path):
    fill(tmp_path, 60)
    before = {split: keys(read(tmp_path, split)[0]) for split in ("train", "validation", "test")}
    assert sum(len(part) for part in before.values()) == 180
    assert set.union(*before.values()) == {(k, label) for k in range(60) for label in range(3)}
    # 18 expected of 180 with a standard deviation of 4.
    assert all(6 <= len(before[split]) <= 30 for split in ("validation", "test"))
    fill(tmp_path, 30, start=60)
    for split, part in before.items():
        assert part < keys(read(tmp_path, split)[0])
    shutil.move(tmp_path / "red", tmp_path.parent / "red")
    shutil.copytree(tmp_path, tmp_path.parent / "elsewhere")
    shutil.move(tmp_path.parent / "red", tmp_path.parent / "elsewhere" / "red")
    for split, part in before.items():
        assert part < keys(read(tmp_path.parent / "elsewhere", split)[0])


def test_classes_come_mixed_in_the_same_order_each_time(tmp_path):
    fill(tmp_path, 30)
    first, second = ([label for _, label in read(tmp_path)[0]] for _ in range(2))
    assert first == second
    assert sorted(first) != first
    assert set(first[:12]) == {0, 1, 2}


def test_shuffled_files_come_in_another_order_each_epoch(tmp_path):
    fill(tmp_path, 30)
    dataset = datasets.load(f"folder:{tmp_path}", shuffle_files=True, seed=1)
    first, second = ([image.tobytes() for image, _ in dataset.as_numpy_iterator()] for _ in "ab")
    assert first != second
    assert sorted(first) == sorted(second)


@pytest.mark.parametrize("validation", ["validation", "val"])
def test_split_folders_are_used_where_they_exist(tmp_path, validation):
    fill(tmp_path / "train", 40)
    fill(tmp_path / validation, 3, start=100)
    assert {k for k, _ in keys(read(tmp_path, "validation")[0])} == {100, 101, 102}
    train, test = (keys(read(tmp_path, split)[0]) for split in ("train", "test"))
    assert test
    assert not train & test
    assert len(train | test) == 120
    fill(tmp_path / "test", 2, start=200)
    assert {k for k, _ in keys(read(tmp_path, "test")[0])} == {200, 201}
    assert len(read(tmp_path, "train")[0]) == 120


def test_gray_and_transparent_images_become_rgb(tmp_path):
    for k in range(5):
        write(tmp_path / "a" / f"{k}.png", np.full((6, 6, 1), 90, np.uint8))
        write(tmp_path / "a" / f"two{k}.png", np.full((6, 6, 2), 90, np.uint8))
        write(tmp_path / "b" / f"{k}.png", np.full((6, 6, 4), 90, np.uint8))
        write(tmp_path / "b" / f"{k}.jpg", np.full((6, 6, 3), 90, np.uint8))
    examples, _ = read(tmp_path)
    assert {image.shape for image, _ in examples} == {(6, 6, 3)}
    assert all(np.abs(image.astype(int) - 90).max() < 4 for image, _ in examples)


def test_resizing_keeps_proportions_and_cuts_the_center(tmp_path):
    # A wide image: black, a white square in the middle, black.
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 255
    for name in ("a", "b"):
        for k in range(6):
            write(tmp_path / name / f"{k}.png", image)
    for image, _ in read(tmp_path, image_size=10)[0]:
        assert image.shape == (10, 10, 3)
        assert image[:, 1:9].min() == 255
    for image, _ in read(tmp_path, image_size=(10, 30))[0]:
        assert image.shape == (10, 30, 3)
        assert image[:, 11:19].min() == 255
        assert max(image[:, :9].max(), image[:, 21:].max()) == 0


def test_an_image_of_the_right_size_is_left_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8)
    for name in ("a", "b"):
        for k in range(6):
            write(tmp_path / name / f"{k}.png", image)
    for read_image, _ in read(tmp_path, image_size=(9, 7))[0]:
        np.testing.assert_array_equal(read_image, image)


def test_sizes_that_vary_raise_an_error_that_names_the_file(tmp_path):
    fill(tmp_path, 10)
    write(tmp_path / "red" / "large.png", np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"large\.png.*Give `image_size`"):
        read(tmp_path)
    assert read(tmp_path, image_size=8)[0]


@pytest.mark.parametrize("content", [b"no image at all", "cut"])
def test_a_broken_image_raises_an_error_that_names_the_file(tmp_path, content):
    fill(tmp_path, 10)
    if content == "cut":
        whole = tf.io.encode_jpeg(np.zeros((8, 8, 3), np.uint8)).numpy()
        content = whole[: len(whole) // 2]
    (tmp_path / "red" / "broken.jpg").write_bytes(content)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Cannot decode.*broken\.jpg"):
        read(tmp_path, image_size=8)


def test_folder_errors_name_what_is_wrong(tmp_path):
    fill(tmp_path / "good", 3)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty_classes" / "a").mkdir(parents=True)
    write(tmp_path / "single" / "only" / "1.png", np.zeros((4, 4, 3), np.uint8))
    cases = [
        ("missing", "train", "a folder that exists. Received: name="),
        ("empty", "train", "there are no such images. Received: name="),
        ("empty_classes", "train", "there are no such images. Received: name="),
        ("single", "train", "at least two classes; 'only' is the only one. Received: name="),
        ("good", "dev", "`split` must be one of .*Received: split='dev'"),
    ]
    for name, split, message in cases:
        with pytest.raises(ValueError, match=message):
            datasets.load(f"folder:{tmp_path / name}", split)
    with pytest.raises(ValueError, match="a folder that exists"):
        datasets.load("folder:")


def test_an_empty_split_raises(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "train" / name / "1.png", np.zeros((4, 4, 3), np.uint8))
        (tmp_path / "test" / name).mkdir(parents=True)
    with (
        pytest.warns(UserWarning, match="2 of 2 classes of 'test' without images"),
        pytest.raises(EmptySplitError, match=r"`split` holds no images.*split='test'"),
    ):
        datasets.load(f"folder:{tmp_path}", "test")


def test_hidden_files_and_those_of_systems_are_left_out_in_silence(tmp_path):
    fill(tmp_path, 10)
    for name in (".cache/1.png", "red/.thumbs/1.png", "__MACOSX/red/1.png", "red/._0.png"):
        write(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    for name in (".DS_Store", "red/.DS_Store", "red/Thumbs.db", "blue/desktop.ini", "README.md"):
        (tmp_path / name).write_text("notes")
    assert read(tmp_path)[1].class_names == ("blue", "green", "red")


def test_what_is_left_out_is_counted_and_named(tmp_path):
    fill(tmp_path, 10)
    for name in ("red/2.heic", "red/more/1.HEIC", "blue/notes.txt", "red/none"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    write(tmp_path / "lost.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "red" / "gone.png").symlink_to(tmp_path / "nowhere")
    said = (
        "2 .heic ('red/2.heic', ...); 1 .txt ('blue/notes.txt'); 1 in no class folder "
        "('lost.png'); 1 that are no files ('red/gone.png'); 1 without a suffix ('red/none')"
    )
    with pytest.warns(UserWarning, match=re.escape(said)) as caught:
        data = datasets.load_for_scoring(f"folder:{tmp_path}", "all", 8)
    assert caught[0].filename == __file__
    assert data.left_out == said
    assert data.info.num_examples == 30
    with pytest.warns(UserWarning, match=re.escape(said)):
        datasets.load(f"folder:{tmp_path}", "train", 8)


def test_an_empty_class_keeps_its_id_as_in_keras(tmp_path):
    fill(tmp_path, 10)
    (tmp_path / "cyan").mkdir()
    (tmp_path / "amber").mkdir()
    (tmp_path / "amber" / "photo.heic").write_text("x")
    with pytest.warns(
        UserWarning, match=r"2 of 5 classes without images.*: 'amber', 'cyan'. Left out: 1 .heic"
    ):
        examples, info = read(tmp_path)
    assert info.class_names == ("amber", "blue", "cyan", "green", "red")
    for image, label in examples:
        np.testing.assert_array_equal(image[5, 5], COLORS[info.class_names[label]])
    peer = keras.utils.image_dataset_from_directory(tmp_path, image_size=(8, 8), verbose=False)
    assert tuple(peer.class_names) == info.class_names


def test_names_that_are_no_text_are_read_and_printable(tmp_path):
    odd = os.fsdecode(b"b\xff")
    for name in ("a", odd):
        write(tmp_path / name / f"{odd}.png", np.full((4, 4, 3), 7, np.uint8))
        write(tmp_path / name / "second.png", np.full((4, 4, 3), 7, np.uint8))
    examples, info = read(tmp_path, "all")
    assert info.class_names == ("a", "b\\xff")
    assert sorted(label for _, label in examples) == [0, 0, 1, 1]
    encoded = parse_source(f"folder:{tmp_path}").encoded("all")
    assert sum(1 for _ in encoded.in_order()) == 4
