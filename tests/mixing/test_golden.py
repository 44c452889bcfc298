"""The same plan everywhere: every backend, eager and compiled, against one golden file."""

import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix import mixing
from tests.arrays import BACKEND, KINDS, as_kind, to_numpy
from tests.golden import make

GOLDEN = np.load(make.FILE)


def compilers():
    """Dict from a name to a function that compiles a function of tensors."""
    ways = {kind: lambda function: function for kind in KINDS}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        ways["tf.function"] = lambda function: tf.function(function, autograph=False)
        ways["AutoGraph"] = tf.function
        ways["XLA"] = lambda function: tf.function(function, autograph=False, jit_compile=True)
    elif BACKEND == "jax":
        import jax

        ways["jax.jit"] = jax.jit
    elif BACKEND == "torch":
        import torch

        ways["torch.compile"] = lambda function: torch.compile(function, backend="aot_eager")
    return ways


WAYS = compilers()


def points(names, chosen):
    """Each name by each way; with all that compilers treat alike only the chosen one."""
    for way in WAYS:
        for name in names:
            if way != "AutoGraph" or name == chosen:
                yield name, way, "channels_last"
            if way in KINDS or (way != "AutoGraph" and name == chosen):
                yield name, way, "channels_first"


def assert_within_an_ulp(actual, expected):
    actual = to_numpy(actual)
    assert actual.dtype == expected.dtype == "float32"
    distance = np.abs(actual.astype("float64") - expected) / np.spacing(np.abs(expected))
    assert distance.max() <= 1, distance.max()


@pytest.mark.parametrize(("name", "way", "data_format"), list(points(make.CASES, "columns differ")))
def test_every_way_gives_the_golden_batch(name, way, data_format):
    case = make.CASES[name]
    grid = {"patch_size": case["patch"]} if "patch" in case else {"grid_size": case["count"]}
    mix = kpm.PatchMixing(
        **grid, probability=1.0, label_smoothing=make.SMOOTHING, data_format=data_format
    )
    golden = {
        key.removeprefix(f"{name}/"): GOLDEN[key] for key in GOLDEN if key.startswith(f"{name}/")
    }
    plan = mixing.MixingPlan(golden["partner"], golden["mask"], golden["share"])

    def last(x):
        return np.moveaxis(x, -1, 1) if data_format == "channels_first" else x

    kind = "numpy" if way == "numpy" else BACKEND
    images = as_kind(last(golden["images"]), kind)
    apply = WAYS[way](lambda x, y, w: (*mix.apply_plan(plan, x, y), *mix.apply_plan(plan, x, y, w)))
    for form in ("one-hot", "soft", "multi-hot"):
        labels = as_kind(golden[f"{form}/labels"], kind)
        weights = as_kind(golden["weights"], kind)
        mixed, rows, again, weighted_rows, mixed_weights = apply(images, labels, weights)
        for one in (mixed, again):
            np.testing.assert_array_equal(to_numpy(one), last(golden["mixed images"]))
        assert_within_an_ulp(rows, golden[f"{form}/mixed labels"])
        assert_within_an_ulp(weighted_rows, golden[f"{form}/weighted labels"])
        assert_within_an_ulp(mixed_weights, golden["mixed weights"])


@pytest.mark.parametrize(
    ("name", "way", "data_format"),
    [
        *points([name for name in make.OTHERS if name.startswith("boxes")], "boxes, uint8"),
        *points([name for name in make.OTHERS if name.startswith("blends")], "blends, float32"),
    ],
)
def test_every_way_gives_the_golden_boxes_and_blends(name, way, data_format):
    golden = {
        key.removeprefix(f"{name}/"): GOLDEN[key] for key in GOLDEN if key.startswith(f"{name}/")
    }
    if name.startswith("boxes"):
        layer, plan = (
            kpm.layers.CutMix,
            mixing.BoxPlan(*map(golden.get, ("partner", "box", "share"))),
        )
    else:
        layer, plan = kpm.layers.MixUp, mixing.BlendPlan(golden["partner"], golden["share"])
    mix = layer(label_smoothing=make.SMOOTHING, data_format=data_format)

    def last(x):
        return np.moveaxis(x, -1, 1) if data_format == "channels_first" else x

    kind = "numpy" if way == "numpy" else BACKEND
    images, labels, weights = (
        as_kind(x, kind) for x in (last(golden["images"]), golden["labels"], golden["weights"])
    )
    apply = WAYS[way](
        lambda x, y, w: (*mix.apply_plan(plan, x, y), *mix.apply_plan(plan, x, y, w)[1:])
    )
    mixed, rows, weighted_rows, mixed_weights = apply(images, labels, weights)
    mixed, expected = to_numpy(mixed), last(golden["mixed images"])
    assert mixed.dtype == expected.dtype
    if name in ("blends, float32", "blends, float16", "blends, int16"):
        # What is blended is below 1,500, or 2^15: a few units in the last place of that.
        atol = {"float32": 5e-4, "float16": 0.6, "int16": 1}[mixed.dtype.name]
        np.testing.assert_allclose(mixed.astype("float64"), expected.astype("float64"), atol=atol)
        np.testing.assert_array_equal(mixed[0], expected[0])
    else:
        np.testing.assert_array_equal(mixed, expected)
    assert_within_an_ulp(rows, golden["mixed labels"])
    assert_within_an_ulp(weighted_rows, golden["weighted labels"])
    assert_within_an_ulp(mixed_weights, golden["mixed weights"])


def test_the_golden_file_is_what_its_script_makes():
    made = make.make()
    assert set(made) == set(GOLDEN)
    for key, value in made.items():
        np.testing.assert_array_equal(GOLDEN[key], value)
        assert GOLDEN[key].dtype == value.dtype
