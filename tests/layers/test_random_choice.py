"""Batches mixed in one of several ways: the choice, the common form, seeds, saving, errors."""

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.layers.random_choice import ChoicePlan
from tests.arrays import BACKEND, as_kind, dtype_name, to_numpy
from tests.layers.cases import BATCH, IDS, LABELS, assert_exact, images

on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="is about TensorFlow's graphs")


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


def choice(*layers, **arguments):
    defaults = {"num_classes": BATCH, "label_smoothing": 0.0, "seed": 1}
    return kpm.layers.RandomChoice(list(layers), **{**defaults, **arguments})


def four(**arguments):
    """Patch Mixing, CutMix, MixUp and none."""
    layers = (
        kpm.PatchMixing(),
        keras.layers.CutMix(seed=2),
        keras.layers.MixUp(seed=3, alpha=1.0),
        None,
    )
    return choice(*layers, **arguments)


def coloured(dtype="float32", size=28):
    """Image i is 1 in channel i and 0 in the others, so that its mean pixel is its label."""
    channels = np.eye(BATCH, dtype=dtype)[:, None, None, :]
    return np.broadcast_to(channels, (BATCH, size, size, BATCH)).copy()


def mean_pixel(mixed):
    return to_numpy(mixed).astype("float64").mean((1, 2))


def unsmoothed():
    return kpm.PatchMixing(label_smoothing=0.0)


WAYS = {  # how, and how exact its labels are
    "patches": (kpm.PatchMixing, 1e-6),
    "CutMix": (lambda: keras.layers.CutMix(seed=2), 0.08),  # the box of Keras is continuous, pixels are not
    "MixUp": (lambda: keras.layers.MixUp(seed=3, alpha=1.0), 1e-5),
    "none": (lambda: None, 0.0),
    "a pipeline": (lambda: keras.layers.Pipeline([keras.layers.RandomFlip(), unsmoothed()]), 1e-6),
}


@pytest.mark.parametrize(("make", "tolerance"), WAYS.values(), ids=WAYS.keys())
def test_every_way_of_mixing_gives_labels_that_fit_the_pixels(make, tolerance):
    mixed, labels = choice(make())(coloured(), IDS)
    assert dtype_name(mixed) == dtype_name(labels) == "float32"
    np.testing.assert_allclose(mean_pixel(mixed), to_numpy(labels), atol=tolerance)
    assert (to_numpy(labels).max(1) < 1).any() == (make() is not None)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_form_become_float32_rows(labels):
    mix = choice(kpm.PatchMixing(), None)
    for _ in range(4):
        mixed, rows = mix(images(), labels)
        assert dtype_name(rows) == "float32"
        np.testing.assert_allclose(mean_pixel(mixed)[:, 0], to_numpy(rows) @ IDS, atol=1e-4)


@pytest.mark.parametrize("make", [way for way, _ in WAYS.values()][:4], ids=list(WAYS)[:4])
def test_labels_are_smoothed_once_whatever_mixes(make):
    smoothed, plain = (
        to_numpy(choice(_seeded(make()), label_smoothing=amount)(coloured(), IDS)[1])
        for amount in (0.4, 0.0)
    )
    np.testing.assert_allclose(smoothed, 0.6 * plain + 0.4 / BATCH, atol=1e-6)
    np.testing.assert_allclose(smoothed.sum(1), 1, atol=1e-5)


def _seeded(layer):
    if isinstance(layer, kpm.PatchMixing) or layer is None:
        return layer
    return type(layer).from_config({**layer.get_config(), "seed": 5})


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "bfloat16", "float32"])
def test_images_keep_their_dtype_whatever_mixes(dtype):
    mix = four()
    seen = set()
    for _ in range(12):
        mixed, labels = mix(keras.ops.cast(images(), dtype), IDS)
        assert dtype_name(mixed) == dtype
        assert dtype_name(labels) == "float32"
        values = to_numpy(labels)
        seen.add("none" if (values == np.eye(BATCH)).all() else values.tobytes())
    assert "none" in seen
    assert len(seen) > 2


def test_what_keras_returns_is_rounded_where_images_are_integers():
    x = np.random.default_rng(0).integers(0, 256, (BATCH, 14, 14, 3)).astype("uint8")
    rounded, _ = choice(keras.layers.MixUp(seed=5))(x, IDS)
    exact = keras.layers.MixUp(seed=5)({"images": x, "labels": np.eye(BATCH, dtype="float32")})
    difference = to_numpy(rounded).astype("float64") - to_numpy(exact["images"])
    assert 0.3 < np.abs(difference).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("dtype", "returned", "expected"),
    [
        ("uint8", [2.4, 2.6, -20.0, 300.0], [2, 3, 0, 255]),
        ("int8", [-2.4, -2.6, -200.0, 127.6], [-2, -3, -128, 127]),
        ("int32", [-0.6, 16777217.0, -1e20, 1e20], [-1, 16777216, -(2**31), 2**31 - 128]),
        ("bool", [0.0, 0.4, 0.6, 1.0], [False, False, True, True]),
        ("float16", [0.5, -1.5, 2.25, 0.0], [0.5, -1.5, 2.25, 0.0]),
    ],
)
def test_what_a_layer_returns_is_rounded_and_clipped_to_the_dtype_of_the_images(
    dtype, returned, expected
):
    def foreign(data):
        x = np.array(returned, "float32").reshape(1, 2, 2, 1)
        return {**data, "images": keras.ops.convert_to_tensor(x)}

    mixed, _ = choice(foreign)(np.zeros((1, 2, 2, 1), dtype), IDS[:1])
    assert dtype_name(mixed) == dtype
    assert to_numpy(mixed).ravel().tolist() == expected


def test_choices_follow_the_weights():
    mix = choice(None, kpm.PatchMixing(), None, None, weights=[3, 1, 0, 4])
    count = 4000
    drawn = [int(mix.sample_plan(images(), seed=(7, i)).index) for i in range(count)]
    shares = np.bincount(drawn, minlength=4) / count
    expected = np.array([3, 1, 0, 4]) / 8
    tolerance = 4 * np.sqrt(expected * (1 - expected) / count)  # four standard errors
    assert (np.abs(shares - expected) <= tolerance).all(), shares


def test_without_weights_all_are_alike():
    mix = choice(None, None, None, None)
    drawn = [int(mix.sample_plan(images(), seed=(7, i)).index) for i in range(2000)]
    np.testing.assert_allclose(np.bincount(drawn) / 2000, 0.25, atol=4 * np.sqrt(3 / 16 / 2000))


def test_the_choice_says_nothing_about_the_plan():
    """One seed decides both; with the same numbers for both, the plans of a layer would be few."""
    mix = choice(kpm.PatchMixing(probability=0.5), None, weights=[1, 1])
    shares = []
    for i in range(400):
        plan = mix.sample_plan(images(), seed=(7, i))
        if plan.index == 0:
            shares.append(kpm.PatchMixing(probability=0.5).sample_plan(images(), plan.seed).share)
    unmixed = (np.concatenate(shares) == 0).mean()
    # a coin of one half, and 1/98 of the samples mixed by no patch
    assert abs(unmixed - (0.5 + 0.5 / 98)) < 4 * 0.5 / np.sqrt(BATCH * len(shares))


def test_only_the_layer_drawn_is_called():
    calls = []
    layers = [lambda data, i=i: calls.append(i) or data for i in range(3)]
    mix = choice(*layers, weights=[1, 1, 0])
    for number in range(1, 21):
        mix(images(), IDS)
        assert len(calls) == number
    assert set(calls) == {0, 1}


def test_only_the_layer_drawn_is_computed_in_a_graph(tf):
    counts = [tf.Variable(0) for _ in range(3)]

    def counting(i):
        def mix(data):
            counts[i].assign_add(1)
            return {**data, "images": data["images"] * 0 + tf.cast(i, tf.uint8)}

        return mix

    mix = choice(*map(counting, range(3)), weights=[1, 1, 0])
    drawn = [int(x[0, 0, 0, 0]) for x, _ in dataset(tf, (images(), IDS)).repeat(30).map(mix)]
    assert [int(count) for count in counts] == [drawn.count(i) for i in range(3)]
    assert min(drawn.count(0), drawn.count(1)) > 0


def test_a_plan_means_what_it_means_to_the_layer_drawn():
    layers = [kpm.PatchMixing(grid_size=(3, 5), num_classes=BATCH), kpm.PatchMixing(patch_size=4)]
    mix = choice(*layers, label_smoothing=0.1)
    weights = np.linspace(0.5, 2, BATCH).astype("float32").reshape(BATCH, 1)
    data = {
        "images": images(),
        "labels": IDS,
        "segmentation_masks": images("int32")[..., 0],
        "sample_weight": weights,
        "name": np.array(["a"] * BATCH),
    }
    for index, inner in enumerate(layers):
        plan = ChoicePlan(np.int32(index), np.array([3, 4], "int32"))
        mixed = mix.apply_plan(plan, data)
        assert list(mixed) == list(data)
        rows = {**data, "labels": np.eye(BATCH)}
        expected = inner.apply_plan(inner.sample_plan(images(), seed=(3, 4)), rows)
        for key, value in expected.items():
            if key == "name":
                assert mixed[key] is value
            elif value.dtype == "float32":
                np.testing.assert_allclose(mixed[key], value, rtol=1e-6)
            else:
                np.testing.assert_array_equal(mixed[key], value)


def test_plans_are_functions_of_the_seed_and_follow_the_kind_of_the_data():
    mix = choice(kpm.PatchMixing(), kpm.PatchMixing(grid_size=4), None)
    for kind in ("numpy", BACKEND):
        x, y = as_kind(images(), kind), as_kind(IDS, kind)
        results = [mix.apply_plan(mix.sample_plan(x, seed=(1, i)), x, y) for i in (5, 5, 6)]
        assert all(type(part) is type(x) for result in results for part in result)
        first, again, other = (to_numpy(labels) for _, labels in results)
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_consecutive_batches_differ_and_the_seed_decides_them():
    def run(seed):
        mix = choice(kpm.PatchMixing(), kpm.PatchMixing(patch_size=4), seed=seed)
        return np.stack([to_numpy(mix(images(), IDS)[1]) for _ in range(4)])

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert all((a != b).any() for a, b in itertools.combinations(first, 2))
    assert (first != other).any()


def test_without_a_seed_keras_global_seed_decides():
    def run():
        keras.utils.set_random_seed(3)
        return to_numpy(choice(kpm.PatchMixing(), seed=None)(images(), IDS)[1])

    np.testing.assert_array_equal(run(), run())


def dataset(tf, structure, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices(structure).batch(batch)


def test_a_sequential_map_repeats_with_seeds_in_foreign_layers_too(tf):
    def run():
        data = dataset(tf, (images(), IDS)).repeat(8).map(four())
        return [(x.numpy(), y.numpy()) for x, y in data]

    first, again = run(), run()
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert len({x.tobytes() for x, _ in first}) > 3


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_data_sets_of_every_form_keep_it(tf, form):
    parts = (images(), IDS)
    names = np.array([f"image {i}" for i in IDS])
    given = parts if form == "tuple" else {"name": names, "labels": IDS, "images": images()}
    data = dataset(tf, given).repeat(6).map(four())
    for mixed in data:
        if form == "dict":
            assert list(mixed) == list(data.element_spec)
            assert mixed["name"].numpy().tolist() == [name.encode() for name in names]
            mixed = (mixed["images"], mixed["labels"])
        assert mixed[0].dtype == "uint8"
        assert mixed[1].dtype == "float32"
        np.testing.assert_allclose(mean_pixel(mixed[0])[:, 0], mixed[1].numpy() @ IDS, atol=0.7)


def test_a_ragged_last_batch_of_images_of_known_size(tf):
    data = dataset(tf, (images(), IDS), 3).repeat(6).map(four())
    assert data.element_spec[0] == tf.TensorSpec((None, 28, 28, 3), tf.uint8)
    assert [len(mixed) for mixed, _ in data] == [3, 3, 2] * 6


def test_unknown_sizes_a_ragged_last_batch_and_a_batch_of_one(tf):
    def generate():
        for size, count in (((28, 28), 8), ((33, 47), 5), ((14, 30), 1)):
            yield images(size=size)[:count], IDS[:count]

    signature = (tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    batches = tf.data.Dataset.from_generator(generate, output_signature=signature).repeat(6)
    # CutMix of Keras 3.15 does not run where height or width are unknown.
    mixed = batches.map(choice(kpm.PatchMixing(), keras.layers.MixUp(seed=3), None))
    assert mixed.element_spec[0] == signature[0]
    assert mixed.element_spec[1] == tf.TensorSpec((None, BATCH), tf.float32)
    for (x, _), (mixed_x, rows) in zip(batches, mixed, strict=True):
        assert mixed_x.shape == x.shape
        assert rows.shape == (len(x), BATCH)
        np.testing.assert_allclose(tf.reduce_sum(rows, 1), 1, atol=1e-5)
        if len(x) == 1:
            np.testing.assert_array_equal(mixed_x, x)


@pytest.mark.parametrize("first_step", [None, 3])
def test_seeded_maps_are_equal_however_many_run_in_parallel(tf, first_step):
    def run(parallel):
        mix = choice(kpm.PatchMixing(), kpm.PatchMixing(grid_size=4), None)
        data = kpm.layers.map_seeded(
            dataset(tf, (images(), IDS)).repeat(20),
            mix,
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


def test_a_parallel_map_never_uses_a_plan_twice(tf):
    data = dataset(tf, (images(), IDS)).repeat(200)
    data = data.map(choice(kpm.PatchMixing()), num_parallel_calls=8, deterministic=False)
    assert len({labels.numpy().tobytes() for _, labels in data}) == 200


@on_tensorflow
@pytest.mark.parametrize("xla", [False, True])
def test_tf_function(tf, xla):
    mix = choice(kpm.PatchMixing(), kpm.PatchMixing(grid_size=(5, 6)), None)
    compiled = tf.function(lambda x, y: mix(x, y), jit_compile=xla)
    results = [compiled(tf.constant(images()), tf.constant(IDS)) for _ in range(8)]
    for mixed, labels in results:
        np.testing.assert_allclose(mean_pixel(mixed)[:, 0], labels.numpy() @ IDS, atol=1e-4)
    assert len({labels.numpy().tobytes() for _, labels in results}) > 3


@pytest.mark.skipif(BACKEND != "jax", reason="is about jax.jit")
class TestJaxJit:
    def test_a_seed_given_chooses_as_it_does_without_jit(self):
        import jax

        mix = choice(kpm.PatchMixing(), kpm.PatchMixing(grid_size=4), None)
        x, y = as_kind(images(), BACKEND), as_kind(IDS, BACKEND)

        def draw_and_mix(seed):
            return mix.apply_plan(mix.sample_plan(x, seed=seed), x, y)

        for i in range(8):
            seed = np.array([1, i], "uint32")
            mixed, labels = jax.jit(draw_and_mix)(seed)
            eager, eager_labels = draw_and_mix(seed)
            np.testing.assert_array_equal(mixed, eager)
            np.testing.assert_allclose(labels, eager_labels, rtol=1e-6)

    def test_the_layers_own_seeds_travel_with_its_state(self):
        import jax

        mix = choice(kpm.PatchMixing())
        step = jax.jit(lambda state, x, y: mix.stateless_call([], state, x, labels=y))
        state = [variable.value for variable in mix.non_trainable_variables]
        first, state = step(state, images(), IDS)
        second, state = step(state, images(), IDS)
        assert_exact(*first)
        assert (to_numpy(first[1]) != to_numpy(second[1])).any()

    def test_a_layer_with_seeds_of_its_own_raises(self):
        import jax

        mix = four()
        state = [variable.value for variable in mix.non_trainable_variables]
        with pytest.raises(ValueError, match=r"jax\.jit.*CutMix.*MixUp"):
            jax.jit(lambda state, x, y: mix.stateless_call([], state, x, labels=y))(
                state, images(), IDS
            )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_policies_of_half_precision_leave_labels_and_pixels_alone(policy):
    keras.config.set_dtype_policy(policy)
    try:
        mix = choice(keras.layers.MixUp(alpha=1.0, dtype="float32"), kpm.PatchMixing())
        for _ in range(6):
            mixed, labels = mix(coloured(), IDS)
            assert dtype_name(mixed) == dtype_name(labels) == "float32"
            np.testing.assert_allclose(mean_pixel(mixed), to_numpy(labels), atol=1e-5)
    finally:
        keras.config.set_dtype_policy("float32")


def test_channels_first():
    mix = choice(kpm.PatchMixing(data_format="channels_first"), data_format="channels_first")
    mixed, labels = mix(np.moveaxis(images(), -1, 1), IDS)
    assert_exact(mixed, labels)


def test_training_false_calls_no_layer_and_encodes_labels():
    def forbidden(data):
        raise AssertionError(data)

    mix = choice(forbidden, label_smoothing=0.3)
    mixed, labels = mix(images(), IDS, training=False)
    np.testing.assert_array_equal(to_numpy(mixed), images())
    np.testing.assert_array_equal(to_numpy(labels), np.eye(BATCH))
    np.testing.assert_array_equal(to_numpy(mix(images(), training=False)), images())


def test_layers_that_are_idle_by_default_are_told_to_train():
    class Idle(keras.layers.Layer):
        def call(self, data, training=False):
            return {**data, "images": data["images"] + (1 if training else 0)}

    mix = choice(Idle())
    x, y = as_kind(images("float32"), BACKEND), as_kind(IDS, BACKEND)
    # `call` is what tensors of tf.data meet on other backends, outside Keras' own `__call__`
    for mixed, _ in (mix(x, y), mix.call(x, y)):
        np.testing.assert_array_equal(to_numpy(mixed), images("float32") + 1)


def test_mixing_on_the_device_takes_the_choice():
    model = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(BATCH))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    kpm.training.mix_on_device(model, choice(kpm.PatchMixing(), None))
    history = model.fit(images("float32") / 8, IDS, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    kpm.training.mix_on_device(model, four())
    with pytest.raises(ValueError, match="follow a seed or a plan"):
        model.fit(images("float32"), IDS, verbose=0)


ARGUMENTS = {
    "weights": [2.0, 1.0, 0.5],
    "num_classes": 9,
    "label_smoothing": 0.2,
    "seed": 5,
    "data_format": "channels_first",
    "name": "choice",
}


def nested():
    return [
        kpm.PatchMixing(grid_size=(3, 5), alpha=0.4, data_format="channels_first"),
        keras.layers.CutMix(factor=(0.2, 0.4), seed=3, data_format="channels_first"),
        None,
    ]


def test_config_round_trip():
    mix = kpm.layers.RandomChoice(nested(), **ARGUMENTS)
    config = mix.get_config()
    for name, value in ARGUMENTS.items():
        assert config[name] == value
    again = keras.layers.deserialize(keras.layers.serialize(mix))
    assert again.get_config() == config
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in nested()]
    assert again.layers[0].grid_size == (3, 5)
    assert choice(None).get_config()["weights"] is None


def test_a_functional_model_saves_and_loads_in_a_new_process(tmp_path):
    x = keras.Input((28, 28, 3), dtype="uint8")
    y = keras.Input((), dtype="int32")
    mix = choice(kpm.PatchMixing(), keras.layers.CutMix(), None, weights=[1, 0, 0])
    model = keras.Model([x, y], mix(x, y))
    assert model.output_shape == [(None, 28, 28, 3), (None, BATCH)]
    assert [output.dtype for output in model.outputs] == ["uint8", "float32"]
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_exact(*loaded([images(), IDS.astype("int32")], training=True))
    program = f"""
import keras, keras_patchmix
model = keras.models.load_model({path!r})
print([type(layer).__name__ for layer in model.layers[-1].layers])
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == "['PatchMixing', 'CutMix', 'NoneType']"


def test_compute_output_shape():
    mix = four()
    assert mix.compute_output_shape((None, 28, 28, 3), (None,)) == ((None, 28, 28, 3), (None, 8))
    assert mix.compute_output_shape({"images": (4, 2, 2, 3), "labels": (4, 1)}) == {
        "images": (4, 2, 2, 3),
        "labels": (4, 8),
    }


def with_masks():
    return {"images": images(), "labels": IDS, "segmentation_masks": images("int32")[..., 0]}


ERRORS = {
    "no layers": (lambda: choice(), ValueError, "`layers` must be a list of at least one"),
    "one layer": (
        lambda: kpm.layers.RandomChoice(kpm.PatchMixing()),
        ValueError,
        "`layers` must be a list",
    ),
    "a name": (lambda: choice("CutMix"), TypeError, "`layers` must be a layer.*'CutMix'"),
    "a class": (lambda: choice(keras.layers.CutMix), TypeError, "`layers`.*made and callable"),
    "nested": (lambda: choice(choice(None)), ValueError, "`layers` must hold no RandomChoice"),
    "fewer weights": (
        lambda: choice(None, None, weights=[1]),
        ValueError,
        r"`weights` must be.*\[1\] for 2 layers",
    ),
    "negative weights": (
        lambda: choice(None, None, weights=[2, -1]),
        ValueError,
        "`weights` must be non-negative",
    ),
    "zero weights": (lambda: choice(None, weights=[0]), ValueError, "`weights`.*not all zero"),
    "nan weights": (lambda: choice(None, weights=[np.nan]), ValueError, "`weights` must be"),
    "infinite weights": (lambda: choice(None, weights=[np.inf]), ValueError, "`weights` must be"),
    "weights of text": (lambda: choice(None, weights="1"), ValueError, "`weights` must be"),
    "smoothing within": (
        lambda: choice(kpm.PatchMixing(label_smoothing=0.3)),
        ValueError,
        r"`label_smoothing` belongs to RandomChoice.*label_smoothing=0\.0 and.*=0\.3",
    ),
    "other classes within": (
        lambda: choice(kpm.PatchMixing(num_classes=9)),
        ValueError,
        "`num_classes` belongs to.*num_classes=8 and, in PatchMixing.*num_classes=9",
    ),
    "other data format": (
        lambda: choice(keras.layers.MixUp(data_format="channels_first")),
        ValueError,
        "`data_format` belongs to.*MixUp",
    ),
    "num_classes": (lambda: choice(None, num_classes=1), ValueError, "`num_classes` must"),
    "label_smoothing": (
        lambda: choice(None, label_smoothing=2),
        ValueError,
        "`label_smoothing` must",
    ),
    "seed": (lambda: choice(None, seed=0.5), ValueError, "`seed` must"),
    "data_format": (lambda: choice(None, data_format="NHWC"), ValueError, "`data_format` must"),
    "images alone": (lambda: four()(images()), ValueError, "needs `labels`.*training=False"),
    "ids without num_classes": (
        lambda: four(num_classes=None)(images(), IDS),
        ValueError,
        "give `num_classes`",
    ),
    "unbatched": (lambda: four()(images()[0], IDS), ValueError, "rank 4.*put `.batch"),
    "weights of samples": (
        lambda: four()(images(), IDS, np.ones(BATCH)),
        ValueError,
        "only PatchMixing and None can take 'sample_weight'.*CutMix.*MixUp",
    ),
    "masks": (
        lambda: four()(with_masks()),
        ValueError,
        "only PatchMixing and None can take 'segmentation_masks'.*CutMix.*MixUp",
    ),
    "a seed for foreign layers": (
        lambda: four().sample_plan(images(), seed=(1, 2)),
        ValueError,
        "only PatchMixing and None can follow a seed or a plan.*CutMix.*MixUp",
    ),
    "a plan for foreign layers": (
        lambda: four().apply_plan(ChoicePlan(np.int32(0), np.zeros(2, "int32")), images(), IDS),
        ValueError,
        "only PatchMixing and None can follow a seed or a plan.*CutMix.*MixUp",
    ),
    "no dict returned": (
        lambda: choice(lambda data: data["images"])(images(), IDS),
        ValueError,
        "must return a dict with 'images' and 'labels'",
    ),
    "another shape returned": (
        lambda: choice(keras.layers.CenterCrop(14, 14))(images(), IDS),
        ValueError,
        r"must keep the shape of 'images', \(8, 28, 28, 3\).*\(8, 14, 14, 3\) from CenterCrop",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_name_the_argument_and_what_arrived(call, kind, message):
    with pytest.raises(kind, match=f"(?s){message}") as error:
        call()
    assert "Received: " in str(error.value)


def test_a_seeded_map_of_foreign_layers_raises(tf):
    with pytest.raises(ValueError, match=r"follow a seed or a plan.*CutMix"):
        kpm.layers.map_seeded(dataset(tf, (images(), IDS)), four(), seed=1)


def test_smoothing_of_a_layer_within_may_be_the_default_none_or_the_same():
    for amount in (0.1, 0.0, 0.3):
        mix = choice(kpm.PatchMixing(label_smoothing=amount), label_smoothing=0.3)
        labels = to_numpy(mix(images(), IDS)[1])
        np.testing.assert_allclose(labels.min(1), 0.3 / BATCH, rtol=1e-5)
