import hashlib
import subprocess
import sys

import numpy as np
import pytest

from keras_patchmix.datasets import shapes
from keras_patchmix.datasets.shapes import painting, sampling

DIGEST = "de11eba859d74738f4e2bdd69ec3c966737a9e0a2a3f0f97a9e1e78cdbe8de3b"


def digest():
    found = hashlib.sha256()
    for size in (32, 64, 96):
        found.update(shapes.generate(range(20), "test", size)[0].tobytes())
    return found.hexdigest()


def test_bytes_are_the_recorded_ones():
    assert digest() == DIGEST


def test_an_image_does_not_depend_on_what_is_generated_with_it():
    together, labels = shapes.generate(range(7), "train")
    for index in (6, 0, 3):
        alone, label = shapes.generate([index], "train")
        np.testing.assert_array_equal(alone[0], together[index])
        assert label[0] == labels[index]


@pytest.mark.parametrize("size", [16, 33, 64])
def test_images_have_the_size_asked_for_and_use_the_range(size):
    images, labels = shapes.generate(range(10), image_size=size)
    assert images.shape == (10, size, size, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert images.min() < 40
    assert images.max() > 180


def test_splits_and_seeds_share_no_image():
    seen = set()
    for split in sampling.SPLITS:
        for seed in (0, 1):
            images, _ = shapes.generate(range(50), split, 16, seed)
            seen |= {image.tobytes() for image in images}
    assert len(seen) == 3 * 2 * 50


def test_classes_are_balanced_and_named_after_their_parts():
    _, labels = shapes.generate(range(40), image_size=16)
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, 4))
    assert len(set(shapes.CLASS_NAMES)) == 10
    for name, (outline, texture, limb) in zip(shapes.CLASS_NAMES, sampling.CLASSES, strict=True):
        assert name == f"{texture}_{outline}_{limb}"


def test_no_single_part_tells_the_class_and_any_two_do():
    for part, values in enumerate((sampling.OUTLINES, sampling.TEXTURES, sampling.LIMBS)):
        counts = [sum(word[part] == value for word in sampling.CLASSES) for value in values]
        assert set(counts) <= {2, 3}
        others = {word[:part] + word[part + 1 :] for word in sampling.CLASSES}
        assert len(others) == 10


def test_clutter_and_colors_do_not_depend_on_the_class():
    # The class chooses the three parts and nothing else: all other draws are the same.
    first, second = (sampling.sample_plan(label, 0, "train", 5) for label in (0, 9))
    assert first["clutter"] == second["clutter"]
    assert first["clutter"]
    for key in ("pose", "tones", "limb_color", "light", "shadow", "grain", "period"):
        assert first[key] == second[key], key
    assert (first["outline"], first["limb"]) != (second["outline"], second["limb"])


def test_outlines_have_the_same_area():
    axis = (np.arange(800, dtype=np.float32) + 0.5) / 200 - 2
    x, y = np.meshgrid(axis, axis)
    for outline in sampling.OUTLINES:
        area = (painting.outline_distance(outline, x, y) < 0).mean() * 16
        assert area == pytest.approx(np.pi, rel=0.03), outline


def test_textures_cover_about_a_part_of_the_plane_that_tells_little():
    axis = (np.arange(600, dtype=np.float32) + 0.5) / 30 - 10
    x, y = np.meshgrid(axis, axis)
    for texture in sampling.TEXTURES:
        mask = painting.texture_mask(texture, x, y, 0.75, (0.3, 0.6), 0.05)
        assert mask.dtype == np.float32
        assert 0 <= mask.min() <= mask.max() <= 1
        assert 0.25 < mask.mean() < 0.55, texture


def test_mean_colors_tell_no_class():
    images, labels = shapes.generate(range(1000), image_size=16)
    means = images.reshape(1000, -1, 3).mean(1)
    between = np.stack([means[labels == k].mean(0) for k in range(10)]).var(0)
    # 100 images a class: the variance of a class mean is a 100th of that of an image; the ratio of
    # the two follows F(9, 990), which exceeds 3.1 once in a thousand times.
    assert (between / (means.var(0) / 100)).max() < 3.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "val"}, "`split` must be one of .* Received: split='val'"),
        ({"image_size": 8}, "`image_size` must be .* Received: image_size=8"),
        ({"seed": -1}, "`seed` must be .* Received: seed=-1"),
        ({"indices": [-1]}, "`indices` must be 0 or more"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes.generate(**{"indices": [0], **arguments})


def test_builder_writes_the_generated_images(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_patchmix.datasets  # noqa: F401 (registers the builder)

    tfds.disable_progress_bar()
    builder = tfds.builder("shapes/64px", data_dir=tmp_path)
    config = tfds.download.DownloadConfig(max_examples_per_split=20, try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    assert list(builder.data_path.glob("*.tfrecord*"))
    assert set(builder.info.splits) == set(sampling.SPLITS)
    assert builder.info.features["label"].names == list(shapes.CLASS_NAMES)
    assert builder.info.supervised_keys == ("image", "label")
    dataset = tfds.load("shapes/64px", split="test", data_dir=tmp_path, as_supervised=True)
    written = {image.tobytes(): int(label) for image, label in tfds.as_numpy(dataset)}
    images, labels = shapes.generate(range(20), "test", 64)
    assert written == {
        image.tobytes(): label for image, label in zip(images, labels.tolist(), strict=True)
    }


def test_builder_has_the_three_sizes_and_the_first_is_the_default(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_patchmix.datasets  # noqa: F401 (registers the builder)

    for name, size in (
        ("shapes", 32),
        ("shapes/32px", 32),
        ("shapes/64px", 64),
        ("shapes/96px", 96),
    ):
        builder = tfds.builder(name, data_dir=tmp_path)
        assert builder.info.features["image"].shape == (size, size, 3)


def test_occluded_configurations_are_the_test_images_with_occluders_in_front(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from keras_patchmix import datasets
    from keras_patchmix.datasets.superimposing import Superimposer
    from keras_patchmix.occlusion import Superimpose

    builder = tfds.builder("shapes/32px_occluded", data_dir=tmp_path)
    config = tfds.download.DownloadConfig(max_examples_per_split=12, try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    images, labels = shapes.generate(range(12), "test", 32)
    levels = (0.2, 0.4, 0.6, 0.8)
    assert set(builder.info.splits) == {f"coverage_{100 * level:.0f}" for level in levels}
    superimpose = Superimposer(coverage=("20", "40", "60", "80"))
    corruption = Superimpose(levels=levels)
    for place, one in enumerate(corruption(images, index=np.arange(12))):
        condition, corrupted, pixels = one
        split = f"coverage_{100 * condition.level:.0f}"
        examples = list(tfds.as_numpy(builder.as_dataset(split=split)))
        assert sorted(example["index"] for example in examples) == list(range(12))
        for example in examples:
            index = int(example["index"])
            np.testing.assert_array_equal(example["image"], corrupted[index])
            assert example["label"] == labels[index]
            assert example["mask"].sum() == pixels[index]
            assert example["coverage"] == np.float32(pixels[index] / 32**2)
            shown = superimpose(images[index], index)[place]
            np.testing.assert_array_equal(example["mask"], shown.mask)
    dataset, info = datasets.load(
        "shapes/32px_occluded", "coverage_40", data_dir=tmp_path, with_info=True
    )
    assert info.num_examples == 12
    assert info.image_shape == (32, 32, 3)
    assert sorted(int(label) for _, label in dataset) == sorted(labels.tolist())


@pytest.mark.parametrize(("size", "count"), [(32, 2000), (64, 2000), (96, 1000)])
def test_there_is_an_occluded_configuration_for_every_size(tmp_path, size, count):
    tfds = pytest.importorskip("tensorflow_datasets")
    import keras_patchmix.datasets  # noqa: F401 (registers the builder)

    builder = tfds.builder(f"shapes/{size}px_occluded", data_dir=tmp_path)
    features = builder.info.features
    assert features["image"].shape == (size, size, 3)
    assert features["mask"].shape == (size, size, 1)
    assert type(features["mask"]) is tfds.features.LabeledImage
    # All of the test split of the plain configuration.
    plain = tfds.builder(f"shapes/{size}px", data_dir=tmp_path)
    assert builder.builder_config.num_examples == {"test": count}
    assert plain.builder_config.num_examples["test"] == count


def test_package_imports_without_tensorflow_datasets():
    code = """
import sys
sys.modules["tensorflow_datasets"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda n, *a: None if n == "tensorflow_datasets" else find(n, *a)
from keras_patchmix.datasets import shapes
print(shapes.generate([0])[0].shape)
import keras_patchmix.datasets
try:
    keras_patchmix.datasets.load("shapes")
except ImportError as error:
    print("pip install tensorflow-datasets " in str(error))
    print("keras-patchmix[datasets]" in str(error))
    print("unlike \\"folder:PATH\\" and keras_patchmix.datasets.shapes.generate" in str(error))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(1, 32, 32, 3)", "True", "True", "True"]
