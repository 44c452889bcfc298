"""Batches mixed in one of several ways inside tf.data, and in functions of TensorFlow."""

import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND
from tests.layers.cases import BATCH, IDS, colored, images, mean_pixel
from tests.layers.choices import choice, four

tf = pytest.importorskip("tensorflow")
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="is about TensorFlow's graphs")


def dataset(structure, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices(structure).batch(batch)


def test_only_the_layer_drawn_is_computed_in_a_graph():
    counts = [tf.Variable(0) for _ in range(3)]

    def counting(i):
        def mix(data):
            counts[i].assign_add(1)
            return {**data, "images": data["images"] * 0 + tf.cast(i, tf.uint8)}

        return mix

    mix = choice(*map(counting, range(3)), weights=[1, 1, 0])
    drawn = [int(x[0, 0, 0, 0]) for x, _ in dataset((images(), IDS)).repeat(30).map(mix)]
    assert [int(count) for count in counts] == [drawn.count(i) for i in range(3)]
    assert min(drawn.count(0), drawn.count(1)) > 0


def test_a_sequential_map_repeats():
    def run():
        data = dataset((images(), IDS)).repeat(8).map(four())
        return [(x.numpy(), y.numpy()) for x, y in data]

    first, again = run(), run()
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert len({x.tobytes() for x, _ in first}) > 3


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_data_sets_of_every_form_keep_it(form):
    parts = (images(), IDS)
    names = np.array([f"image {i}" for i in IDS])
    given = parts if form == "tuple" else {"name": names, "labels": IDS, "images": images()}
    data = dataset(given).repeat(6).map(four())
    for mixed in data:
        if form == "dict":
            assert list(mixed) == list(data.element_spec)
            assert mixed["name"].numpy().tolist() == [name.encode() for name in names]
            mixed = (mixed["images"], mixed["labels"])
        assert mixed[0].dtype == "uint8"
        assert mixed[1].dtype == "float32"
        np.testing.assert_allclose(mean_pixel(mixed[0])[:, 0], mixed[1].numpy() @ IDS, atol=0.7)


def test_a_ragged_last_batch_of_images_of_known_size():
    data = dataset((images(), IDS), 3).repeat(6).map(four())
    assert data.element_spec[0] == tf.TensorSpec((None, 28, 28, 3), tf.uint8)
    assert [len(mixed) for mixed, _ in data] == [3, 3, 2] * 6


def test_unknown_sizes_a_ragged_last_batch_and_a_batch_of_one():
    def generate():
        for size, count in (((28, 28), 8), ((33, 47), 5), ((14, 30), 1)):
            yield images(size=size)[:count], IDS[:count]

    signature = (tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    batches = tf.data.Dataset.from_generator(generate, output_signature=signature).repeat(6)
    mixed = batches.map(four())
    assert mixed.element_spec[0] == signature[0]
    assert mixed.element_spec[1] == tf.TensorSpec((None, BATCH), tf.float32)
    for (x, _), (mixed_x, rows) in zip(batches, mixed, strict=True):
        assert mixed_x.shape == x.shape
        assert rows.shape == (len(x), BATCH)
        np.testing.assert_allclose(tf.reduce_sum(rows, 1), 1, atol=1e-5)
        if len(x) == 1:
            np.testing.assert_array_equal(mixed_x, x)


@pytest.mark.parametrize("first_step", [None, 3])
def test_seeded_maps_are_equal_however_many_run_in_parallel(first_step):
    def run(parallel):
        data = kpm.layers.map_seeded(
            dataset((images(), IDS)).repeat(20),
            four(),
            seed=7,
            first_step=first_step,
            num_parallel_calls=parallel,
        )
        return np.stack([labels.numpy() for _, labels in data])

    first = run(8)
    np.testing.assert_array_equal(first, run(1))
    unmixed = (first == np.eye(BATCH)).all((1, 2)).sum()
    assert 0 < unmixed < 20
    assert len(np.unique(first.reshape(20, -1), axis=0)) == 20 - unmixed + 1


def test_a_parallel_map_never_uses_a_plan_twice():
    data = dataset((images(), IDS)).repeat(200)
    data = data.map(
        choice(kpm.PatchMixing(probability=1.0)), num_parallel_calls=8, deterministic=False
    )
    assert len({labels.numpy().tobytes() for _, labels in data}) == 200


@on_tensorflow
@pytest.mark.parametrize("xla", [False, True])
def test_tf_function(xla):
    mix = four()
    compiled = tf.function(lambda x, y: mix(x, y), jit_compile=xla)
    results = [compiled(tf.constant(colored()), tf.constant(IDS)) for _ in range(8)]
    for mixed, labels in results:
        np.testing.assert_allclose(mean_pixel(mixed), labels, atol=1e-6)
    assert len({labels.numpy().tobytes() for _, labels in results}) > 3
