"""The layer: structures, labels, dtypes, pipelines, saving, errors."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_patchmix as kpm
from tests import mixing_oracle as oracle

BATCH = 8


def layer(**arguments):
    return kpm.PatchMixing(**{"num_classes": BATCH, "label_smoothing": 0.0, "seed": 1, **arguments})


def images(dtype="uint8", size=(28, 28)):
    return oracle.constant_images(BATCH, *size, dtype=dtype)


def assert_exact(mixed, labels, batch=BATCH):
    """Label weights are the shares of pixels, and something was mixed."""
    shares = oracle.pixel_shares(mixed, batch)
    np.testing.assert_allclose(labels, shares, atol=1e-6)
    assert (shares.max(1) < 1).any()


def dataset(structure, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices(structure).batch(batch)


IDS = np.arange(BATCH)
LABELS = {
    "ids": IDS,
    "ids int32": IDS.astype("int32"),
    "ids of shape (batch, 1)": IDS[:, None],
    "ids as whole floats": IDS.astype("float32"),
    "one-hot int32": np.eye(BATCH, dtype="int32"),
    "one-hot uint8": np.eye(BATCH, dtype="uint8"),
    "one-hot float32": np.eye(BATCH, dtype="float32"),
    "one-hot float16": np.eye(BATCH, dtype="float16"),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_form_become_float32_rows(labels):
    for mixed, rows in (layer()(images(), labels), *dataset((images(), labels)).map(layer())):
        assert rows.dtype == "float32"
        assert_exact(mixed, rows)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_images_keep_their_dtype_under_every_policy(dtype, policy):
    keras.config.set_dtype_policy(policy)
    try:
        x = tf.cast(images(), dtype)
        mixed, labels = layer()(x, IDS)
        assert mixed.dtype == dtype
        assert labels.dtype == "float32"
        assert_exact(tf.cast(mixed, "int32"), labels)
    finally:
        keras.config.set_dtype_policy("float32")


def test_values_are_bit_exact_copies():
    x = np.random.default_rng(0).integers(0, 2**32, (4, 14, 14, 3), "uint32").view("float32")
    mixed, _ = layer(num_classes=4)(x, np.arange(4))
    bits = set(x.view("uint32").ravel().tolist())
    assert set(mixed.numpy().view("uint32").ravel().tolist()) <= bits


@pytest.mark.parametrize("form", ["arguments", "tuple", "list"])
def test_tuples_and_arguments(form):
    parts = (images(), IDS, np.ones(BATCH, "float32"))
    for count in (2, 3):
        mix = layer()
        given = parts[:count]
        result = (
            mix(*given) if form == "arguments" else mix({"tuple": tuple, "list": list}[form](given))
        )
        assert isinstance(result, tuple)
        assert len(result) == count
        assert_exact(result[0], result[1])


@pytest.mark.parametrize("shape", [(BATCH,), (BATCH, 1)])
def test_sample_weights_keep_the_weighted_cross_entropy(shape):
    weights = np.linspace(0.5, 2, BATCH).astype("float64")
    mix = layer()
    plan = mix.sample_plan(images(), seed=(1, 2))
    _, rows = mix.apply_plan(plan, images(), IDS)
    _, weighted_rows, mixed_weights = mix.apply_plan(plan, images(), IDS, weights.reshape(shape))
    assert mixed_weights.shape == shape
    assert mixed_weights.dtype == "float32"
    # weight times row must be the blend of the weighted one-hot rows
    expected = rows.numpy() * weights[None, :]
    actual = weighted_rows.numpy() * mixed_weights.numpy().reshape(-1, 1)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


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
    assert set(mixed) == set(data)
    assert_exact(mixed["images"], mixed["labels"])
    np.testing.assert_array_equal(
        np.squeeze(mixed["segmentation_masks"].numpy().reshape(BATCH, 28, 28)),
        mixed["images"].numpy()[..., 0],
    )
    assert mixed["segmentation_masks"].dtype == "int32"
    assert mixed["name"].numpy().tolist() == [f"image {i}".encode() for i in IDS]


def test_masks_without_labels():
    data = {"images": images(), "segmentation_masks": images("int32")[..., 0]}
    mixed = layer()(data)
    np.testing.assert_array_equal(mixed["segmentation_masks"], mixed["images"][..., 0])
    assert (mixed["images"].numpy() != data["images"]).any()


@pytest.mark.parametrize("size", [(28, 28), (33, 47)])
@pytest.mark.parametrize("grid", [{}, {"grid_size": (3, 5)}, {"patch_size": 8}])
def test_channels_first_is_channels_last_transposed(size, grid):
    x = np.random.default_rng(0).integers(0, 256, (BATCH, *size, 3)).astype("uint8")
    last, first = layer(**grid), layer(data_format="channels_first", **grid)
    plan = last.sample_plan(x, seed=(1, 2))
    mixed, labels = last.apply_plan(plan, x, IDS)
    plan_first = first.sample_plan(np.moveaxis(x, -1, 1), seed=(1, 2))
    mixed_first, labels_first = first.apply_plan(plan_first, np.moveaxis(x, -1, 1), IDS)
    np.testing.assert_array_equal(np.moveaxis(mixed_first.numpy(), 1, -1), mixed)
    np.testing.assert_array_equal(labels_first, labels)


@pytest.mark.parametrize("grid", [{"grid_size": 7}, {"patch_size": 5}])
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
    mixed, labels = layer(label_smoothing=0.4)(images()[3:4], IDS[3:4])
    np.testing.assert_array_equal(mixed, images()[3:4])
    np.testing.assert_allclose(labels, [np.where(IDS == 3, 0.6, 0) + 0.4 / BATCH], atol=1e-6)


def test_training_false_passes_images_and_encodes_labels():
    mix = layer(label_smoothing=0.3)
    for mixed, labels in dataset((images(), IDS)).map(lambda x, y: mix(x, y, training=False)):
        np.testing.assert_array_equal(mixed, images())
        np.testing.assert_array_equal(labels, np.eye(BATCH))
    np.testing.assert_array_equal(mix(images(), training=False), images())


def test_samples_left_unmixed_are_smoothed_all_the_same():
    mixed, labels = layer(probability=0.0, label_smoothing=0.4)(images(), IDS)
    np.testing.assert_array_equal(mixed, images())
    np.testing.assert_allclose(labels, 0.6 * np.eye(BATCH) + 0.4 / BATCH, atol=1e-6)


def test_consecutive_batches_differ_and_the_seed_decides_them():
    def run(seed):
        data = dataset((images(), IDS)).repeat(4).map(layer(seed=seed))
        return [labels.numpy() for _, labels in data]

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert all((a != b).any() for a, b in itertools.pairwise(first))
    assert (np.stack(first) != np.stack(other)).any()


def test_without_a_seed_keras_global_seed_decides():
    def run():
        keras.utils.set_random_seed(3)
        return layer(seed=None)(images(), IDS)[1].numpy()

    np.testing.assert_array_equal(run(), run())
    assert (layer(seed=None)(images(), IDS)[1] != layer(seed=None)(images(), IDS)[1]).numpy().any()


def test_a_parallel_map_never_uses_a_plan_twice():
    data = dataset((images(), IDS)).repeat(300)
    data = data.map(layer(), num_parallel_calls=8, deterministic=False)
    plans = {labels.numpy().tobytes() for _, labels in data}
    assert len(plans) == 300


def test_compiled_by_xla():
    mix = layer()
    mixed, labels = tf.function(lambda x, y: mix(x, y), jit_compile=True)(images(), IDS)
    assert_exact(mixed, labels)


@pytest.mark.parametrize("stack", [keras.Sequential, keras.layers.Pipeline])
def test_behind_other_keras_layers(stack):
    mix = stack([keras.layers.RandomFlip(), layer()])
    data = dataset({"images": images("float32"), "labels": IDS})
    (mixed,) = data.map(lambda batch: mix(batch, training=True))
    assert_exact(mixed["images"], mixed["labels"])


ARGUMENTS = [
    {
        "grid_size": (3, 5),
        "alpha": 0.4,
        "probability": 0.5,
        "mode": "batch",
        "num_classes": 9,
        "label_smoothing": 0.2,
        "seed": 5,
        "data_format": "channels_first",
        "name": "mix",
    },
    {"patch_size": (4, 6), "ratio": (0.2, 0.4)},
    {"ratio": 0.3},
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_config_round_trip(arguments):
    mix = kpm.PatchMixing(**arguments)
    config = mix.get_config()
    for name, value in arguments.items():
        assert config[name] == value if name != "grid_size" else tuple(config[name]) == value
    again = keras.layers.deserialize(keras.layers.serialize(mix))
    assert again.get_config() == config


def test_a_functional_model_saves_and_loads(tmp_path):
    x = keras.Input((28, 28, 3), dtype="uint8")
    y = keras.Input((), dtype="int64")
    model = keras.Model([x, y], layer()(x, y))
    assert model.output_shape == [(None, 28, 28, 3), (None, BATCH)]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_exact(*loaded([images(), IDS], training=True))
    np.testing.assert_array_equal(loaded([images(), IDS], training=False)[0], images())


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


def test_compute_output_shape():
    mix = layer()
    assert mix.compute_output_shape((None, 28, 28, 3), (None,)) == ((None, 28, 28, 3), (None, 8))
    assert mix.compute_output_shape((4, 28, 28, 3)) == (4, 28, 28, 3)
    assert mix.compute_output_shape({"images": (4, 2, 2, 3), "labels": (4, 1), "x": (4,)}) == {
        "images": (4, 2, 2, 3),
        "labels": (4, 8),
        "x": (4,),
    }


ERRORS = {
    "images alone": (lambda: layer()(images()), "needs `labels`.*training=False"),
    "unbatched": (lambda: layer()(images()[0], IDS), r"rank 4.*\(28, 28, 3\): put `.batch"),
    "no num_classes": (lambda: kpm.PatchMixing()(images(), IDS), "give `num_classes`"),
    "unbatched label": (lambda: layer()(images(), np.int64(3)), "`labels` must be batched"),
    "dense labels": (
        lambda: layer()(images(), np.ones((BATCH, 28, 28))),
        "`labels` must be.*'segmentation_masks'",
    ),
    "wrong classes": (
        lambda: layer()(images(), np.eye(BATCH + 1)[:BATCH]),
        r"`num_classes`=8 columns.*\(8, 9\)",
    ),
    "fewer labels": (lambda: layer()(images(), IDS[:3]), r"8 images and labels.shape=\(3,\)"),
    "weights of rank 2": (
        lambda: layer()(images(), IDS, np.ones((BATCH, 2))),
        r"`sample_weight` must.*\(8, 2\)",
    ),
    "weights without labels": (
        lambda: layer()(images(), None, np.ones(BATCH)),
        "`sample_weight` needs `labels`",
    ),
    "boxes": (
        lambda: layer()({"images": images(), "labels": IDS, "bounding_boxes": np.ones((BATCH, 4))}),
        "'bounding_boxes'.*Remove the key",
    ),
    "TFDS keys": (
        lambda: layer()({"image": images(), "label": IDS}),
        "must hold 'images'.*keys=.*rename the keys",
    ),
    "a dict and labels": (lambda: layer()({"images": images()}, IDS), "belong into the dict"),
    "four parts": (lambda: layer()((images(), IDS, IDS, IDS)), "a tuple of 4"),
    "masks of another size": (
        lambda: layer()(
            {"images": images(), "segmentation_masks": np.ones((BATCH, 14, 14), "int32")}
        ),
        r"'segmentation_masks' must.*\(8, 14, 14\)",
    ),
    "fine grid": (lambda: layer(grid_size=29)(images(), IDS), "`grid_size` must not be finer"),
    "num_classes": (lambda: layer(num_classes=1), "`num_classes` must"),
    "smoothing": (lambda: layer(label_smoothing=1.5), "`label_smoothing` must"),
    "seed": (lambda: layer(seed=0.5), "`seed` must"),
    "data_format": (lambda: layer(data_format="NHWC"), "`data_format` must"),
    "both grids": (lambda: layer(grid_size=4, patch_size=4), "exactly one"),
    "mode": (lambda: layer(mode="pixel"), "`mode` must"),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_name_the_argument_and_what_arrived(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}") as error:
        call()
    assert "Received: " in str(error.value)


@pytest.mark.parametrize("labels", [IDS + 1, IDS - 1, IDS + 0.5])
def test_class_ids_out_of_range_raise_when_met(labels):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"class ids in 0\.\.7"):
        layer()(images(), labels)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"class ids in 0\.\.7"):
        list(dataset((images(), labels)).map(layer()))


def test_a_grid_finer_than_an_image_of_unknown_size_raises_when_met():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,))])
    def mix(x, y):
        return mixing_layer(x, y)

    mixing_layer = layer(grid_size=16)
    mix(images("float32"), IDS.astype("float32"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must not be finer than the image"):
        mix(images("float32", (28, 14)), IDS.astype("float32"))


def test_ids_in_rows_of_unknown_width_are_not_taken_for_one_hot_rows():
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int64)])
    def mix(y):
        return mixing_layer(images(), y)[1]

    mixing_layer = layer()
    assert mix(np.eye(BATCH, dtype="int64")).shape == (BATCH, BATCH)
    with pytest.raises(tf.errors.InvalidArgumentError):
        mix(IDS[:, None])


@pytest.mark.parametrize(
    "arguments", [{"ratio": 0.01}, {"ratio": 0.0}, {"grid_size": 1, "ratio": 0.5}]
)
def test_a_setting_that_can_never_mix_warns(arguments):
    with pytest.warns(UserWarning, match="never replace a patch"):
        layer(**arguments)


def test_a_patch_size_that_can_never_mix_warns_when_the_image_is_known():
    mix = layer(patch_size=14, ratio=0.1)
    with pytest.warns(UserWarning, match="never replace a patch"):
        mix(images(), IDS)
