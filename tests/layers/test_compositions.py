"""The layers among others: stacks of Keras and keras-cv, nested data, grain, losses."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND, to_numpy
from tests.layers.cases import BATCH, IDS, assert_exact, images, layer
from tests.mixing import oracle

on_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="keras.Sequential and keras-cv run on TensorFlow's tensors only"
)
STACK_CLASSES = [keras.layers.Pipeline, pytest.param(keras.Sequential, marks=on_tensorflow)]


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture
def keras_cv():
    return pytest.importorskip("keras_cv")


def dataset(tf, structure, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices(structure).batch(batch)


def colored(rows, size=28):
    """Images whose channel k is `rows[i, k]` everywhere, so that the mean pixel is the label."""
    rows = np.asarray(rows, "float32")
    return np.broadcast_to(rows[:, None, None, :], (len(rows), size, size, rows.shape[1])).copy()


def assert_labels_are_mean_pixels(mixed, labels, tolerance=1e-5):
    pixels = to_numpy(mixed).astype("float64").mean((1, 2))
    np.testing.assert_allclose(to_numpy(labels), pixels, atol=tolerance)


STACKS = {
    "patches, flip": lambda: [layer(), keras.layers.RandomFlip(seed=1)],
    "flip, patches": lambda: [keras.layers.RandomFlip(seed=1), layer()],
    "flip, choice": lambda: [
        keras.layers.RandomFlip(seed=1),
        kpm.layers.RandomChoice([layer(), layer(grid_size=4)], None, BATCH, label_smoothing=0.0),
    ],
    "patches, no patches": lambda: [layer(), layer(probability=0.0)],
}


@pytest.mark.parametrize("stack", STACK_CLASSES)
@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS.keys())
def test_a_stack_maps_a_data_set_of_dicts(tf, stack, make):
    data = dataset(tf, {"images": images("float32"), "labels": IDS})
    stacked = stack(make())
    for batch in data.repeat(3).map(stacked):
        assert batch["labels"].dtype == "float32"
        assert_exact(batch["images"], batch["labels"])


@pytest.mark.parametrize("stack", STACK_CLASSES)
def test_a_stack_maps_nested_dicts_with_text(tf, stack):
    given = nested()
    (mixed,) = dataset(tf, given).map(stack([layer(), layer(probability=0.0)]))
    assert_exact(mixed["images"], mixed["labels"])
    assert mixed["images"].dtype == "uint8"
    assert_others_pass(mixed, given)


def test_a_pipeline_takes_tuples(tf):
    mix = keras.layers.Pipeline([layer(), layer(probability=0.0)])
    parts = (images(), IDS, np.ones(BATCH, "float32"))
    for count in (2, 3):
        data = dataset(tf, parts[:count]).map(lambda *batch: mix(batch))
        for mixed in data:
            assert len(mixed) == count
            assert_exact(mixed[0], mixed[1])


@pytest.mark.parametrize("stack", STACK_CLASSES)
def test_a_stack_that_does_not_train_only_encodes_labels(tf, stack):
    mix = stack([layer(label_smoothing=0.3), layer(label_smoothing=0.3)])
    data = dataset(tf, {"images": images(), "labels": IDS})
    for batch in data.map(lambda batch: mix(batch, training=False)):
        np.testing.assert_array_equal(batch["images"], images())
        np.testing.assert_array_equal(batch["labels"], np.eye(BATCH))


@on_tensorflow
@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS.keys())
def test_a_saved_stack_loads(make, tmp_path):
    mix = keras.Sequential(make())
    batch = {"images": images("float32"), "labels": IDS}
    mix(batch)
    mix.save(tmp_path / "stack.keras")
    loaded = keras.models.load_model(tmp_path / "stack.keras")
    mixed = loaded(batch, training=True)
    assert_exact(mixed["images"], mixed["labels"])
    assert [type(part) for part in loaded.layers] == [type(part) for part in mix.layers]


@on_tensorflow
@pytest.mark.parametrize("place", [0, 1])
def test_an_augmenter_of_keras_cv(tf, keras_cv, place):
    stack = [keras_cv.layers.RandomFlip(seed=1)]
    stack.insert(place, layer())
    augment = keras_cv.layers.Augmenter(stack)
    data = dataset(tf, {"images": images("float32"), "labels": IDS})
    for batch in data.repeat(3).map(augment):
        assert_exact(batch["images"], batch["labels"])


@on_tensorflow
@pytest.mark.parametrize("name", ["CutMix", "MixUp"])
def test_a_choice_between_patches_and_keras_cv(tf, keras_cv, name):
    mix = kpm.layers.RandomChoice(
        [kpm.PatchMixing(probability=1.0), getattr(keras_cv.layers, name)(), None],
        num_classes=BATCH,
        seed=1,
    )
    for mixed, labels in dataset(tf, (images(), IDS)).repeat(8).map(mix):
        assert mixed.dtype == "uint8"
        assert labels.dtype == "float32"
        np.testing.assert_allclose(tf.reduce_sum(labels, 1), 1, atol=1e-5)
        np.testing.assert_allclose(tf.reduce_min(labels, 1), 0.1 / BATCH, atol=1e-6)


def test_maps_after_a_flip_of_keras_and_before_one(tf):
    flip = keras.layers.RandomFlip(seed=1)
    data = dataset(tf, {"images": images(), "labels": IDS})
    for mapped in (data.map(flip).map(layer()), data.map(layer()).map(flip)):
        (batch,) = mapped
        assert batch["images"].dtype == "float32", "a layer of Keras makes it so"
        assert_exact(batch["images"], batch["labels"])


OTHERS = {
    "patches": lambda: layer(grid_size=4, seed=2),
    "CutMix": lambda: layer("boxes"),
    "MixUp": lambda: layer("blends"),
    "Keras' MixUp": lambda: keras.layers.MixUp(alpha=1.0, seed=1),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", OTHERS)
def test_patches_before_and_after_other_mixing(tf, name, first):
    """Labels stay exact around MixUp, which blends whole images.

    A region that is moved by the second of two other mixings need not show what its image shows on
    average, so that labels fit the pixels on average only; here are the classes and their sum.
    """
    rows = np.eye(BATCH, dtype="float32")
    data = dataset(tf, {"images": colored(rows), "labels": rows}).repeat(5)
    other = OTHERS[name]()
    for mix in (layer(), other) if first else (other, layer()):
        data = data.map(mix)
    for batch in data:
        labels = batch["labels"].numpy()
        pixels = batch["images"].numpy().astype("float64").mean((1, 2))
        if "MixUp" in name:
            np.testing.assert_allclose(labels, pixels, atol=1e-5)
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-5)
        assert (labels[pixels > 1e-6] > 0).all()
        assert ((labels > 0).sum(1) > 2).any(), "both mixed"


def test_multi_hot_labels_train_with_binary_cross_entropy():
    rng = np.random.default_rng(0)
    rows = (rng.random((BATCH, 5)) < 0.5).astype("float32")
    mix = kpm.PatchMixing(label_smoothing=0.0, seed=1, probability=1.0)
    model = keras.Sequential(
        [keras.Input((28, 28, 5)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)]
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.3), loss, jit_compile=False)
    losses = []
    for _ in range(15):
        mixed, labels = mix(colored(rows), rows)
        assert_labels_are_mean_pixels(mixed, labels)
        losses.append(float(model.train_on_batch(mixed, labels)))
    assert np.isfinite(losses).all()
    # the labels are the mean pixels, which this model can learn
    assert losses[-1] < 0.9 * losses[0]


def test_smoothing_keeps_the_number_of_labels_of_multi_hot_rows():
    rows = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]], "float32")
    plain, smoothed = (
        kpm.PatchMixing(label_smoothing=amount, seed=1, probability=1.0)(colored(rows), rows)[1]
        for amount in (0.0, 0.2)
    )
    plain, smoothed = to_numpy(plain), to_numpy(smoothed)
    np.testing.assert_allclose(
        smoothed, 0.8 * plain + 0.2 * plain.mean(1, keepdims=True), atol=1e-6
    )


def nested():
    """A dict whose other values are text and dicts of numbers, text and dicts."""
    return {
        "name": np.array([f"image {i}" for i in IDS]),
        "images": images(),
        "labels": IDS,
        "meta": {"id": IDS + 100, "source": np.array(list("abcdefgh")), "deep": {"x": IDS / 2}},
    }


def assert_others_pass(mixed, given):
    def text(values):
        return [v.decode() if isinstance(v, bytes) else v for v in np.asarray(values).tolist()]

    assert mixed.keys() == given.keys()
    assert mixed["meta"].keys() == given["meta"].keys()
    assert text(mixed["name"]) == text(given["name"])
    assert text(mixed["meta"]["source"]) == text(given["meta"]["source"])
    np.testing.assert_array_equal(mixed["meta"]["id"], given["meta"]["id"])
    np.testing.assert_array_equal(mixed["meta"]["deep"]["x"], given["meta"]["deep"]["x"])


@pytest.mark.parametrize("way", ["patches", "choice", "seeded"])
def test_nested_dicts_with_text_keep_what_is_not_mixed(tf, way):
    given = nested()
    data = dataset(tf, given)
    choice = kpm.layers.RandomChoice([layer()], num_classes=BATCH, label_smoothing=0.0)
    if way == "seeded":
        data = kpm.layers.map_seeded(data, layer(), seed=1)
    else:
        data = data.map({"patches": layer(), "choice": choice}[way])
    (mixed,) = data
    assert_exact(mixed["images"], mixed["labels"])
    assert_others_pass(mixed, given)


def test_other_keys_may_be_ragged_or_sparse(tf):
    lengths = tf.RaggedTensor.from_row_lengths(np.arange(2 * BATCH), [2] * BATCH)
    given = {
        "images": images(),
        "labels": IDS,
        "boxes of text": lengths,
        "tags": tf.sparse.from_dense(np.eye(BATCH)),
    }
    (mixed,) = dataset(tf, given).map(layer())
    assert_exact(mixed["images"], mixed["labels"])
    assert mixed["boxes of text"].to_list() == lengths.to_list()
    np.testing.assert_array_equal(tf.sparse.to_dense(mixed["tags"]), np.eye(BATCH))


@pytest.mark.parametrize("way", ["patches", "choice"])
@pytest.mark.parametrize("shape", [(BATCH,), (BATCH, 1)])
def test_sample_weights_of_a_ragged_last_batch(tf, shape, way):
    weights = np.linspace(0.5, 4, BATCH).astype("float32")
    mix = layer()
    if way == "choice":
        mix = kpm.layers.RandomChoice([mix, None], [4, 1], BATCH, label_smoothing=0.0, seed=1)
    sizes = []
    for mixed, rows, mixed_weights in dataset(
        tf, (images(), IDS, weights.reshape(shape)), batch=5
    ).map(mix):
        sizes.append(len(mixed))
        assert mixed_weights.shape == (len(mixed), *shape[1:])
        # from the pixels: the weight is the blend of weights, the row that of weighted rows
        shares = oracle.pixel_shares(mixed, BATCH)
        np.testing.assert_allclose(tf.reshape(mixed_weights, [-1]), shares @ weights, rtol=1e-5)
        expected = shares * weights / (shares @ weights)[:, None]
        np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert sizes == [5, 3]


class TestGrain:
    """Pipelines of grain over batches of NumPy arrays.

    A call of a layer gives tensors of the Keras backend, as a call of Keras' own layers does. A
    plan drawn for NumPy arrays and applied to them gives NumPy arrays, with no framework at work,
    and with a seed of grain's it is the same on every run.
    """

    @pytest.fixture
    def batches(self):
        grain = pytest.importorskip("grain")

        def make(form="dict"):
            source = [{"images": x, "labels": i} for x, i in zip(images(), IDS, strict=True)]
            if form == "tuple":
                source = [(example["images"], example["labels"]) for example in source]
            return grain.MapDataset.source(source).batch(5)

        return make

    @pytest.mark.parametrize("form", ["dict", "tuple"])
    @pytest.mark.parametrize("way", ["patches", "choice"])
    def test_a_call_gives_tensors_of_the_backend(self, batches, way, form):
        mix = layer()
        if way == "choice":
            mix = kpm.layers.RandomChoice([mix], num_classes=BATCH, label_smoothing=0.0, seed=1)
        sizes = []
        for batch in batches(form).map(mix):
            mixed, labels = batch if form == "tuple" else (batch["images"], batch["labels"])
            assert keras.ops.is_tensor(mixed)
            assert keras.ops.is_tensor(labels)
            shares = oracle.pixel_shares(to_numpy(mixed), BATCH)
            np.testing.assert_allclose(to_numpy(labels), shares, atol=1e-6)
            assert (shares.max(1) < 1).any()
            sizes.append(len(mixed))
        assert sizes == [5, 3]

    @pytest.mark.parametrize("way", ["patches", "choice"])
    def test_a_plan_gives_arrays_and_grains_seed_decides_it(self, batches, way):
        mix = layer()
        if way == "choice":
            mix = kpm.layers.RandomChoice([mix, layer(grid_size=4)], num_classes=BATCH)

        def run(seed):
            def mix_seeded(batch, rng):
                plan = mix.sample_plan(batch, seed=rng.integers(2**31, size=2))
                return mix.apply_plan(plan, batch)

            mixed = list(batches().seed(seed).random_map(mix_seeded))
            assert all(type(part) is np.ndarray for batch in mixed for part in batch.values())
            return np.concatenate([batch["images"] for batch in mixed])

        first, again, other = run(3), run(3), run(4)
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        assert (first != images()).any()


def test_a_loss_that_smooths_too_smooths_a_second_time():
    """Two smoothings, of a and b, are one of 1 - (1 - a) (1 - b): more than either says."""
    logits = np.random.default_rng(0).normal(size=(BATCH, BATCH)).astype("float32")
    mix = layer(label_smoothing=0.1)
    plan = mix.sample_plan(images(), seed=(1, 2))
    _, rows = mix.apply_plan(plan, images(), IDS)
    _, rows_of_both = layer(label_smoothing=1 - 0.9 * 0.8).apply_plan(plan, images(), IDS)
    twice = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    once = keras.losses.CategoricalCrossentropy(from_logits=True)
    assert abs(float(twice(rows, logits)) - float(once(rows_of_both, logits))) < 1e-5
    assert abs(float(twice(rows, logits)) - float(once(rows, logits))) > 1e-3


@pytest.mark.parametrize("choice", [False, True])
def test_mixing_on_the_device_warns_where_layer_and_loss_smooth(choice):
    model = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(BATCH))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile("sgd", loss)
    mix = kpm.PatchMixing(num_classes=BATCH, probability=1.0)
    if choice:
        mix = kpm.layers.RandomChoice([mix, None], num_classes=BATCH)
    with pytest.warns(UserWarning, match="smoothed twice"):
        kpm.training.mix_on_device(model, mix)
