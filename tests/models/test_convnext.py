"""ConvNeXt's own layers and errors."""

import keras
import numpy as np
import pytest

from keras_patchmix import models
from keras_patchmix.models.blocks import DropPath, LayerScale, ReverseChannels
from tests.arrays import to_numpy


def test_drop_path_drops_samples_and_keeps_the_expectation():
    layer = DropPath(0.25, seed=1)
    x = np.ones((8000, 2, 2, 1), "float32")
    y = to_numpy(layer(x, training=True))
    kept = y[:, 0, 0, 0] > 0
    assert (y == y[:, :1, :1]).all()
    np.testing.assert_allclose(y[kept], 1 / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / 8000)
    np.testing.assert_array_equal(to_numpy(layer(x, training=False)), x)


def test_layer_scale_multiplies_every_channel_by_its_own():
    layer = LayerScale(0.5)
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(to_numpy(layer(x)), x / 2)
    layer.scale.assign([1.0, 2, 3])
    np.testing.assert_array_equal(to_numpy(layer(x)), [[1, 2, 3]] * 2)


def test_reversed_channels_are_the_last_first():
    x = np.arange(6, dtype="float32").reshape(1, 2, 3)
    np.testing.assert_array_equal(to_numpy(ReverseChannels()(x)), [[[2, 1, 0], [5, 4, 3]]])


@pytest.mark.parametrize("layer", [DropPath(0.3, seed=5), LayerScale(0.5), ReverseChannels()])
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
        ({"depths": (1, 2)}, "one entry per stage"),
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
