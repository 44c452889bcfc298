"""Architectures found in their folder, and the seeds that they draw."""

import hashlib
import json
import sys

import keras
import numpy as np
import pytest

from keras_patchmix import models
from keras_patchmix.models import architectures
from tests.models.small import outputs_of, pictures, small

LINEAR = """
import keras
from keras_patchmix.models.inputs import SeedStream

PRESETS = {"linear_small": {"units": 3}}
TIMM_NAMES = {r"fc1": "hidden", r"fc2": "logits"}


def linear(num_classes, input_shape, units, seed=None, name="linear"):
    seeds = SeedStream(seed, "glorot_uniform")
    images = keras.Input(input_shape, name="images")
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Dense(units, kernel_initializer=seeds.initializer(), name="hidden")(x)
    head = keras.layers.Dense(num_classes, kernel_initializer=seeds.initializer(), name="logits")
    return keras.Model(images, head(x), name=name)
"""


@pytest.fixture
def linear(tmp_path, monkeypatch):
    (tmp_path / "linear.py").write_text(LINEAR)
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    yield
    sys.modules.pop("keras_patchmix.models.architectures.linear", None)


def test_a_module_in_the_folder_is_a_model_by_name(linear):
    assert "linear_small" in models.names()
    assert models.preset("linear_small") == {"units": 3}
    model, wider = (models.create("linear_small", 4, (8, 8, 3), **a) for a in ({}, {"units": 5}))
    assert outputs_of(model, pictures(2, (8, 8, 3))).shape == (2, 4)
    assert (model.name, wider.get_layer("hidden").units) == ("linear_small", 5)
    with pytest.raises(TypeError, match=r"takes the overrides \['name', 'seed', 'units'\]"):
        models.create("linear_small", 4, (8, 8, 3), depth=1)
    theirs = {
        f"fc{i}.weight": np.full(shape, i, "float32") for i, shape in ((1, (3, 3)), (2, (4, 3)))
    }
    theirs |= {"fc1.bias": np.zeros(3), "fc2.bias": np.ones(4)}
    models.load_timm(model, theirs)
    np.testing.assert_array_equal(model.get_layer("logits").kernel, np.full((3, 4), 2))


def test_a_module_out_of_the_folder_is_unknown():
    with pytest.raises(ValueError, match="`name` must be one of"):
        models.create("linear_small", 4, (8, 8, 3))


def seeds_in(config):
    """Yields all seeds in the config of a layer."""
    if isinstance(config, dict):
        for key, value in sorted(config.items()):
            yield from [value] if key == "seed" else seeds_in(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from seeds_in(value)


# Of version 0.1: the same seed gives the same initial weights.
DIGESTS = {
    "convnext_mini": "a946c75b82f2de3a",
    "convmixer_mini": "b3f2698676375f7d",
    "vit_mini4": "89aaabed6be65cc5",
}
DROPOUTS = {"vit_mini4": {"dropout": 0.1, "attention_dropout": 0.1, "layer_scale": 0.1}}


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_every_layer_keeps_its_seed(name):
    model = small(name, drop_path_rate=0.2, **DROPOUTS.get(name, {}))
    seeds = [[layer.name, list(seeds_in(layer.get_config()))] for layer in model.layers]
    digest = hashlib.sha256(json.dumps(seeds).encode()).hexdigest()
    assert digest.startswith(DIGESTS[name])
    drawn = [seed for _, found in seeds for seed in found]
    assert len(set(drawn)) == len(drawn), "no two layers draw alike"


def test_without_a_seed_models_differ():
    first, second = (small("convmixer_mini", seed=None) for _ in range(2))
    kernels = [
        keras.ops.convert_to_numpy(one.get_layer("patches").kernel) for one in (first, second)
    ]
    assert (kernels[0] != kernels[1]).all()
