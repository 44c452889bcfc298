"""CutMix and MixUp as layers: structures, labels, dtypes, randomness, compilers, saving.

What they share with Patch Mixing is tested there in full; here each is seen to have it. Image i is
1 in channel i and 0 elsewhere, so that the mean pixel of a mixed image must be its label.
"""

import copy
import itertools
import pickle

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND, KINDS, as_kind, dtype_name, to_numpy
from tests.layers.cases import (
    BATCH,
    IDS,
    LABELS,
    METHODS,
    assert_fits,
    colored,
    images,
    layer,
    mean_pixel,
)

CLASSES = {"boxes": kpm.layers.CutMix, "blends": kpm.layers.MixUp}
each_method = pytest.mark.parametrize("method", CLASSES)
CONFIG = {
    "alpha": 0.7,
    "ratio": (0.2, 0.6),
    "probability": 0.5,
    "mode": "batch",
    "num_classes": BATCH,
    "label_smoothing": 0.25,
    "seed": 5,
    "data_format": "channels_first",
    "name": "mix",
}


@each_method
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_form_become_rows_that_fit_the_pixels(method, labels):
    mixed, rows = layer(method)(colored(), labels)
    assert dtype_name(rows) == "float32"
    assert_fits(mixed, rows)


@each_method
def test_multi_hot_rows_are_blended(method):
    rows = np.eye(BATCH, dtype="float32") + np.eye(BATCH, k=1, dtype="float32")
    mix = layer(method)
    plan = mix.sample_plan(colored(), seed=(1, 2))
    _, eye = mix.apply_plan(plan, colored(), IDS)
    _, mixed = mix.apply_plan(plan, colored(), rows)
    np.testing.assert_allclose(mixed, eye @ rows, atol=1e-6)


@each_method
@pytest.mark.parametrize("form", ["arguments", "tuple", "dict"])
@pytest.mark.parametrize("shape", [(BATCH,), (BATCH, 1)])
def test_every_structure_comes_back_and_weights_follow_the_pixels(method, form, shape):
    weights = np.linspace(0.5, 2, BATCH).astype("float32")
    parts = {"images": colored(), "labels": IDS, "sample_weight": weights.reshape(shape)}
    others = {"name": np.array(["a"] * BATCH), 7: object()}
    if form == "dict":
        result = layer(method)({**others, **parts})
        assert list(result) == [*others, *parts]
        assert all(result[key] is value for key, value in others.items())
        mixed, rows, mixed_weights = (to_numpy(result[key]) for key in parts)
    else:
        given = tuple(parts.values())
        result = layer(method)(*given) if form == "arguments" else layer(method)(given)
        mixed, rows, mixed_weights = map(to_numpy, result)
    shares = mean_pixel(mixed)
    assert mixed_weights.shape == shape
    assert (shares.max(1) < 1).any()
    np.testing.assert_allclose(mixed_weights.reshape(-1), shares @ weights, rtol=1e-5)
    expected = shares * weights / (shares @ weights)[:, None]
    np.testing.assert_allclose(rows, expected, atol=1e-6)


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_masks_are_cut_as_the_images_are(rank, data_format):
    x, masks = images(), images("int32")[..., :1]
    if data_format == "channels_first":
        x, masks = np.moveaxis(x, -1, 1), np.moveaxis(masks, -1, 1)
    if rank == 3:
        masks = masks.reshape(BATCH, 28, 28)
    mixed = layer("boxes", data_format=data_format)({"images": x, "segmentation_masks": masks})
    found = to_numpy(mixed["segmentation_masks"])
    assert found.dtype == "int32"
    assert found.shape == masks.shape
    axis = -1 if data_format == "channels_last" else 1
    pixels = np.take(to_numpy(mixed["images"]), 0, axis)
    np.testing.assert_array_equal(found.reshape(BATCH, 28, 28), pixels)
    assert (pixels != IDS[:, None, None]).any()


@pytest.mark.parametrize("way", ["call", "sample", "apply", "choice"])
def test_a_blend_of_masks_is_refused(way):
    mix = layer("blends")
    data = {"images": images(), "labels": IDS, "segmentation_masks": images("int32")[..., 0]}
    plan = mix.sample_plan(images())
    choice = kpm.layers.RandomChoice([None, mix], [1, 0], BATCH, label_smoothing=0)
    calls = {
        "call": lambda: mix(data),
        "sample": lambda: mix.sample_plan(data),
        "apply": lambda: mix.apply_plan(plan, data),
        "choice": lambda: choice(data),
    }
    with pytest.raises(ValueError, match=r"(?s)MixUp cannot mix 'segmentation_masks'.*Received: "):
        calls[way]()
    passed = mix(data, training=False)
    np.testing.assert_array_equal(
        to_numpy(passed["segmentation_masks"]), data["segmentation_masks"]
    )


@each_method
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_dtypes_are_kept_under_every_policy(method, policy):
    keras.config.set_dtype_policy(policy)
    try:
        mix = layer(method, ratio=0.25)
        for dtype in ("uint8", "int32", "float16", "bfloat16", "float32"):
            x = keras.ops.cast(100 * colored(), dtype)
            mixed, labels, weights = mix(x, IDS, np.ones(BATCH, "float32"))
            assert dtype_name(mixed) == dtype
            assert dtype_name(labels) == dtype_name(weights) == "float32"
            pixels = to_numpy(keras.ops.cast(mixed, "float32")).astype("float64").mean((1, 2))
            np.testing.assert_allclose(pixels / 100, to_numpy(labels), atol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


@each_method
def test_channels_first_is_channels_last_transposed(method):
    x = np.random.default_rng(0).integers(0, 256, (BATCH, 33, 47, 3)).astype("uint8")
    last, first = layer(method), layer(method, data_format="channels_first")
    plan = last.sample_plan(x, seed=(1, 2))
    for one, other in zip(plan, first.sample_plan(np.moveaxis(x, -1, 1), seed=(1, 2)), strict=True):
        np.testing.assert_array_equal(one, other)
    mixed, labels = last.apply_plan(plan, x, IDS)
    mixed_first, labels_first = first.apply_plan(plan, np.moveaxis(x, -1, 1), IDS)
    np.testing.assert_array_equal(np.moveaxis(mixed_first, 1, -1), mixed)
    np.testing.assert_array_equal(labels_first, labels)


@each_method
def test_no_sample_is_its_own_partner(method):
    plans = (layer(method, ratio=0.5).sample_plan(images(), seed=(1, i)) for i in range(100))
    for plan in plans:
        assert (to_numpy(plan.partner) != IDS).all()
        assert sorted(to_numpy(plan.partner)) == list(IDS)


@each_method
def test_smoothing_comes_once_after_the_blend_and_training_false_does_neither(method):
    mix = layer(method, label_smoothing=0.4)
    plan = mix.sample_plan(colored(), seed=(1, 2))
    _, smoothed = mix.apply_plan(plan, colored(), IDS)
    _, plain = layer(method).apply_plan(plan, colored(), IDS)
    np.testing.assert_allclose(smoothed, 0.6 * plain + 0.4 / BATCH, atol=1e-6)
    mixed, labels = mix(colored(), IDS, training=False)
    np.testing.assert_array_equal(to_numpy(mixed), colored())
    np.testing.assert_array_equal(to_numpy(labels), np.eye(BATCH))
    mixed, labels = layer(method, probability=0.0, label_smoothing=0.4)(colored(), IDS)
    np.testing.assert_array_equal(to_numpy(mixed), colored())
    np.testing.assert_allclose(to_numpy(labels), 0.6 * np.eye(BATCH) + 0.4 / BATCH, atol=1e-6)


@each_method
def test_a_batch_of_one_is_only_smoothed(method):
    mixed, labels = layer(method, label_smoothing=0.4)(colored()[3:4], IDS[3:4])
    np.testing.assert_array_equal(to_numpy(mixed), colored()[3:4])
    expected = [np.where(IDS == 3, 0.6, 0) + 0.4 / BATCH]
    np.testing.assert_allclose(to_numpy(labels), expected, atol=1e-6)


@each_method
@pytest.mark.parametrize("array", KINDS)
def test_batches_differ_copies_have_plans_of_their_own_and_the_seed_decides(method, array):
    x = as_kind(images(), array)

    def shares(mix, count=3):
        return [to_numpy(mix.sample_plan(x).share).tobytes() for _ in range(count)]

    mix = layer(method)
    first = shares(mix)
    assert first == shares(layer(method)) == shares(type(mix).from_config(mix.get_config()))
    others = [copy.copy(mix), copy.deepcopy(mix), pickle.loads(pickle.dumps(mix))]
    others = [share for other in (*others, layer(method, seed=2)) for share in shares(other)]
    assert len({*first, *others}) == 15


@each_method
def test_the_config_holds_every_argument(method):
    mix = CLASSES[method](**CONFIG)
    config = mix.get_config()
    assert {name: config[name] for name in CONFIG} == CONFIG
    again = keras.layers.deserialize(keras.layers.serialize(mix))
    assert again.get_config() == config


def test_the_defaults_are_those_of_the_papers_layers():
    assert kpm.layers.CutMix().settings.alpha == 1.0
    assert kpm.layers.MixUp().settings.alpha == 0.2
    for make in CLASSES.values():
        assert (make().settings.probability, make().label_smoothing) == (1.0, 0.1)


@each_method
def test_a_functional_model_saves_and_loads(method, tmp_path):
    x = keras.Input((28, 28, BATCH))
    y = keras.Input((), dtype="int32")
    model = keras.Model([x, y], layer(method)(x, y))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is CLASSES[method]
    assert_fits(*loaded([colored(), IDS.astype("int32")], training=True))


@each_method
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"alpha": 0}, "alpha"),
        ({"ratio": 1.5}, "ratio"),
        ({"probability": 2}, "probability"),
        ({"mode": "pixel"}, "mode"),
        ({"num_classes": 1}, "num_classes"),
        ({"label_smoothing": 2}, "label_smoothing"),
        ({"seed": 0.5}, "seed"),
        ({"data_format": "NHWC"}, "data_format"),
    ],
)
def test_arguments_out_of_range_are_named(method, arguments, name):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}="):
        layer(method, **arguments)


@each_method
def test_plans_of_other_methods_and_of_other_batches_are_refused(method):
    mix = layer(method)
    others = [one for one in METHODS if one != method]
    plans = [layer(other).sample_plan(images(), seed=(1, 2)) for other in others]
    for plan in [*plans, mix.sample_plan(images()[:4], seed=(1, 2))]:
        with pytest.raises(ValueError, match=r"`plan` must be one that this layer's .*Received: "):
            mix.apply_plan(plan, images(), IDS)


@each_method
def test_it_mixes_on_the_device(method):
    seen = []

    class Spy(keras.Model):
        def train_step(self, *arguments):
            seen.extend(arguments[-1])
            return super().train_step(*arguments)

    inputs = keras.Input((16, 16, BATCH))
    model = Spy(inputs, keras.layers.Dense(BATCH)(keras.layers.GlobalAveragePooling2D()(inputs)))
    model.compile("sgd", "mean_squared_error", run_eagerly=True)
    kpm.training.mix_on_device(model, layer(method))
    model.train_on_batch(colored((16, 16)), IDS)
    assert_fits(*seen)


@each_method
def test_a_model_trains_with_compiled_mixing_on_the_device(method):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((16, 16, BATCH)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(BATCH))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=BACKEND == "jax")
    kpm.training.mix_on_device(model, layer(method, ratio=(0.0, 0.2)), seed=1)
    x, y = np.tile(colored((16, 16)), (10, 1, 1, 1)), np.tile(IDS, 10)
    losses = []
    noting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
    )
    settings = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=6, callbacks=[noting], **settings)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.skipif(BACKEND != "jax", reason="is about jax.jit")
@each_method
@pytest.mark.parametrize("mode", ["sample", "batch"])
def test_under_jax_jit_a_seed_makes_the_batch_that_it_makes_without(method, mode):
    import jax

    mix = layer(method, mode=mode)

    def draw_and_mix(seed, x, y):
        return mix.apply_plan(mix.sample_plan(x, seed=seed), x, y)

    x, y = as_kind(colored(), BACKEND), as_kind(IDS.astype("int32"), BACKEND)
    for seed in ((1, 2), (1, 3)):
        words = np.array(seed, "uint32")
        mixed, labels = jax.jit(draw_and_mix)(words, x, y)
        assert_fits(mixed, labels)
        np.testing.assert_allclose(labels, draw_and_mix(words, x, y)[1], rtol=1e-6)
    step = jax.jit(lambda state, x, y: mix.stateless_call([], state, x, labels=y))
    first, state = step([variable.value for variable in mix.non_trainable_variables], x, y)
    second, state = step(state, x, y)
    assert_fits(*first)
    assert (to_numpy(first[1]) != to_numpy(second[1])).any()


@pytest.mark.skipif(BACKEND != "torch", reason="is about torch.compile")
@each_method
def test_under_torch_compile_it_is_exact_and_draws_anew(method):
    import torch

    mix = layer(method)
    x, y = as_kind(colored(), BACKEND), as_kind(IDS, BACKEND)
    compiled = torch.compile(lambda x, y: mix(x, y), backend="aot_eager")
    first, second = compiled(x, y), compiled(x, y)
    assert_fits(*first)
    assert_fits(*second)
    assert (to_numpy(first[1]) != to_numpy(second[1])).any()
    elsewhere = torch.zeros((4, 33, 47, 3), device="meta")
    plan = mix.sample_plan(np.zeros((4, 33, 47, 3)), seed=(1, 2))
    moved = mix._move(elsewhere, plan)
    assert (moved.device.type, moved.shape) == ("meta", (4, 33, 47, 3))


class TestGraphsOfTensorFlow:
    """In `tf.data`, under every Keras backend, and in `tf.function`."""

    @pytest.fixture
    def tf(self):
        return pytest.importorskip("tensorflow")

    @each_method
    def test_unknown_sizes_a_ragged_last_batch_and_a_batch_of_one(self, tf, method):
        def generate():
            for size, count in (((28, 28), 8), ((33, 47), 5), ((14, 30), 1)):
                yield colored(size)[:count], IDS[:count]

        signature = (tf.TensorSpec([None] * 4, tf.float32), tf.TensorSpec([None], tf.int64))
        batches = tf.data.Dataset.from_generator(generate, output_signature=signature)
        *several, (alone, row) = batches.map(layer(method))
        for mixed, labels in several:
            assert_fits(mixed, labels)
        np.testing.assert_array_equal(alone, colored((14, 30))[:1])
        np.testing.assert_array_equal(row, np.eye(BATCH)[:1])

    @each_method
    def test_seeded_maps_are_equal_however_many_run_in_parallel(self, tf, method):
        data = tf.data.Dataset.from_tensors((colored(), IDS)).repeat(20)

        def run(parallel):
            mixed = kpm.layers.map_seeded(
                data, layer(method), seed=7, first_step=3, num_parallel_calls=parallel
            )
            return [(x.numpy(), y.numpy()) for x, y in mixed]

        for one, other in zip(run(8), run(1), strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])
            assert_fits(*one)

    @each_method
    def test_a_parallel_map_never_uses_a_plan_twice(self, tf, method):
        data = tf.data.Dataset.from_tensors((images(), IDS)).repeat(200)
        data = data.map(layer(method), num_parallel_calls=8, deterministic=False)
        assert len({labels.numpy().tobytes() for _, labels in data}) == 200

    @each_method
    @pytest.mark.parametrize(("dtype", "xla"), [("uint8", False), ("float32", True)])
    def test_functions_with_and_without_xla(self, tf, method, xla, dtype):
        mix = layer(method, ratio=0.25)
        compiled = tf.function(lambda x, y: mix(x, y), jit_compile=xla)
        x = tf.cast(100 * colored(), dtype)
        results = [compiled(x, tf.constant(IDS)) for _ in range(3)]
        for mixed, labels in results:
            assert mixed.dtype == dtype
            np.testing.assert_allclose(mean_pixel(mixed) / 100, labels, atol=1e-6)
        for one, other in itertools.combinations(results, 2):
            assert (one[1].numpy() != other[1].numpy()).any()

    @each_method
    def test_xla_takes_sizes_that_a_graph_does_not_know(self, tf, method):
        mix = layer(method, ratio=0.25)
        signature = [tf.TensorSpec([None, None, None, BATCH]), tf.TensorSpec([None], tf.int64)]
        run = tf.function(
            lambda x, y: mix(x, y), input_signature=signature, jit_compile=True, autograph=False
        )
        assert_fits(*run(colored((33, 47)), IDS))
