"""Input pipelines: what is mixed, when, and that seed and step decide it."""

import dataclasses
import functools
import hashlib

import keras
import numpy as np
import pytest

from keras_patchmix.cli.train.options import TrainOptions
from keras_patchmix.datasets import DatasetInfo
from keras_patchmix.devices.batches import LocalBatches
from keras_patchmix.training import pipeline, training_data
from tests.mixing import oracle

tf = pytest.importorskip("tensorflow")

COUNT = 40
PER_PASS = COUNT // 8
OPTIONS = TrainOptions(
    batch_size=8, augmentation="none", mixing_probability=1.0, label_smoothing=0.0, seed=3
)
IN_TURNS = "patchmix+cutmix+mixup"


def data(images=None, count=COUNT):
    images = oracle.constant_images(count, 16, 16) if images is None else images
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(count)))
    info = DatasetInfo("test", "train", count, tuple(map(str, range(count))), count, (16, 16, 3))
    return training_data.Data(dataset, dataset, dataset, info)


@functools.cache
def batches(steps, first_step=0, local=None, source=None, again=0, **arguments):
    """The first so many batches from a step on, of a training of as many steps in all.

    Making a pipeline takes seconds, so tests share them; `again` makes another one.
    """
    options = dataclasses.replace(OPTIONS, **arguments)
    total = first_step + steps
    stream = pipeline.training_batches(source or data(), options, total, first_step, local)
    return [(x.numpy(), y.numpy()) for x, y in stream.take(steps)]


def assert_equal(first, second):
    for (x, y), (x2, y2) in zip(first, second, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)


def is_mixed(labels):
    return (labels.max(1) < 0.999).any()


@pytest.mark.parametrize("mixing", ["patchmix", IN_TURNS])
def test_the_seed_decides_every_batch(mixing):
    first, again = batches(12, mixing=mixing), batches(12, again=1, mixing=mixing)
    other = batches(12, mixing=mixing, seed=4)
    assert_equal(first, again)
    assert all((y != y2).any() for (_, y), (_, y2) in zip(first, other, strict=True))
    assert (first[0][1] != first[5][1]).any(), "passes come in another order"


@pytest.mark.parametrize(
    ("mixing", "first_step"),
    [("patchmix", 3), ("patchmix", PER_PASS), (IN_TURNS, PER_PASS + 2)],
)
def test_a_stream_that_begins_later_goes_on_with_the_same_batches(mixing, first_step):
    whole = batches(12, mixing=mixing)
    assert_equal(whole[first_step:], batches(12 - first_step, first_step, mixing=mixing))


def test_an_augmented_stream_goes_on_with_the_same_batches_too():
    arguments = {"mixing": "none", "augmentation": "flip-shift"}
    assert_equal(batches(7, **arguments)[3:], batches(4, 3, **arguments))


@pytest.mark.parametrize("first_step", [0, 2, 6])
def test_mixing_starts_at_its_share_of_the_training_wherever_a_stream_begins(first_step):
    later = batches(10 - first_step, first_step, mixing_start=0.4)
    assert [is_mixed(y) for _, y in later] == ([False] * 4 + [True] * 6)[first_step:]
    assert_equal(later, batches(10, mixing_start=0.4)[first_step:])


def test_ways_of_mixing_in_turns_start_there_too():
    arguments = {"mixing": "cutmix+mixup", "mixing_start": 0.4}
    mixed = [is_mixed(y) for _, y in batches(10, **arguments)]
    assert mixed == [False] * 4 + [True] * 6


@pytest.mark.parametrize(
    ("mixing", "steps"),
    [("none", 5), ("patchmix", 12), ("cutmix", 60), ("mixup", 40), (IN_TURNS, 40)],
)
def test_labels_of_every_mixing_say_what_the_pixels_show(mixing, steps):
    for images, labels in batches(steps, mixing=mixing):
        assert (images.dtype, labels.dtype) == ("uint8", "float32")
        # the mean of an image of constant classes is the mean of its labels, rounded in a blend
        expected = labels @ np.arange(COUNT)
        tolerance = 0.501 if "mixup" in mixing else 1e-3
        np.testing.assert_allclose(images.mean((1, 2, 3)), expected, atol=tolerance)


def way_of(images, labels):
    """Which mixing made a batch of constant images."""
    if not is_mixed(labels):
        return "none"
    if all(len(np.unique(image)) == 1 for image in images):
        return "mixup"
    whole = all(
        (image[row : row + 2, column : column + 2] == image[row, column]).all()
        for image in images
        for row in range(0, 16, 2)
        for column in range(0, 16, 2)
    )
    return "patchmix" if whole else "cutmix"


def test_ways_of_mixing_take_turns_as_often_as_their_weights_say():
    steps = 120
    drawn = [
        way_of(*batch)
        for batch in batches(steps, mixing=IN_TURNS, mixing_weights=(2.0, 1.0, 1.0), grid_size=8)
    ]
    counts = {way: drawn.count(way) / steps for way in set(drawn)}
    assert set(counts) == {"patchmix", "cutmix", "mixup"}
    # four standard errors of a share of 1/2 of 120 batches
    assert counts["patchmix"] == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / steps))


@pytest.mark.parametrize("mixing", ["patchmix", "cutmix", "mixup"])
def test_probability_is_the_share_of_images(mixing):
    arguments = {"mixing": mixing, "mixing_probability": 0.5}
    labels = np.concatenate([y for _, y in batches(60, **arguments)])
    assert abs((labels.max(1) < 0.999).mean() - 0.5) < 0.1


def test_mixup_follows_its_own_alpha():
    def largest(**arguments):
        return np.concatenate([y.max(1) for _, y in batches(40, mixing="mixup", **arguments)])

    # Beta(0.1, 0.1) is nearly a coin, Beta(50, 50) nearly 1/2.
    assert np.median(largest(mixup_alpha=0.1)) > 0.95
    assert np.median(largest(mixup_alpha=50.0)) < 0.6
    # Beta(1, 1) is uniform: the larger of r and 1 - r has the mean 3/4
    assert largest().mean() == pytest.approx(0.75, abs=4 / np.sqrt(48 * 320))


def test_the_area_that_cutmix_moves_is_uniform_at_an_alpha_of_one():
    moved = np.concatenate([1 - y.max(1) for _, y in batches(60, mixing="cutmix")])
    # min(r, 1 - r) of a uniform r is uniform in [0, 1/2]: mean 1/4, deviation 1/sqrt(48)
    assert moved.mean() == pytest.approx(0.25, abs=4 / np.sqrt(48 * len(moved)) + 0.01)


def test_a_pass_holds_every_image_once():
    for first_step in (0, PER_PASS):
        labels = np.concatenate([y for _, y in batches(PER_PASS, first_step, mixing="none")])
        assert sorted(labels.argmax(1)) == list(range(COUNT))


def test_images_are_read_once_however_many_passes_are_made():
    read = []

    def note(number):
        read.append(int(number))
        return number

    source = data()
    train = source.train.map(
        lambda x, y: (x, tf.ensure_shape(tf.numpy_function(note, [y], tf.int64), ()))
    )
    batches(3 * PER_PASS, source=dataclasses.replace(source, train=train))
    assert sorted(read) == list(range(COUNT))


def test_augmented_images_are_flipped_and_shifted_ones():
    ramp = np.broadcast_to(np.arange(16, dtype="uint8")[None, None, :, None], (COUNT, 16, 16, 3))
    augmented = batches(10, source=data(ramp), mixing="none", augmentation="flip-shift")
    rows = np.concatenate([x[:, 0, :, 0] for x, _ in augmented]).astype(int)
    assert len(np.unique(rows, axis=0)) > 4
    assert (np.abs(np.diff(rows, axis=1)) <= 1).all(), "neighbors stay neighbors"
    assert (rows[:, 0] > rows[:, -1]).any()
    assert (rows[:, 0] < rows[:, -1]).any()


def test_crops_are_parts_of_the_image_resized_to_the_whole():
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[0:16, 0:16], 7), -1).astype("uint8")
    images = np.broadcast_to(ramp, (COUNT, 16, 16, 3))
    cropped = np.concatenate(
        [x for x, _ in batches(10, source=data(images), mixing="none", augmentation="flip-crop")]
    )
    assert cropped.shape[1:] == (16, 16, 3)
    assert (cropped >= -1e-4).all()
    assert (cropped <= 15 + 1e-4).all()
    np.testing.assert_allclose(cropped[..., 2], 7, atol=1e-5)
    heights = cropped[:, -1, 0, 0] - cropped[:, 0, 0, 0]
    widths = np.abs(cropped[:, 0, -1, 1] - cropped[:, 0, 0, 1])
    # linear in both directions, and as long as a crop of 8 to 100 % of the area
    slopes = np.diff(cropped[..., 0], axis=1)
    np.testing.assert_allclose(slopes, slopes.mean((1, 2), keepdims=True) + 0 * slopes, atol=1e-4)
    areas = heights * widths / 15**2
    assert areas.min() > 0.07
    assert areas.max() < 1.001
    assert areas.std() > 0.1
    assert (cropped[:, 0, 0, 1] > cropped[:, 0, -1, 1]).any(), "some are flipped"


def test_layers_of_keras_repeat_and_go_on():
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 16, 3)).astype("uint8")
    arguments = {"source": data(noise, 16), "mixing": "none", "random_erasing": 0.5}
    arguments |= {"rand_augment": 0.5, "rand_augment_ops": 1}
    whole = batches(5, **arguments)
    assert_equal(whole[3:], batches(2, 3, **arguments))
    assert all((x != noise[y.argmax(1)]).any() for x, y in whole)
    assert all(x.dtype == "float32" and x.min() >= 0 and x.max() <= 255 for x, _ in whole)


def test_erasing_meets_its_share_of_the_images():
    plain = np.concatenate([x for x, _ in batches(50, mixing="none")]).astype("float32")
    erased = np.concatenate([x for x, _ in batches(50, mixing="none", random_erasing=0.3)])
    share = (plain != erased).any((1, 2, 3)).mean()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / len(plain)))


def test_workers_have_their_rows_of_the_batch_of_one():
    one = batches(4, mixing="none", augmentation="flip-shift")
    parts = [
        batches(4, local=LocalBatches(8, 4, shard, 2), mixing="none", augmentation="flip-shift")
        for shard in range(2)
    ]
    for (x, y), *halves in zip(one, *parts, strict=True):
        np.testing.assert_array_equal(x, np.concatenate([half[0] for half in halves]))
        np.testing.assert_array_equal(y, np.concatenate([half[1] for half in halves]))


def test_workers_mix_with_plans_of_their_own():
    same = np.broadcast_to(oracle.constant_images(8, 16, 16), (8, 16, 16, 3))
    source = data(np.tile(same[:4], (2, 1, 1, 1)), 8)
    first, second = (
        [y for _, y in batches(3, local=LocalBatches(8, 4, shard, 2), source=source)]
        for shard in range(2)
    )
    shares = [np.sort(np.concatenate(labels).max(1)) for labels in (first, second)]
    assert (shares[0] != shares[1]).any()


def digest(steps, first_step=0, local=None, **arguments):
    """Digest of the batches of images whose pixels are a hash of their place."""
    place = np.arange(COUNT * 16 * 16 * 3)
    noise = ((place * 2654435761 >> 7) % 251).astype("uint8").reshape(COUNT, 16, 16, 3)
    options = TrainOptions(batch_size=8, seed=3, **arguments)
    keras.utils.set_random_seed(options.seed)  # as `fit` does: a shuffle of tf.data has it too
    sha = hashlib.sha256()
    for x, y in pipeline.training_batches(data(noise), options, 20, first_step, local).take(steps):
        assert x.dtype == "uint8"
        sha.update(x.numpy().tobytes())
        sha.update(np.round(y.numpy() * 1000).astype("int32").tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize(
    ("expected", "first_step", "local", "arguments"),
    [
        ("4ffcc3556c03b50d", 0, None, {}),
        ("b584e162228e6f86", 6, None, {}),
        ("c41678aac9f708f0", 0, None, {"augmentation": "none", "mixing": "none"}),
        ("0eff5c660cb03f89", 2, LocalBatches(8, 4, 1, 2), {}),
    ],
)
def test_batches_are_those_of_earlier_versions(expected, first_step, local, arguments):
    # A run begun with an earlier version goes on with the batches it would have had.
    assert digest(7, first_step, local, **arguments) == expected


def test_splits_that_a_set_lacks_are_taken_out_of_the_training_set(monkeypatch):
    def splits(own, **arguments):
        monkeypatch.setattr(training_data.datasets, "split_names", lambda name, data_dir: own)
        return training_data._splits(TrainOptions(dataset="x", **arguments))

    own = {"train": "train", "validation": "validation", "test": "test"}
    assert splits(["test", "train", "validation"]) == own
    assert splits(["test", "train"]) == {
        "train": "train[:90%]",
        "validation": "train[90%:]",
        "test": "test",
    }
    assert splits(["train", "validation"])["test"] == "validation"
    assert splits(["train"], test_split="train[80%:]")["test"] == "train[80%:]"
    with pytest.raises(ValueError, match="no test split: name one with --test-split"):
        splits(["train"])
