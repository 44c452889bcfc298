"""The layer inside tf.data and TensorFlow's graphs, under every Keras backend."""

import itertools

import keras
import numpy as np
import pytest

from tests.layers.cases import BATCH, IDS, LABELS, assert_exact, images, layer
from tests.mixing import oracle

tf = pytest.importorskip("tensorflow")
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras gives the layer no TensorFlow state"
)


def dataset(structure, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices(structure).batch(batch)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_form_become_float32_rows(labels):
    for mixed, rows in dataset((images(), labels)).map(layer()):
        assert rows.dtype == "float32"
        assert_exact(mixed, rows)


@pytest.mark.parametrize("rank", [3, 4])
def test_dicts_with_masks_and_other_keys(rank):
    masks = images("int32")[..., :1] if rank == 4 else images("int32")[..., 0]
    data = {
        "images": images(),
        "labels": IDS,
        "segmentation_masks": masks,
        "sample_weight": np.ones(BATCH, "float32"),
        "name": np.array([f"image {i}" for i in IDS]),
    }
    (mixed,) = dataset(data).map(layer())
    assert list(mixed) == list(dataset(data).element_spec)
    assert_exact(mixed["images"], mixed["labels"])
    np.testing.assert_array_equal(
        mixed["segmentation_masks"].numpy().reshape(BATCH, 28, 28),
        mixed["images"].numpy()[..., 0],
    )
    assert mixed["segmentation_masks"].dtype == "int32"
    assert mixed["name"].numpy().tolist() == [f"image {i}".encode() for i in IDS]


@pytest.mark.parametrize("grid", [{"grid_size": 7}, {"grid_size": (5, 6)}, {"patch_size": 5}])
def test_unknown_batch_and_image_sizes(grid):
    def generate():
        for size in ((28, 28), (33, 47)):
            yield images(size=size), IDS

    signature = (tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    batches = tf.data.Dataset.from_generator(generate, output_signature=signature)
    for mixed, labels in batches.map(layer(**grid)):
        assert_exact(mixed, labels)


def test_a_ragged_last_batch_and_a_batch_of_one():
    data = tf.data.Dataset.from_tensor_slices((images(), IDS)).repeat(3)
    sizes = []
    for mixed, labels in data.batch(BATCH + 3).map(layer()):
        sizes.append(len(mixed))
        np.testing.assert_allclose(labels, oracle.pixel_shares(mixed, BATCH), atol=1e-6)
    assert sizes == [11, 11, 2]


def test_training_false_passes_images_and_encodes_labels():
    mix = layer(label_smoothing=0.3)
    for mixed, labels in dataset((images(), IDS)).map(lambda x, y: mix(x, y, training=False)):
        np.testing.assert_array_equal(mixed, images())
        np.testing.assert_array_equal(labels, np.eye(BATCH))


def test_consecutive_batches_and_epochs_differ_and_the_seed_decides_them():
    def run(seed):
        data = dataset((images(), IDS)).repeat(2).map(layer(seed=seed))
        return [labels.numpy() for _ in range(2) for _, labels in data]

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert all((a != b).any() for a, b in itertools.combinations(first, 2))
    assert (np.stack(first) != np.stack(other)).any()


def test_a_parallel_map_never_uses_a_plan_twice():
    data = dataset((images(), IDS)).repeat(300)
    data = data.map(layer(), num_parallel_calls=8, deterministic=False)
    plans = {labels.numpy().tobytes() for _, labels in data}
    assert len(plans) == 300


@on_tensorflow
def test_a_layer_made_inside_a_map_raises():
    with pytest.raises(RuntimeError, match="made once, outside the function"):
        dataset((images(), IDS)).map(lambda x, y: layer()(x, y))


def test_eager_tensors_of_tensorflow_stay_tensors_of_tensorflow():
    mix = layer()
    (mixed, labels), (_, other) = (mix(tf.constant(images()), tf.constant(IDS)) for _ in range(2))
    assert tf.is_tensor(mixed)
    assert_exact(mixed, labels)
    assert (labels.numpy() != other.numpy()).any()


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("grid", [{}, {"grid_size": (5, 6)}, {"patch_size": 5}])
def test_tf_function(xla, grid):
    mix = layer(**grid)
    compiled = tf.function(lambda x, y: mix(x, y), jit_compile=xla)
    results = [compiled(tf.constant(images()), tf.constant(IDS)) for _ in range(2)]
    for mixed, labels in results:
        assert_exact(mixed, labels)
    assert (results[0][1].numpy() != results[1][1].numpy()).any()


@pytest.mark.parametrize("labels", [IDS + 1, IDS - 1, IDS + 0.5])
def test_class_ids_out_of_range_raise_when_met_or_become_nan_under_xla(labels):
    mix = layer()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"class ids in 0\.\.7"):
        list(dataset((images(), labels)).map(mix))
    compiled = tf.function(lambda x, y: mix(x, y, training=False), jit_compile=True)
    rows = compiled(tf.constant(images()), tf.constant(labels))[1].numpy()
    valid = (labels >= 0) & (labels < BATCH) & (labels == np.round(labels))
    np.testing.assert_array_equal(np.isfinite(rows).all(1), valid)
    np.testing.assert_array_equal(np.isnan(rows).all(1), ~valid)


def test_a_grid_finer_than_an_image_of_unknown_size_raises_when_met():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,))])
    def mix(x, y):
        return mixing_layer(x, y)

    mixing_layer = layer(grid_size=16)
    mix(images("float32"), IDS.astype("float32"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must not be finer than the image"):
        mix(images("float32", (28, 14)), IDS.astype("float32"))


def test_a_patch_larger_than_an_image_of_unknown_size_raises_when_met():
    @tf.function(input_signature=[tf.TensorSpec((None, 28, None, 3)), tf.TensorSpec((None,))])
    def mix(x, y):
        return mixing_layer(x, y)

    mixing_layer = layer(patch_size=14)
    assert_exact(*mix(images("float32"), IDS.astype("float32")))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must not be larger than the image"):
        mix(images("float32", (28, 13)), IDS.astype("float32"))


def test_ids_in_rows_of_unknown_width_are_not_taken_for_one_hot_rows():
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int64)])
    def mix(y):
        return mixing_layer(tf.constant(images()), y)[1]

    mixing_layer = layer()
    assert mix(np.eye(BATCH, dtype="int64")).shape == (BATCH, BATCH)
    with pytest.raises(tf.errors.InvalidArgumentError):
        mix(IDS[:, None])


@on_tensorflow
@pytest.mark.parametrize("stack", [keras.Sequential, keras.layers.Pipeline])
def test_behind_other_keras_layers(stack):
    mix = stack([keras.layers.RandomFlip(), layer()])
    data = dataset({"images": images("float32"), "labels": IDS})
    (mixed,) = data.map(lambda batch: mix(batch, training=True))
    assert_exact(mixed["images"], mixed["labels"])


@on_tensorflow
def test_saved_model_export_draws_anew_on_every_call(tmp_path):
    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.mix = layer()

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, None, None, 3), tf.uint8),
                tf.TensorSpec((None,), tf.int64),
            ]
        )
        def __call__(self, x, y):
            return self.mix(x, y)

    tf.saved_model.save(Module(), tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    first, second = loaded(images(), IDS), loaded(images(), IDS)
    assert_exact(*first)
    assert_exact(*second)
    assert (first[1].numpy() != second[1].numpy()).any()


def test_keys_of_tensorflow_datasets_are_mixed():
    records = {"image": images(), "label": IDS, "id": IDS}
    (batch,) = tf.data.Dataset.from_tensor_slices(records).batch(BATCH).map(layer())
    assert set(batch) == set(records)
    assert_exact(batch["image"], batch["label"])
