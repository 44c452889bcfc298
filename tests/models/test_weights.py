"""Weights out of files and from other models, and what is said when they do not fit."""

import keras
import numpy as np
import pytest

from keras_patchmix import models
from keras_patchmix.models.architectures import vit
from keras_patchmix.models.tokens import resample_positions
from tests.arrays import to_numpy
from tests.models.small import NAMES, outputs_of, pictures, shake, small

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
ONCE = pytest.mark.skipif(not ON_TENSORFLOW, reason="of no backend: tested on TensorFlow")
FAMILIES = pytest.mark.parametrize("name", NAMES if ON_TENSORFLOW else ["convmixer_mini"])
ENDINGS = pytest.mark.parametrize("ending", [".weights.h5", ".keras"])


def saved(model, path):
    (model.save_weights if str(path).endswith(".weights.h5") else model.save)(path)
    return path


def shaken(name, **arguments):
    model = small(name, **arguments)
    shake(model)
    return model


@FAMILIES
@ENDINGS
def test_a_file_gives_its_weights(name, ending, tmp_path, recwarn):
    model = shaken(name, drop_path_rate=0.1)
    path = saved(model, tmp_path / f"a{ending}")
    other = small(name, seed=2, weights=path)
    expected = outputs_of(model, pictures())
    np.testing.assert_array_equal(outputs_of(other, pictures()), expected)
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


@FAMILIES
@ENDINGS
def test_another_number_of_classes_leaves_the_classifier_alone_and_warns(name, ending, tmp_path):
    model = shaken(name)
    path = saved(model, tmp_path / f"a{ending}")
    untouched = small(name, num_classes=3, seed=2)
    with pytest.warns(UserWarning, match="classifier keeps its random weights.*logits"):
        other = small(name, num_classes=3, seed=2, weights=path)
    for ours, theirs, start in zip(other.weights, model.weights, untouched.weights, strict=True):
        source = start if ours.path.startswith("logits") else theirs
        np.testing.assert_array_equal(to_numpy(ours.value), to_numpy(source.value), ours.path)


@ENDINGS
def test_positions_of_another_image_size_are_resampled(ending, tmp_path):
    model = shaken("vit_mini4")
    path = saved(model, tmp_path / f"a{ending}")
    other = small("vit_mini4", input_shape=(24, 20, 3), weights=path)
    positions = model.get_layer("tokens").positions
    np.testing.assert_allclose(
        to_numpy(other.get_layer("tokens").positions.value),
        to_numpy(resample_positions(positions.value, (6, 5))),
        atol=1e-6,
    )
    # which is what the first model does by itself with such images
    flexible = small("vit_mini4", input_shape=(None, None, 3), grid=(4, 4), weights=path)
    images = pictures(shape=(24, 20, 3))
    np.testing.assert_allclose(outputs_of(other, images), outputs_of(flexible, images), atol=1e-5)


@ONCE
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("convnext_mini", {"dims": (8, 24)}, "do not fit.*stage_1_block_0"),
        ("convnext_mini", {"depths": (1, 2)}, "do not fit.*stage_1_block_1"),
        ("convnext_mini", {"kernel_size": 5}, "do not fit.*depthwise"),
        ("vit_mini4", {"depth": 3}, "do not fit.*block_2"),
        ("vit_mini4", {"mlp_ratio": 3}, "do not fit.*block_0_expand"),
        ("convmixer_mini", {"patch_size": 2}, "do not fit.*patches"),
    ],
)
@ENDINGS
def test_weights_of_another_architecture_are_refused(name, arguments, message, ending, tmp_path):
    path = saved(small(name), tmp_path / f"a{ending}")
    with pytest.raises(ValueError, match=message):
        small(name, weights=path, **arguments)


@ONCE
@pytest.mark.parametrize("num_classes", [5, 3])
@ENDINGS
def test_weights_of_a_deeper_network_are_refused(num_classes, ending, tmp_path):
    path = saved(small("vit_mini4", depth=3), tmp_path / f"a{ending}")
    with pytest.raises(ValueError, match="do not fit"):
        small("vit_mini4", num_classes=num_classes, weights=path)


@ONCE
@ENDINGS
def test_weights_of_another_family_are_refused(ending, tmp_path):
    path = saved(small("vit_mini4"), tmp_path / f"a{ending}")
    with pytest.raises(ValueError, match="do not fit the model 'convmixer_mini'"):
        small("convmixer_mini", weights=path)


@ONCE
def test_weights_of_a_trained_model_load_without_its_optimizer(tmp_path):
    model = small("convmixer_mini")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=True)  # XLA takes seconds to compile a step
    model.fit(pictures(), np.arange(4), verbose=0)
    model.save_weights(tmp_path / "a.weights.h5")
    other = small("convmixer_mini", weights=tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(outputs_of(other, pictures()), outputs_of(model, pictures()))


def test_copied_weights_give_the_same_outputs_and_a_misfit_changes_nothing():
    source, target = shaken("vit_mini4"), small("vit_mini4", seed=2)
    models.copy_weights(source, target)
    np.testing.assert_array_equal(outputs_of(target, pictures()), outputs_of(source, pictures()))
    other = small("vit_mini4", depth=3)
    before = outputs_of(other, pictures())
    with pytest.raises(ValueError, match="block_2_attention_norm: no weights for it"):
        models.copy_weights(source, other)
    np.testing.assert_array_equal(outputs_of(other, pictures()), before)


def test_imagenet_weights_that_nobody_published_are_refused():
    with pytest.raises(ValueError, match=r"'vit_base16'.*Received: name='convmixer_mini'"):
        small("convmixer_mini", weights="imagenet")


@ONCE
def test_a_published_file_is_asked_for_by_its_address_and_digest(monkeypatch):
    asked = {}
    monkeypatch.setattr(keras.utils, "get_file", lambda **arguments: asked.update(arguments))
    monkeypatch.setattr(vit, "read_keras_2_file", lambda path: [])
    with pytest.raises(ValueError, match="a ViT of keras-cv has 4 arrays"):
        models.create("vit_small32", 1000, (32, 32, 3), "imagenet", depth=1, dim=12)
    assert asked["origin"] == (
        "https://storage.googleapis.com/keras-cv/models/vits32/imagenet/classification-v0.h5"
    )
    assert len(asked["file_hash"]) == 64


@ONCE
def test_imagenet_weights_come_from_keras_applications(monkeypatch):
    asked = []

    def application(**arguments):
        asked.append(arguments)
        raise ConnectionError("no network")

    monkeypatch.setattr(keras.applications, "ConvNeXtTiny", application)
    with pytest.raises(ConnectionError, match="no network"):
        models.create("convnext_tiny", 10, (32, 32, 3), "imagenet", depths=(1, 1, 1, 1))
    assert asked == [{"weights": "imagenet"}]


@pytest.mark.needs("keras_cv")
def test_the_digests_are_those_of_keras_cv():
    # Private, and of no other use here: a table of what keras-cv published.
    from keras_cv.src.models.legacy.weights import BASE_PATH, WEIGHTS_CONFIG

    assert BASE_PATH == "https://storage.googleapis.com/keras-cv/models"
    for folder, digest in vit.PUBLISHED.values():
        assert WEIGHTS_CONFIG[folder]["imagenet/classification-v0"] == digest


@ONCE
def test_a_file_of_nobody_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match="must be a file of a published model"):
        small("vit_mini4", weights=tmp_path / "a.h5")
    with pytest.raises(ValueError, match="there is none for 'convmixer_mini'"):
        small("convmixer_mini", weights=tmp_path / "a.h5")


def test_positions_that_are_no_square_need_the_models_grid():
    layers = [
        [np.zeros((1, 1, 4)), np.zeros((2, 2, 3, 4)), np.zeros(4), np.zeros((7, 4))],
        [np.zeros(4)] * 2,
    ]
    assert vit.from_keras_cv(layers, (2, 3))["tokens"][2].shape == (2, 3, 4)
    with pytest.raises(ValueError, match="6 positions are no square"):
        vit.from_keras_cv(layers)
