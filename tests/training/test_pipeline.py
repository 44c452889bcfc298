"""Input pipelines: what is mixed, when, and that a seed decides it."""

import dataclasses

import numpy as np
import pytest

from keras_patchmix.datasets import DatasetInfo
from keras_patchmix.training import TrainOptions, pipeline
from tests import mixing_oracle as oracle

tf = pytest.importorskip("tensorflow")

COUNT = 40
OPTIONS = TrainOptions(
    batch_size=8, augmentation="none", mixing_probability=1.0, label_smoothing=0.0, seed=3
)


def data():
    images = oracle.constant_images(COUNT, 16, 16)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(COUNT)))
    info = DatasetInfo("test", "train", COUNT, tuple(map(str, range(COUNT))), COUNT, (16, 16, 3))
    return pipeline.Data(dataset, dataset, dataset, info)


def batches(steps, **arguments):
    options = dataclasses.replace(OPTIONS, **arguments)
    stream = pipeline.training_batches(data(), options, steps)
    return [(x.numpy(), y.numpy()) for x, y in stream.take(steps)]


def is_mixed(labels):
    return (labels.max(1) < 0.999).any()


@pytest.mark.parametrize("mixing", ["none", "patchmix", "cutmix", "mixup"])
def test_the_seed_decides_every_batch(mixing):
    first, again = batches(7, mixing=mixing), batches(7, mixing=mixing)
    other = batches(7, mixing=mixing, seed=4)
    for (x, y), (x2, y2) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
    assert any((y != y2).any() for (_, y), (_, y2) in zip(first, other, strict=True))
    assert (first[0][1] != first[5][1]).any(), "epochs come in another order"


@pytest.mark.parametrize("mixing", ["patchmix", "cutmix", "mixup"])
def test_mixing_starts_at_its_share_of_the_training(mixing):
    mixed = [is_mixed(y) for _, y in batches(10, mixing=mixing, mixing_start=0.4)]
    assert mixed == [False] * 4 + [True] * 6


@pytest.mark.parametrize("mixing", ["none", "patchmix", "cutmix", "mixup"])
def test_labels_of_every_mixing_say_what_the_pixels_show(mixing):
    for images, labels in batches(5, mixing=mixing):
        assert labels.dtype == "float32"
        # the mean of an image of constant classes is the mean of its labels
        expected = labels @ np.arange(COUNT)
        tolerance = {"cutmix": 4.0, "mixup": 0.1}.get(mixing, 1e-3)
        np.testing.assert_allclose(images.mean((1, 2, 3)), expected, atol=tolerance)


def test_probability_is_the_share_of_images():
    labels = np.concatenate([y for _, y in batches(60, mixing_probability=0.5)])
    assert abs((labels.max(1) < 0.999).mean() - 0.5) < 0.1


def test_an_epoch_holds_every_image_once():
    labels = np.concatenate([y for _, y in batches(COUNT // 8, mixing="none")])
    assert sorted(labels.argmax(1)) == list(range(COUNT))


def test_augmented_images_are_flipped_and_shifted_ones():
    ramp = np.broadcast_to(np.arange(16, dtype="uint8")[None, None, :, None], (COUNT, 16, 16, 3))
    dataset = tf.data.Dataset.from_tensor_slices((ramp, np.arange(COUNT)))
    source = dataclasses.replace(data(), train=dataset)
    options = dataclasses.replace(OPTIONS, mixing="none", augmentation="flip-shift")
    rows = np.concatenate(
        [x.numpy()[:, 0, :, 0] for x, _ in pipeline.training_batches(source, options, 10).take(10)]
    ).astype(int)
    assert len(np.unique(rows, axis=0)) > 4
    assert (np.abs(np.diff(rows, axis=1)) <= 1).all(), "neighbours stay neighbours"
    assert (rows[:, 0] > rows[:, -1]).any()
    assert (rows[:, 0] < rows[:, -1]).any()


def test_splits_that_a_set_lacks_are_taken_out_of_the_training_set(monkeypatch):
    def splits(own, **arguments):
        monkeypatch.setattr(pipeline.datasets, "split_names", lambda name, data_dir: own)
        return pipeline._splits(TrainOptions(dataset="x", **arguments))

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
