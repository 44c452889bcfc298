"""Data sets where TensorFlow is not installed: the same order, and pixels by Pillow."""

import io
import shutil

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from keras_patchmix import datasets  # noqa: E402
from keras_patchmix.datasets.loading import parse_source  # noqa: E402
from tests.datasets.listing import list_images  # noqa: E402
from tests.datasets.photos import smooth  # noqa: E402
from tests.without_tensorflow import without_tensorflow  # noqa: E402


@pytest.fixture
def lacking():
    with without_tensorflow():
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of several sizes and forms, PNG and JPEG."""
    root = tmp_path_factory.mktemp("photos")
    for k in range(24):
        pixels = smooth(k, 40 + k % 5, 52 + 3 * (k % 4))
        picture = Image.fromarray(pixels)
        mode = ("RGB", "L", "P", "RGBA")[k % 4] if k % 2 else "RGB"
        path = (
            root / f"class{k % 3}" / f"{k:02d}.{'jpg' if mode == 'RGB' and k % 4 == 0 else 'png'}"
        )
        path.parent.mkdir(exist_ok=True)
        picture.convert(mode).save(path, **({"quality": 90} if path.suffix == ".jpg" else {}))
    return root


def read(root, size=32, batch_size=7):
    data = datasets.load_for_scoring(f"folder:{root}", "all", size, batch_size=batch_size)
    return data, list(data)


def joined(batches, key):
    return np.concatenate([batch[key] for batch in batches])


def test_every_image_comes_with_its_label_and_its_place_in_the_listing(lacking, photos):
    data, batches = read(photos)
    listed = list_images(photos, "all")[1]
    assert [len(batch["index"]) for batch in batches] == [7, 7, 7, 3]
    assert joined(batches, "index").tolist() == list(range(24))
    assert joined(batches, "labels").tolist() == [label for _, label, _ in listed]
    assert joined(batches, "images").dtype == np.uint8
    for image, (_, _, path) in zip(joined(batches, "images"), listed, strict=True):
        picture = Image.open(path).convert("RGB")
        # A square of the whole height, scaled by another method.
        left = (picture.width - picture.height) // 2
        part = picture.crop((left, 0, left + picture.height, picture.height))
        expected = np.asarray(part.resize((32, 32), Image.Resampling.BOX)).astype(int)
        assert np.abs(image - expected).mean() < 12
    assert data.skipped == {}
    assert (data.num_examples, len(data)) == (24, 4)


@pytest.mark.needs("tensorflow", "grain")
def test_pixels_differ_from_those_of_tensorflow_by_a_few_levels(photos):
    theirs = joined(read(photos)[1], "images").astype(int)
    whole = datasets.load(f"folder:{photos}", "train", 32, with_info=True)
    with without_tensorflow():
        batches = read(photos)[1]
        ours = joined(batches, "images").astype(int)
        examples, info = datasets.load(f"folder:{photos}", "train", 32, with_info=True)
    is_jpeg = np.array([path.suffix == ".jpg" for _, _, path in list_images(photos, "all")[1]])
    assert np.abs(ours - theirs)[~is_jpeg].max() <= 1
    assert 0 < np.abs(ours - theirs)[is_jpeg].max() <= 7
    assert np.abs(ours - theirs).mean() < 0.5
    assert info == whole[1]
    for (image, label), (x, y) in zip(examples, whole[0].as_numpy_iterator(), strict=True):
        assert label == y
        assert np.abs(image.astype(int) - x).max() <= 7


@pytest.mark.needs("tensorflow")
def test_png_files_at_their_own_size_are_the_same_to_the_last_bit(tmp_path):
    for k in range(6):
        mode = ("RGB", "L", "P", "RGBA", "LA", "1")[k]
        (tmp_path / f"class{k % 2}").mkdir(exist_ok=True)
        picture = Image.fromarray(smooth(k, 30, 30)).convert(mode)
        picture.save(tmp_path / f"class{k % 2}" / f"{k}.png")
    theirs = joined(read(tmp_path, None)[1], "images")
    with without_tensorflow():
        ours = joined(read(tmp_path, None)[1], "images")
    np.testing.assert_array_equal(ours, theirs)


def test_broken_files_are_skipped_with_a_reason_and_shift_nobody(lacking, photos, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    kept = {i: name for i, (name, _, _) in enumerate(list_images(root, "all")[1])}
    file = io.BytesIO()
    Image.fromarray(smooth(0, 40, 40)).save(file, "JPEG")
    broken = {
        "class0/00.jpg": (b"no image", "no image of a known format"),
        "class1/01.png": (b"", "the file is empty"),
        "class2/02.png": (file.getvalue()[:500], "damaged, or cut off"),
    }
    for name, (content, _) in broken.items():
        (root / name).write_bytes(content)
    data = datasets.load_for_scoring(f"folder:{root}", "all", 32, batch_size=5)
    (root / "class0" / "03.png").unlink()
    batches = list(data)
    reasons = {name: reason for name, (_, reason) in broken.items()}
    reasons["class0/03.png"] = "cannot be read: No such file or directory"
    assert data.skipped.keys() == reasons.keys()
    assert all(data.skipped[name].startswith(reason) for name, reason in reasons.items())
    expected = [i for i, name in kept.items() if name not in reasons]
    assert joined(batches, "index").tolist() == expected


def test_sizes_that_vary_need_an_image_size(lacking, photos):
    with pytest.raises(ValueError, match=r"no common size: .*Give `image_size`"):
        read(photos, None)
    pytest.importorskip("grain")
    with pytest.raises(ValueError, match=r"another size than .*Give `image_size`"):
        list(datasets.load(f"folder:{photos}", "train"))


def test_a_folder_is_loaded_as_grain_takes_it(lacking, photos):
    grain = pytest.importorskip("grain")
    dataset, info = datasets.load(f"folder:{photos}", "train", 16, with_info=True)
    assert isinstance(dataset, grain.MapDataset)
    assert info.num_examples == len(dataset)
    assert info.image_shape == (16, 16, 3)
    labels = [label for _, label, _ in list_images(photos, "train")[1]]
    images, class_ids = dataset.batch(4)[0]
    assert (images.shape, images.dtype) == ((4, 16, 16, 3), np.uint8)
    assert class_ids.tolist() == labels[:4]
    mixed = datasets.load(f"folder:{photos}", "train", 16, shuffle_files=True, seed=1)
    assert [int(y) for _, y in mixed] != labels
    assert sorted(int(y) for _, y in mixed) == sorted(labels)


def test_the_shapes_are_generated_when_they_are_asked_for(lacking):
    data = datasets.load_for_scoring("shapes", "test", batch_size=10)
    batch = next(iter(data))
    assert (data.num_examples, data.info.image_shape) == (2000, (32, 32, 3))
    assert (batch["images"].shape, batch["images"].dtype) == ((10, 32, 32, 3), np.uint8)
    assert datasets.split_names("shapes/64px") == ["test", "train", "validation"]
    _, large = parse_source("shapes/64px").examples("train", (48, 48))
    image, label = large[0]
    assert (len(large), image.shape, label) == (8000, (48, 48, 3), large.labels[0])
    assert np.bincount(large.labels).tolist() == [800] * 10


@pytest.mark.needs("tensorflow", "tensorflow_datasets")
def test_the_shapes_come_in_the_order_of_tensorflow_datasets():
    expected = datasets.load("shapes", "test[:60]").as_numpy_iterator()
    listing = parse_source("shapes").listing("test")
    with without_tensorflow():
        assert parse_source("shapes").listing("test") == listing
        _, examples = parse_source("shapes").examples("test")
    for position, (image, label) in enumerate(expected):
        np.testing.assert_array_equal(examples[position][0], image)
        assert examples[position][1] == label


def test_a_part_of_the_shapes_is_an_error_that_says_what_it_needs(lacking):
    with pytest.raises(ValueError, match=r"parts of 'shapes' need .*keras-patchmix\[datasets\]"):
        datasets.load_for_scoring("shapes", "test[:10]")
