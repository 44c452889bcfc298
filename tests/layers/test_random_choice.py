"""Batches mixed in one of several ways: the choice, the common form, seeds."""

import itertools

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.layers.random_choice import ChoicePlan
from tests.arrays import BACKEND, as_kind, dtype_name, to_numpy
from tests.layers.cases import (
    BATCH,
    IDS,
    LABELS,
    assert_exact,
    colored,
    images,
    mean_pixel,
)
from tests.layers.choices import choice, four


def unsmoothed():
    return kpm.PatchMixing(label_smoothing=0.0, probability=1.0)


WAYS = {
    "patches": kpm.PatchMixing,
    "boxes": kpm.layers.CutMix,
    "blends": lambda: kpm.layers.MixUp(alpha=1.0),
    "none": lambda: None,
    "a pipeline": lambda: keras.layers.Pipeline([keras.layers.RandomFlip(), unsmoothed()]),
}


@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS.keys())
def test_every_way_of_mixing_gives_labels_that_fit_the_pixels(make):
    mixed, labels = choice(make())(colored(), IDS)
    assert dtype_name(mixed) == dtype_name(labels) == "float32"
    np.testing.assert_allclose(mean_pixel(mixed), to_numpy(labels), atol=1e-6)
    assert (to_numpy(labels).max(1) < 1).any() == (make() is not None)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_every_form_become_float32_rows(labels):
    mix = choice(kpm.PatchMixing(probability=1.0), None)
    for _ in range(4):
        mixed, rows = mix(images(), labels)
        assert dtype_name(rows) == "float32"
        np.testing.assert_allclose(mean_pixel(mixed)[:, 0], to_numpy(rows) @ IDS, atol=1e-4)


@pytest.mark.parametrize("make", list(WAYS.values())[:4], ids=list(WAYS)[:4])
def test_labels_are_smoothed_once_whatever_mixes(make):
    smoothed, plain = (
        to_numpy(choice(make(), label_smoothing=amount)(colored(), IDS)[1]) for amount in (0.4, 0)
    )
    np.testing.assert_allclose(smoothed, 0.6 * plain + 0.4 / BATCH, atol=1e-6)
    np.testing.assert_allclose(smoothed.sum(1), 1, atol=1e-5)


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


def test_what_a_layer_of_keras_returns_is_rounded_where_images_are_integers():
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
    mix = choice(None, kpm.PatchMixing(probability=1.0), None, None, weights=[3, 1, 0, 4])
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


def test_a_plan_means_what_it_means_to_the_layer_drawn():
    layers = [
        kpm.PatchMixing(grid_size=(3, 5), num_classes=BATCH, probability=1.0),
        kpm.PatchMixing(patch_size=4, probability=1.0),
    ]
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
    mix = choice(
        kpm.PatchMixing(probability=1.0), kpm.PatchMixing(grid_size=4, probability=1.0), None
    )
    for kind in ("numpy", BACKEND):
        x, y = as_kind(images(), kind), as_kind(IDS, kind)
        results = [mix.apply_plan(mix.sample_plan(x, seed=(1, i)), x, y) for i in (5, 5, 6)]
        assert all(type(part) is type(x) for result in results for part in result)
        first, again, other = (to_numpy(labels) for _, labels in results)
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_consecutive_batches_differ_and_the_seed_decides_them():
    def run(seed):
        mix = choice(
            kpm.PatchMixing(probability=1.0),
            kpm.PatchMixing(patch_size=4, probability=1.0),
            seed=seed,
        )
        return np.stack([to_numpy(mix(images(), IDS)[1]) for _ in range(4)])

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert all((a != b).any() for a, b in itertools.combinations(first, 2))
    assert (first != other).any()


def test_without_a_seed_keras_global_seed_decides():
    def run():
        keras.utils.set_random_seed(3)
        return to_numpy(choice(kpm.PatchMixing(probability=1.0), seed=None)(images(), IDS)[1])

    np.testing.assert_array_equal(run(), run())


@pytest.mark.skipif(BACKEND != "jax", reason="is about jax.jit")
class TestJaxJit:
    def test_a_seed_given_chooses_as_it_does_without_jit(self):
        import jax

        mix = choice(
            kpm.PatchMixing(probability=1.0), kpm.PatchMixing(grid_size=4, probability=1.0), None
        )
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

        mix = choice(kpm.PatchMixing(probability=1.0))
        step = jax.jit(lambda state, x, y: mix.stateless_call([], state, x, labels=y))
        state = [variable.value for variable in mix.non_trainable_variables]
        first, state = step(state, images(), IDS)
        second, state = step(state, images(), IDS)
        assert_exact(*first)
        assert (to_numpy(first[1]) != to_numpy(second[1])).any()

    def test_every_method_follows_a_seed(self):
        import jax

        mix = four()
        x, y = as_kind(colored(), BACKEND), as_kind(IDS, BACKEND)
        step = jax.jit(lambda seed: mix.apply_plan(mix.sample_plan(x, seed=seed), x, y))
        found = set()
        for i in range(12):
            mixed, labels = map(to_numpy, step(np.array([1, i], "uint32")))
            np.testing.assert_allclose(mean_pixel(mixed), labels, atol=1e-6)
            found.add(labels.tobytes())
        assert len(found) > 6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_policies_of_half_precision_leave_labels_and_pixels_alone(policy):
    keras.config.set_dtype_policy(policy)
    try:
        mix = four()
        for _ in range(6):
            mixed, labels = mix(colored(), IDS)
            assert dtype_name(mixed) == dtype_name(labels) == "float32"
            np.testing.assert_allclose(mean_pixel(mixed), to_numpy(labels), atol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


def test_channels_first():
    mix = choice(
        kpm.PatchMixing(data_format="channels_first", probability=1.0), data_format="channels_first"
    )
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
    kpm.training.mix_on_device(model, choice(kpm.PatchMixing(probability=1.0), None))
    history = model.fit(images("float32") / 8, IDS, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    kpm.training.mix_on_device(model, four())
    history = model.fit(images("float32") / 8, IDS, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_smoothing_of_a_layer_within_may_be_the_default_none_or_the_same():
    for amount in (0.1, 0.0, 0.3):
        mix = choice(kpm.PatchMixing(label_smoothing=amount, probability=1.0), label_smoothing=0.3)
        labels = to_numpy(mix(images(), IDS)[1])
        np.testing.assert_allclose(labels.min(1), 0.3 / BATCH, rtol=1e-5)


def test_any_other_callable_gets_all_parts_and_gives_them_back():
    seen = []

    def shift(data):
        seen.append(sorted(data))
        return {key: keras.ops.roll(value, 1, axis=0) for key, value in data.items()}

    weights = np.linspace(0.5, 2, BATCH).astype("float32")
    data = {
        "images": images(),
        "labels": IDS,
        "segmentation_masks": images("int32")[..., 0],
        "sample_weight": weights,
    }
    mix = choice(shift)
    given = {key: as_kind(value, BACKEND) for key, value in data.items()}
    # By a plan too: it says which layer it is, not what that one draws.
    for mixed in (mix(data), mix.apply_plan(mix.sample_plan(given, seed=(1, 2)), given)):
        for key, value in {**data, "labels": np.eye(BATCH)}.items():
            np.testing.assert_array_equal(to_numpy(mixed[key]), np.roll(value, 1, axis=0))
    assert seen == [sorted(data)] * 2


def test_weights_and_masks_follow_every_method_but_blends_of_masks():
    weights = np.linspace(0.5, 2, BATCH).astype("float32")
    mix = four()
    for _ in range(8):
        mixed, _, mixed_weights = map(to_numpy, mix(colored(), IDS, weights))
        np.testing.assert_allclose(mixed_weights, mean_pixel(mixed) @ weights, rtol=1e-5)
    mix = choice(kpm.PatchMixing(probability=1.0), kpm.layers.CutMix())
    masks = images("int32")[..., 0]
    for _ in range(4):
        mixed = mix({"images": images(), "labels": IDS, "segmentation_masks": masks})
        found = to_numpy(mixed["segmentation_masks"])
        np.testing.assert_array_equal(found, to_numpy(mixed["images"])[..., 0])
        assert (found != masks).any()
