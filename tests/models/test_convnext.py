"""ConvNeXt: sizes of the paper, what goes in and comes out, saving, errors."""

import keras
import numpy as np
import pytest

from keras_patchmix import models
from keras_patchmix.models.blocks import DropPath, LayerScale
from tests.arrays import dtype_name, to_numpy

# Millions of parameters: ConvNeXt's table 9 with a 1000-class head; atto as timm reports it.
PARAMETERS = {
    "convnext_atto": 3.7,
    "convnext_tiny": 28.6,
    "convnext_small": 50.2,
    "convnext_base": 88.6,
    "convnext_large": 197.8,
}


def mini(**arguments):
    return models.create("convnext_mini", 10, (32, 32, 3), seed=1, **arguments)


def logits_of(model, images):
    return to_numpy(model(images, training=False))


@pytest.mark.parametrize("name", ["convnext_atto", "convnext_tiny", "convnext_base"])
def test_parameter_counts_are_the_papers(name):
    model = models.create(name, 1000, (224, 224, 3))
    trainable = sum(np.prod(weight.shape) for weight in model.trainable_variables)
    assert trainable / 1e6 == pytest.approx(PARAMETERS[name], abs=0.05)


def test_weights_copied_from_keras_applications_give_the_same_logits():
    reference = keras.applications.ConvNeXtTiny(
        weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None
    )
    model = models.create("convnext_tiny", 7, (64, 64, 3))
    rng = np.random.default_rng(0)
    for weight in reference.weights:
        if "normalization/mean" not in weight.path and "prepro" not in weight.path:
            noise = rng.normal(0, 0.05, weight.shape)
            weight.assign(weight + noise.astype("float32"))
    sources = {
        shape: [to_numpy(w.value) for w in reference.trainable_weights if _shape(w) == shape]
        for shape in {_shape(w) for w in reference.trainable_weights}
    }
    for weight in model.trainable_weights:
        weight.assign(sources[_shape(weight)].pop(0).reshape(weight.shape))
    images = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(logits_of(model, images), logits_of(reference, images), atol=1e-4)


def _shape(weight):
    # keras.applications makes depthwise convolutions of grouped ones: (7, 7, 1, channels)
    return tuple(sorted(weight.shape))


def test_images_of_any_number_type_in_and_float32_logits_out():
    model = mini()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("uint8")
    logits = model(pixels)
    assert logits.shape == (3, 10)
    assert dtype_name(logits) == "float32"
    as_float = logits_of(model, pixels.astype("float32"))
    np.testing.assert_allclose(to_numpy(logits), as_float, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_trains_saves_and_loads_under_every_policy(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model = mini(depths=(1, 1), dims=(8, 16), drop_path_rate=0.2)
        images = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
        model.compile(
            "adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
        )
        before = model.get_weights()
        model.fit(images, np.arange(8), verbose=0)
        moved = [(w != b).any() for w, b in zip(model.get_weights(), before, strict=True)]
        assert all(moved), "every weight has a gradient"
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(
            model.predict(images, verbose=0), loaded.predict(images, verbose=0)
        )
    finally:
        keras.config.set_dtype_policy("float32")


def test_unknown_sizes_and_one_channel():
    model = models.create("convnext_mini", 5, (None, None, 1), seed=1)
    assert model(np.zeros((1, 32, 48, 1))).shape == (1, 5)


def test_the_seed_decides_the_weights():
    first, again = mini().get_weights(), mini().get_weights()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    other = models.create("convnext_mini", 10, (32, 32, 3), seed=2).get_weights()
    kernels = [i for i, weight in enumerate(first) if weight.ndim > 1]
    assert kernels
    assert all((first[i] != other[i]).any() for i in kernels)


def test_local_weights(tmp_path):
    model = mini()
    model.save_weights(tmp_path / "a.weights.h5")
    other = models.create("convnext_mini", 10, (32, 32, 3), weights=tmp_path / "a.weights.h5")
    images = np.ones((1, 32, 32, 3)) * 99
    np.testing.assert_array_equal(logits_of(model, images), logits_of(other, images))


def test_drop_path_drops_samples_and_keeps_the_expectation():
    layer = DropPath(0.25, seed=1)
    x = np.ones((8000, 2, 2, 1), "float32")
    y = to_numpy(layer(x, training=True))
    kept = y[:, 0, 0, 0] > 0
    assert (y == y[:, :1, :1]).all()
    np.testing.assert_allclose(y[kept], 1 / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / 8000)
    np.testing.assert_array_equal(to_numpy(layer(x, training=False)), x)


@pytest.mark.parametrize("layer", [DropPath(0.3, seed=5), LayerScale(0.5)])
def test_layers_round_trip_their_config(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "convnext"}, r"`name` must be one of \[.*Received: name='convnext'"),
        ({"num_classes": 1}, "`num_classes` must be at least 2"),
        ({"input_shape": (32, 32)}, "`input_shape` must be"),
        ({"input_shape": (8, 32, 3)}, "at least 16 pixels"),
        ({"depths": (1, 2)}, "one entry a stage"),
    ],
)
def test_errors(arguments, message):
    arguments = {
        "name": "convnext_mini",
        "num_classes": 10,
        "input_shape": (32, 32, 3),
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        models.create(**arguments)
