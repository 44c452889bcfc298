"""What holds for ConvNeXt, ViT and ConvMixer alike."""

import keras
import numpy as np
import pytest

from keras_patchmix import models
from keras_patchmix.models.blocks import DropPath
from tests.arrays import dtype_name, to_numpy
from tests.models.small import NAMES, outputs_of, pictures, shake, small, trained

ON_TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="of TensorFlow, or of no backend"
)
FAMILIES = pytest.mark.parametrize("name", NAMES)
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
# Each policy once: half precision of every family has a test of its own.
CASES = list(zip(["convnext_mini", "convmixer_mini", "vit_mini4"], POLICIES, strict=True))
if keras.backend.backend() == "tensorflow":  # others take seconds to compile one
    CASES += [("convmixer_mini", "float32"), ("vit_mini4", "float32")]


@pytest.mark.parametrize(("name", "policy"), CASES)
def test_every_weight_trains_and_a_saved_model_is_the_same_under_every_policy(
    name, policy, tmp_path
):
    keras.config.set_dtype_policy(policy)
    try:
        model = small(name, drop_path_rate=0.2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert trained(model) == []
    images = pictures()
    expected = model(images, training=False)
    assert dtype_name(expected) == "float32"
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(images)), to_numpy(expected))


@FAMILIES
@ON_TENSORFLOW
def test_half_precision_computes_what_single_precision_does(name):
    model = small(name)
    shake(model)
    expected = outputs_of(model, pictures())
    for policy, tolerance in (("mixed_float16", 0.01), ("mixed_bfloat16", 0.08)):
        keras.config.set_dtype_policy(policy)
        try:
            half = small(name)
        finally:
            keras.config.set_dtype_policy("float32")
        half.set_weights(model.get_weights())
        difference = np.abs(outputs_of(half, pictures()) - expected).max()
        assert 0 < difference < tolerance * np.abs(expected).max()


@FAMILIES
@ON_TENSORFLOW
def test_a_batch_is_its_images_one_by_one(name):
    model = small(name)
    shake(model)
    images = pictures()
    one_by_one = np.concatenate([outputs_of(model, images[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(outputs_of(model, images), one_by_one, atol=2e-5)
    assert np.abs(one_by_one - one_by_one[:1]).max() > 0.01


@FAMILIES
def test_pixels_of_any_number_type_are_the_same_to_it(name):
    model = small(name)
    shake(model)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype("uint8")
    expected = outputs_of(model, pixels.astype("float32"))
    np.testing.assert_allclose(outputs_of(model, pixels), expected, atol=1e-5)


@FAMILIES
def test_images_of_unknown_size_and_one_channel(name):
    arguments = {"grid": (4, 4)} if name.startswith("vit") else {}
    fixed = small(name, input_shape=(16, 24, 1), **arguments)
    model = small(name, input_shape=(None, None, 1), **arguments)
    shake(fixed)
    model.set_weights(fixed.get_weights())
    images = pictures(shape=(16, 24, 1))
    expected = outputs_of(fixed, images)
    np.testing.assert_allclose(outputs_of(model, images), expected, atol=1e-5)
    # predict compiles it with sides that are not known
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)


@FAMILIES
def test_the_seed_decides_weights_and_stochastic_depth(name):
    def outputs(seed):
        model = small(name, seed=seed, drop_path_rate=0.5)
        return to_numpy(model(pictures(), training=True))

    np.testing.assert_array_equal(outputs(1), outputs(1))
    assert (outputs(1) != outputs(2)).all()


@FAMILIES
@ON_TENSORFLOW
def test_no_two_kernels_start_alike(name):
    kernels = [weight for weight in small(name).weights if len(weight.shape) > 1]
    first = [float(to_numpy(kernel.value).flat[0]) for kernel in kernels]
    assert len(set(first)) == len(kernels) > 4


@FAMILIES
@ON_TENSORFLOW
def test_stochastic_depth_grows_linearly_to_the_rate_asked_for(name):
    depth = {"depths": (2, 3)} if name.startswith("convnext") else {"depth": 5}
    model = small(name, drop_path_rate=0.4, **depth)
    rates = [layer.rate for layer in model.layers if isinstance(layer, DropPath)]
    each = 2 if name.startswith("vit") else 1  # a vision transformer's block has two branches
    np.testing.assert_allclose(rates, np.repeat([0.1, 0.2, 0.3, 0.4], each))


@pytest.mark.slow
@FAMILIES
@ON_TENSORFLOW
def test_xla_trains_to_the_same_weights(name):
    depth = {} if name.startswith("convnext") else {"depth": 1}  # XLA takes its time for each block

    def weights(jit_compile):
        model = small(name, **depth)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01), loss, jit_compile=jit_compile)
        model.fit(pictures(), np.arange(4), batch_size=2, shuffle=False, verbose=0)
        return model.get_weights()

    for compiled, plain in zip(weights(True), weights(False), strict=True):
        np.testing.assert_allclose(compiled, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@FAMILIES
@ON_TENSORFLOW
def test_an_exported_model_computes_the_same(name, tmp_path):
    import tensorflow as tf

    model = small(name)
    shake(model)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    served = to_numpy(exported.serve(pictures()))
    np.testing.assert_allclose(served, outputs_of(model, pictures()), atol=1e-5)


@FAMILIES
def test_a_preset_is_a_dict_of_its_own(name):
    models.preset(name)["depth"] = 99
    assert models.preset(name).get("depth") != 99


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "resnet"}, ValueError, r"`name` must be one of \[.*Received: name='resnet'"),
        ({"name": "convnext_min"}, ValueError, r"'convnext_min'. Did you mean 'convnext_mini'\?"),
        ({"name": "resnet50v2"}, ValueError, r"'resnet50v2'. Did you mean 'ResNet50V2'\?"),
        ({"name": "my own model"}, ValueError, "Received: name='my own model'$"),
        ({"num_classes": 1}, ValueError, "`num_classes` must be at least 2"),
        ({"input_shape": (32, 32)}, ValueError, "`input_shape` must be"),
        ({"input_shape": (3, 32, 3)}, ValueError, r"at least 4 pixels a side \(patch_size=4\)"),
        ({"dim": 100}, ValueError, "`dim` must be a multiple of `num_heads`"),
        ({"drop_path_rate": 1.0}, ValueError, r"`rate` must be in \[0, 1\)"),
        ({"attention_dropout": 1}, ValueError, r"`dropout` must be in \[0, 1\)"),
        ({"depths": (1, 2)}, TypeError, r"takes the overrides .*'depth'.*Received: \['depths'\]"),
        ({"weights": "no.keras"}, FileNotFoundError, "'no.keras', which is not there"),
    ],
)
def test_errors(arguments, error, message):
    defaults = {"name": "vit_mini4", "num_classes": 10, "input_shape": (32, 32, 3)}
    with pytest.raises(error, match=message):
        models.create(**{**defaults, **arguments})
