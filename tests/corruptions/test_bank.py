import numpy as np
import pytest

from keras_patchmix.occlusion import build_bank


def examples(count, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    index = np.arange(count)
    images = np.broadcast_to(index[:, None, None, None], (count, 2, 2, 1)).astype(np.int32)
    return images, rng.integers(0, classes, count), index


@pytest.mark.parametrize("size", [2, 7, 40, 200])
def test_the_bank_is_the_same_in_every_order_and_batching(size):
    images, labels, index = examples(150)
    whole = build_bank([(images, labels, index)], size, seed=3)
    for step, seed in [(1, 1), (13, 2), (64, 3)]:
        order = np.random.default_rng(seed).permutation(150)
        parts = [order[i : i + step] for i in range(0, 150, step)]
        other = build_bank([(images[p], labels[p], index[p]) for p in parts], size, seed=3)
        for field in ("images", "labels", "index"):
            np.testing.assert_array_equal(getattr(other, field), getattr(whole, field))
    assert len(whole.labels) == min(size, 150)
    np.testing.assert_array_equal(whole.images[:, 0, 0, 0], whole.index)
    np.testing.assert_array_equal(whole.labels, labels[whole.index])
    assert np.any(
        build_bank([(images, labels)], 7, seed=4).index
        != build_bank([(images, labels)], 7, seed=3).index
    )


def test_classes_are_as_equal_as_the_data_allow():
    labels = np.array([0] * 500 + [1] * 5 + [2] * 60)
    bank = build_bank([(np.zeros((565, 1, 1, 1)), labels)], size=45)
    assert np.bincount(bank.labels).tolist() == [20, 5, 20]
    bank = build_bank([(np.zeros((565, 1, 1, 1)), labels)], size=2)
    assert len(set(bank.labels.tolist())) == 2


def test_more_classes_than_room():
    bank = build_bank([(np.zeros((500, 1, 1, 1)), np.arange(500) % 100)], size=30)
    assert len(set(bank.labels.tolist())) == 30


def test_the_choice_within_a_class_is_uniform():
    images, labels, index = np.zeros((40, 1, 1, 1)), np.arange(40) % 2, np.arange(40)
    counts = np.zeros(40)
    for seed in range(400):
        counts[build_bank([(images, labels, index)], size=10, seed=seed).index] += 1
    # Each of 40 examples is in the bank with probability 1/4: 100 of 400, 5 standard errors.
    assert np.all(abs(counts - 100) < 5 * np.sqrt(400 * 0.25 * 0.75))


def test_images_are_copied():
    images = np.zeros((4, 1, 1, 1))
    bank = build_bank([(images, np.arange(4))])
    images += 1
    assert np.all(bank.images == 0)


def test_one_class_is_an_error():
    images, labels, _ = examples(20, classes=1)
    bank = build_bank([(images, labels)])
    with pytest.raises(ValueError, match=r"at least two classes.*classes \[0\]"):
        bank.pair(labels, np.arange(20), 0)
    # A class that the bank does not hold can be paired.
    assert bank.pair(np.array([5]), np.array([0]), 0).shape == (1,)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"`size`.*size=1"):
        build_bank([], size=1)
    with pytest.raises(ValueError, match="without examples"):
        build_bank([])
