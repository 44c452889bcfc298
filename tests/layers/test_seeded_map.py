"""Seeded maps: equal on every run and in every process, new in every epoch."""

import numpy as np
import pytest

import keras_patchmix as kpm

tf = pytest.importorskip("tensorflow")


def dataset(count=64):
    images = np.random.default_rng(0).integers(0, 256, (count, 14, 14, 3)).astype("uint8")
    return tf.data.Dataset.from_tensor_slices((images, np.arange(count) % 10)).batch(10)


def labels_of(data):
    return [labels.numpy() for _, labels in data]


def mixed(seed=7, data=None, **arguments):
    layer = kpm.PatchMixing(num_classes=10, probability=1.0)
    return kpm.layers.map_seeded(dataset() if data is None else data, layer, seed, **arguments)


def test_steps_do_not_depend_on_tensorflows_global_seed():
    tf.random.set_seed(1)
    first = labels_of(mixed(first_step=0))
    tf.random.set_seed(2)
    np.testing.assert_array_equal(
        np.concatenate(first), np.concatenate(labels_of(mixed(first_step=0)))
    )


def test_epochs_batches_and_seeds_differ():
    data = mixed()
    first, second, other = labels_of(data), labels_of(data), labels_of(mixed(seed=8))
    assert all((a != b).any() for a, b in zip(first, second, strict=True))
    assert all((a != b).any() for a, b in zip(first, other, strict=True))
    assert (first[0] != first[1]).any()


def test_cardinality_is_kept():
    assert mixed().cardinality() == dataset().cardinality() == 7
    assert mixed(first_step=3).cardinality() == 7


def test_steps_resume_in_the_middle():
    stream = dataset(60).repeat()
    whole = labels_of(mixed(data=stream, first_step=0).take(12))
    resumed = labels_of(mixed(data=stream.skip(5), first_step=5).take(7))
    np.testing.assert_array_equal(whole[5:], resumed)
    assert (whole[0] != whole[6]).any(), "the same images, an epoch later"


def test_the_layers_own_stream_is_not_used():
    layer = kpm.PatchMixing(num_classes=10, seed=1, probability=1.0)
    plan = layer.sample_plan(np.zeros((4, 14, 14, 3)))
    layer = kpm.PatchMixing(num_classes=10, seed=1, probability=1.0)
    labels_of(kpm.layers.map_seeded(dataset(), layer, seed=7))
    np.testing.assert_array_equal(plan.mask, layer.sample_plan(np.zeros((4, 14, 14, 3))).mask)


@pytest.mark.parametrize("arguments", [{"seed": 0.5}, {"seed": None}, {"first_step": "3"}])
def test_numbers_that_are_no_integers_are_named(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` must be an integer"):
        mixed(**arguments)
