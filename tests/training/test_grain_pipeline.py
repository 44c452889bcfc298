"""The training pipeline without TensorFlow: the same order, the same batches for seed and step."""

import dataclasses
import functools

import numpy as np
import pytest

pytest.importorskip("grain")
image_files = pytest.importorskip("PIL.Image")

from keras_patchmix.cli.train.options import TrainOptions  # noqa: E402
from keras_patchmix.devices.batches import LocalBatches  # noqa: E402
from keras_patchmix.training import pipeline, training_data  # noqa: E402
from keras_patchmix.training.training_batches import StepBatches  # noqa: E402
from tests.without_tensorflow import without_tensorflow  # noqa: E402

COUNT, BATCH = 40, 8
PER_PASS = COUNT // BATCH
OPTIONS = TrainOptions(batch_size=BATCH, grid_size=4, seed=3, label_smoothing=0.0)
PLAIN = {"augmentation": "none", "mixing": "none"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of noise, and of one gray: image k of the folder "gray" is k everywhere."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("noise", "gray"):
        for split, count in (("train", COUNT), ("validation", 8), ("test", 8)):
            for k in range(count):
                path = root / name / split / f"class{k % 4}" / f"{k:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.full((16, 16, 3), k, np.uint8)
                if name == "noise":
                    pixels = rng.integers(0, 256, pixels.shape, np.uint8)
                image_files.fromarray(pixels).save(path)
    return root


def options_of(photos, name="noise", **arguments):
    return dataclasses.replace(OPTIONS, dataset=f"folder:{photos / name}", **arguments)


@functools.cache
def batches(photos, steps, first_step=0, local=None, again=0, **arguments):
    """The first so many batches from a step on, without TensorFlow."""
    options = options_of(photos, **arguments)
    with without_tensorflow():
        data = training_data.load(options)
        total = first_step + steps
        stream = pipeline.training_batches(data, options, total, first_step, local)
        return [tuple(map(np.asarray, batch)) for batch in stream]


def assert_equal(first, second):
    assert len(first) == len(second)
    for (x, y), (x2, y2) in zip(first, second, strict=True):
        assert (x.dtype, y.dtype) == (x2.dtype, y2.dtype)
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize(
    "arguments",
    [
        {"augmentation": "none", "seed": 0},
        {"augmentation": "flip"},
        {"augmentation": "flip-shift"},
        {"augmentation": "flip-shift", "shuffle_buffer": 7},
        {"augmentation": "flip-shift", "cache": "none"},
        {"augmentation": "flip-shift", "cache": "encoded", "shuffle_buffer": 7},
    ],
)
def test_batches_that_are_not_mixed_are_those_of_tf_data(photos, arguments):
    import tensorflow as tf

    options = options_of(photos, mixing="none", **arguments)
    tf.random.set_seed(options.seed)  # as `fit` does
    stream = pipeline.training_batches(training_data.load(options), options, 13)
    expected = list(stream.take(13).as_numpy_iterator())
    assert_equal(batches(photos, 13, mixing="none", **arguments), expected)


@pytest.mark.needs("tensorflow")
def test_crops_that_are_not_mixed_are_of_the_photographs_of_tf_data(photos):
    import tensorflow as tf

    options = options_of(photos, "gray", mixing="none", augmentation="flip-crop")
    tf.random.set_seed(options.seed)
    stream = pipeline.training_batches(training_data.load(options), options, 8)
    found = batches(photos, 8, name="gray", mixing="none", augmentation="flip-crop")
    for (x, y), (x2, y2) in zip(found, stream.take(8).as_numpy_iterator(), strict=True):
        np.testing.assert_allclose(x, x2, atol=1e-4)
        np.testing.assert_array_equal(y, y2)


@pytest.mark.parametrize("cache", ["decoded", "encoded", "none"])
@pytest.mark.parametrize("way", ["flip-shift", "flip-crop"])
def test_a_stream_that_begins_later_goes_on_with_the_same_batches(photos, cache, way):
    arguments = {"cache": cache, "augmentation": way, "mixing": "patchmix+cutmix+mixup"}
    whole = batches(photos, 9, **arguments)
    assert_equal(whole[7:], batches(photos, 2, 7, **arguments))
    assert_equal(whole, batches(photos, 9, again=1, **arguments))
    other = batches(photos, 9, seed=4, **arguments)
    assert all((x != x2).any() for (x, _), (x2, _) in zip(whole, other, strict=True))


def test_a_pass_holds_every_image_once_in_an_order_of_its_own(photos):
    values = [x[:, 0, 0, 0] for x, _ in batches(photos, 2 * PER_PASS, name="gray", **PLAIN)]
    first, second = np.concatenate(values[:PER_PASS]), np.concatenate(values[PER_PASS:])
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert (first != second).any()


@pytest.mark.parametrize("mixing", ["patchmix", "cutmix", "mixup", "patchmix+cutmix+mixup"])
def test_labels_of_every_mixing_say_what_the_pixels_show(photos, mixing):
    arguments = {"mixing": mixing, "mixing_probability": 1.0, "augmentation": "none"}
    mixed = 0
    for images, labels in batches(photos, 15, name="gray", **arguments):
        assert (images.dtype, labels.dtype) == (np.uint8, np.float32)
        for image, row in zip(images, labels, strict=True):
            shares = np.zeros(4)
            values, counts = np.unique(image[..., 0], return_counts=True)
            if mixing in ("patchmix", "cutmix"):
                np.add.at(shares, values % 4, counts / counts.sum())
                np.testing.assert_allclose(row, shares, atol=1e-6)
            mixed += row.max() < 0.999
    assert mixed > 30


def test_mixing_starts_at_its_share_of_the_training_wherever_a_stream_begins(photos):
    arguments = {"mixing_start": 0.4, "mixing_probability": 1.0, "mixing": "mixup"}
    for first in (0, 2, 6):
        labels = [y for _, y in batches(photos, 10 - first, first, **arguments)]
        mixed = [(rows.max(1) < 0.999).any() for rows in labels]
        assert mixed == ([False] * 4 + [True] * 6)[first:]


def test_workers_have_their_rows_of_the_batch_of_one(photos):
    arguments = {"mixing": "none", "augmentation": "flip-crop"}
    one = batches(photos, 4, **arguments)
    halves = [
        batches(photos, 4, local=LocalBatches(BATCH, BATCH // 2, shard, 2), **arguments)
        for shard in range(2)
    ]
    joined = [
        tuple(map(np.concatenate, zip(*pair, strict=True))) for pair in zip(*halves, strict=True)
    ]
    assert_equal(one, joined)


@pytest.mark.parametrize(
    "arguments",
    [
        {"random_erasing": 0.5},
        # JAX compiles some 50 operations of it for each shape.
        pytest.param({"rand_augment": 0.5, "rand_augment_ops": 1}, marks=pytest.mark.slow),
    ],
)
def test_layers_of_keras_repeat_and_go_on(photos, arguments):
    arguments = {**arguments, **PLAIN}
    whole, plain = batches(photos, 5, **arguments), batches(photos, 5, **PLAIN)
    assert_equal(whole[3:], batches(photos, 2, 3, **arguments))
    assert all((x != y).any() for (x, _), (y, _) in zip(whole, plain, strict=True))
    assert all(x.dtype == np.float32 and x.min() >= 0 and x.max() <= 255 for x, _ in whole)


def test_erasing_meets_its_share_of_the_images(photos):
    plain = np.concatenate([x for x, _ in batches(photos, 50, **PLAIN)]).astype("float32")
    erased = np.concatenate([x for x, _ in batches(photos, 50, random_erasing=0.3, **PLAIN)])
    share = (plain != erased).any((1, 2, 3)).mean()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / len(plain)))


def test_crops_are_of_8_to_100_per_cent_of_the_area(tmp_path):
    # A ramp in both directions: corners of a crop tell its sides.
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[0:256, 0:256], 7), -1).astype("uint8")
    for split, count in (("train", 64), ("validation", 4), ("test", 4)):
        for k in range(count):
            path = tmp_path / split / f"class{k % 2}" / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_files.fromarray(ramp).save(path)
    options = dataclasses.replace(
        OPTIONS, dataset=f"folder:{tmp_path}", image_size=32, cache="none", batch_size=32
    )
    options = dataclasses.replace(options, augmentation="flip-crop", mixing="none")
    with without_tensorflow():
        data = training_data.load(options)
        crops = np.concatenate([x for x, _ in pipeline.training_batches(data, options, 6)])
    crops = crops.astype(float)
    # From the middle of the first pixel to that of the last are 31 of 32 parts of a side.
    tall = (crops[:, -1, 0, 0] - crops[:, 0, 0, 0]) * 32 / 31
    wide = np.abs(crops[:, 0, -1, 1] - crops[:, 0, 0, 1]) * 32 / 31
    areas, aspects = tall * wide / 256**2, wide / tall
    assert 0.07 < areas.min() < 0.2
    assert 0.8 < areas.max() < 1.02
    assert 0.72 < aspects.min() < 0.85
    assert 1.2 < aspects.max() < 1.37
    assert areas.mean() == pytest.approx(0.54, abs=4 * 0.92 / np.sqrt(12 * len(areas)) + 0.02)


@pytest.mark.parametrize("cache", ["decoded", "encoded", "none"])
def test_a_broken_training_image_is_replaced_and_named(photos, tmp_path, cache):
    import shutil

    shutil.copytree(photos / "noise", tmp_path / "noise")
    (tmp_path / "noise" / "train" / "class1" / "05.png").write_bytes(b"no image")
    with without_tensorflow():
        data = training_data.load(options_of(tmp_path, cache=cache, **PLAIN))
        seen = [data.train.image(place).tobytes() for place in range(COUNT)]
    assert len(set(seen)) == COUNT - 1
    assert list(data.broken) == ["class1/05.png"]
    assert data.broken_line.startswith("1 training or validation image could not be read; for each")


def test_steps_are_passes_of_whole_batches_for_hardening(photos):
    options = options_of(photos, **PLAIN)
    with without_tensorflow():
        data = training_data.load(options)
        steps = StepBatches(
            functools.partial(pipeline.training_batches, data, options), data, options
        )
        second = list(steps.one_pass(1))
    assert_equal(
        [(batch.images, batch.labels) for batch in second],
        [(x, y.argmax(1)) for x, y in batches(photos, PER_PASS, PER_PASS, **PLAIN)],
    )
