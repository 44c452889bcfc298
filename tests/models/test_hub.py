"""Swin and DeiT of keras-hub by name."""

import importlib.util

import keras
import numpy as np
import pytest

from keras_patchmix import models
from tests.arrays import dtype_name
from tests.models.small import outputs_of, pictures, shake, trained

SMALL = {
    "swin_tiny": {"embed_dim": 8, "depths": (1, 2), "num_heads": (2, 2), "window_size": 4},
    "deit_tiny16": {"hidden_dim": 12, "num_layers": 1, "num_heads": 3, "intermediate_dim": 24},
}
NAMES = pytest.mark.parametrize("name", sorted(SMALL))


def small_hub(name, **arguments):
    return models.create(name, 5, (32, 32, 3), **{**SMALL[name], **arguments})


@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is not None, reason="it is installed")
def test_without_keras_hub_the_error_says_what_to_install():
    with pytest.raises(
        ImportError, match=r"'swin_tiny' needs .*pip install keras-hub .*\[keras-hub\]"
    ):
        models.create("swin_tiny", 5, (224, 224, 3))
    assert "swin_tiny" not in models.names()


@pytest.mark.needs("keras_hub")
@NAMES
def test_keras_hubs_model_trains_saves_and_loads(name, tmp_path):
    model = small_hub(name, seed=1)
    assert name in models.names()
    assert trained(model) == []
    assert dtype_name(model(pictures(1, (32, 32, 3)))) == "float32"
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    images = pictures(2, (32, 32, 3))
    np.testing.assert_array_equal(outputs_of(loaded, images), outputs_of(model, images))


@pytest.mark.needs("keras_hub")
@NAMES
def test_keras_hubs_logits_are_its_own_of_normalized_images(name):
    model = small_hub(name)
    shake(model)
    inner = model.layers[-2]
    images = pictures(2, (32, 32, 3))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    theirs = outputs_of(inner, ((images / 255 - mean) / std).astype("float32"))
    assert np.abs(theirs - theirs[:1]).max() > 0.01
    np.testing.assert_allclose(outputs_of(model, images), theirs, atol=1e-5)


@pytest.mark.needs("keras_hub")
@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@NAMES
def test_files_give_keras_hubs_models_their_weights(name, ending, tmp_path):
    model = small_hub(name)
    shake(model)
    (model.save if ending == ".keras" else model.save_weights)(tmp_path / f"a{ending}")
    images = pictures(2, (32, 32, 3))
    again = small_hub(name, weights=tmp_path / f"a{ending}")
    np.testing.assert_array_equal(outputs_of(again, images), outputs_of(model, images))
    with pytest.warns(UserWarning, match="classifier keeps"):
        fewer = models.create(name, 3, (32, 32, 3), weights=tmp_path / f"a{ending}", **SMALL[name])
    backbones = [(layers.layers[-2]).backbone for layers in (fewer, model)]
    theirs, ours = (outputs_of(backbone, images) for backbone in backbones)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.needs("keras_hub")
@NAMES
def test_the_seed_decides_the_weights_of_keras_hub(name):
    images = pictures(2, (32, 32, 3))
    first, again, other = (outputs_of(small_hub(name, seed=seed), images) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
