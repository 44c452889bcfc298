"""The layer on the Keras backend: structures, labels, dtypes, randomness, saving."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND, as_kind, dtype_name, to_numpy
from tests.layers.cases import BATCH, IDS, LABELS, assert_exact, images, layer


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_form_become_float32_rows(labels):
    mixed, rows = layer()(images(), labels)
    assert dtype_name(rows) == "float32"
    assert_exact(mixed, rows)


@pytest.mark.parametrize("wrap", [list, tuple])
def test_lists_of_numbers_are_labels_and_weights_too(wrap):
    for result in (
        layer()(images(), wrap(range(BATCH)), wrap([1.0] * BATCH)),
        layer()((images(), wrap(range(BATCH)), wrap([1.0] * BATCH))),
        layer()({"images": images(), "labels": wrap(np.eye(BATCH).tolist())}),
    ):
        assert_exact(*(list(result.values()) if isinstance(result, dict) else result)[:2])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_images_keep_their_dtype_under_every_policy(dtype, policy):
    keras.config.set_dtype_policy(policy)
    try:
        x = keras.ops.cast(images(), dtype)
        mixed, labels, weights = layer()(x, IDS, np.ones(BATCH, "float32"))
        assert dtype_name(mixed) == dtype
        assert dtype_name(labels) == dtype_name(weights) == "float32"
        assert_exact(keras.ops.cast(mixed, "int32"), labels)
    finally:
        keras.config.set_dtype_policy("float32")


def test_values_are_bit_exact_copies():
    x = np.random.default_rng(0).integers(0, 2**32, (4, 14, 14, 3), "uint32").view("float32")
    mixed, _ = layer(num_classes=4)(x, np.arange(4))
    bits = set(x.view("uint32").ravel().tolist())
    assert set(to_numpy(mixed).view("uint32").ravel().tolist()) <= bits


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
    expected = rows * weights[None, :]
    actual = weighted_rows * mixed_weights.reshape(-1, 1)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("rank", [3, 4])
def test_dicts_with_masks_and_other_keys(rank):
    masks = images("int32")[..., :1] if rank == 4 else images("int32")[..., 0]
    others = {
        "name": np.array([f"image {i}" for i in IDS]),
        "meta": {"id": [1, 2], "source": None},
        7: object(),
    }
    data = {
        "name": others["name"],
        "images": images(),
        "labels": IDS,
        "segmentation_masks": masks,
        "sample_weight": np.ones(BATCH, "float32"),
        **others,
    }
    mixed = layer()(data)
    assert list(mixed) == list(data)
    assert_exact(mixed["images"], mixed["labels"])
    np.testing.assert_array_equal(
        to_numpy(mixed["segmentation_masks"]).reshape(BATCH, 28, 28),
        to_numpy(mixed["images"])[..., 0],
    )
    assert dtype_name(mixed["segmentation_masks"]) == "int32"
    for key, value in others.items():
        assert mixed[key] is value


def test_masks_without_labels():
    data = {"images": images(), "segmentation_masks": images("int32")[..., 0]}
    mixed = {key: to_numpy(value) for key, value in layer()(data).items()}
    np.testing.assert_array_equal(mixed["segmentation_masks"], mixed["images"][..., 0])
    assert (mixed["images"] != data["images"]).any()


@pytest.mark.parametrize("size", [(28, 28), (33, 47)])
@pytest.mark.parametrize("grid", [{}, {"grid_size": (3, 5)}, {"patch_size": 8}])
def test_channels_first_is_channels_last_transposed(size, grid):
    x = np.random.default_rng(0).integers(0, 256, (BATCH, *size, 3)).astype("uint8")
    last, first = layer(**grid), layer(data_format="channels_first", **grid)
    plan = last.sample_plan(x, seed=(1, 2))
    mixed, labels = last.apply_plan(plan, x, IDS)
    plan_first = first.sample_plan(np.moveaxis(x, -1, 1), seed=(1, 2))
    mixed_first, labels_first = first.apply_plan(plan_first, np.moveaxis(x, -1, 1), IDS)
    np.testing.assert_array_equal(np.moveaxis(mixed_first, 1, -1), mixed)
    np.testing.assert_array_equal(labels_first, labels)


def test_a_batch_of_one_is_only_smoothed():
    mixed, labels = layer(label_smoothing=0.4)(images()[3:4], IDS[3:4])
    np.testing.assert_array_equal(to_numpy(mixed), images()[3:4])
    expected = [np.where(IDS == 3, 0.6, 0) + 0.4 / BATCH]
    np.testing.assert_allclose(to_numpy(labels), expected, atol=1e-6)


def test_training_false_passes_images_and_encodes_labels():
    mix = layer(label_smoothing=0.3)
    mixed, labels = mix(images(), IDS, training=False)
    np.testing.assert_array_equal(to_numpy(mixed), images())
    np.testing.assert_array_equal(to_numpy(labels), np.eye(BATCH))
    np.testing.assert_array_equal(to_numpy(mix(images(), training=False)), images())


def test_samples_left_unmixed_are_smoothed_all_the_same():
    mixed, labels = layer(probability=0.0, label_smoothing=0.4)(images(), IDS)
    np.testing.assert_array_equal(to_numpy(mixed), images())
    np.testing.assert_allclose(to_numpy(labels), 0.6 * np.eye(BATCH) + 0.4 / BATCH, atol=1e-6)


def test_consecutive_batches_differ_and_the_seed_decides_them():
    def run(seed):
        mix = layer(seed=seed)
        return np.stack([to_numpy(mix(images(), IDS)[1]) for _ in range(3)])

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[1] != first[2]).any()
    assert (first != other).any()


def test_without_a_seed_keras_global_seed_decides():
    def run():
        keras.utils.set_random_seed(3)
        return to_numpy(layer(seed=None)(images(), IDS)[1])

    np.testing.assert_array_equal(run(), run())
    one, another = (to_numpy(layer(seed=None)(images(), IDS)[1]) for _ in range(2))
    assert (one != another).any()


def test_a_plan_follows_the_kind_of_the_data_and_serves_all_kinds():
    mix = layer()
    plan = mix.sample_plan(images(), seed=(1, 2))
    assert all(isinstance(part, np.ndarray) for part in plan)
    mixed, labels = mix.apply_plan(plan, images(), IDS)
    assert isinstance(mixed, np.ndarray)
    assert isinstance(labels, np.ndarray)
    tensor = as_kind(images(), BACKEND)
    assert all(type(part) is type(tensor) for part in mix.sample_plan(tensor, seed=(1, 2)))
    again = mix.apply_plan(plan, tensor, as_kind(IDS, BACKEND))
    assert all(type(part) is type(tensor) for part in again)
    np.testing.assert_array_equal(to_numpy(again[0]), mixed)
    np.testing.assert_array_equal(to_numpy(again[1]), labels)


def test_the_layers_own_stream_serves_numpy_arrays():
    mix = layer()
    first, second = mix.sample_plan(images()), mix.sample_plan(images())
    assert (first.mask != second.mask).any()
    np.testing.assert_array_equal(layer().sample_plan(images()).mask, first.mask)


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


def test_the_grid_is_seven_by_seven_unless_it_or_patches_are_given():
    for arguments, expected in (
        ({}, ((7, 7), None)),
        ({"grid_size": None, "patch_size": None}, ((7, 7), None)),
        ({"grid_size": 7}, ((7, 7), None)),
        ({"grid_size": (2, 3)}, ((2, 3), None)),
        ({"patch_size": 4}, (None, (4, 4))),
    ):
        mix = kpm.PatchMixing(**arguments)
        again = kpm.PatchMixing.from_config(mix.get_config())
        for found in (mix, again):
            assert (found.grid_size, found.patch_size) == expected


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
    y = keras.Input((), dtype="int32")
    model = keras.Model([x, y], layer()(x, y))
    assert model.output_shape == [(None, 28, 28, 3), (None, BATCH)]
    assert [output.dtype for output in model.outputs] == ["uint8", "float32"]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = [images(), IDS.astype("int32")]
    assert_exact(*loaded(inputs, training=True))
    np.testing.assert_array_equal(to_numpy(loaded(inputs, training=False)[0]), images())


def test_symbolic_dicts_keep_their_shapes_and_dtypes():
    inputs = {
        "images": keras.Input((28, 28, 3), dtype="uint8"),
        "labels": keras.Input((1,), dtype="int32"),
        "sample_weight": keras.Input((), dtype="float16"),
    }
    outputs = layer()(inputs)
    assert {key: (value.shape, value.dtype) for key, value in outputs.items()} == {
        "images": ((None, 28, 28, 3), "uint8"),
        "labels": ((None, BATCH), "float32"),
        "sample_weight": ((None,), "float32"),
    }


def test_compute_output_shape():
    mix = layer()
    assert mix.compute_output_shape((None, 28, 28, 3), (None,)) == ((None, 28, 28, 3), (None, 8))
    assert mix.compute_output_shape((4, 28, 28, 3)) == (4, 28, 28, 3)
    assert mix.compute_output_shape({"images": (4, 2, 2, 3), "labels": (4, 1), "x": (4,)}) == {
        "images": (4, 2, 2, 3),
        "labels": (4, 8),
        "x": (4,),
    }


def test_keys_in_the_singular_are_mixed_as_those_in_the_plural():
    data = {
        "images": images(),
        "labels": IDS,
        "segmentation_masks": images("int32")[..., :1],
        "sample_weight": np.ones(BATCH, "float32"),
        "file": np.array([f"image {i}" for i in IDS]),
    }
    names = {"images": "image", "labels": "label", "segmentation_masks": "segmentation_mask"}
    expected = layer()(data)
    assert_exact(expected["images"], expected["labels"])
    found = layer()({names.get(key, key): value for key, value in data.items()})
    assert list(found) == [names.get(key, key) for key in data]
    for key, value in expected.items():
        np.testing.assert_array_equal(to_numpy(found[names.get(key, key)]), to_numpy(value))
    shapes = {"image": (4, 2, 2, 3), "label": (4, 1), "labels_in_words": (4,)}
    assert layer().compute_output_shape(shapes) == {**shapes, "label": (4, 8)}
    symbolic = {"image": keras.Input((28, 28, 3)), "label": keras.Input((), dtype="int32")}
    assert layer()(symbolic)["label"].shape == (None, BATCH)
