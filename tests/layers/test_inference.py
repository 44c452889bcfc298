"""Images alone: passed through, unless the call says that it trains."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND, to_numpy
from tests.layers.cases import BATCH, IDS, images

MAKE = {
    "PatchMixing": lambda: kpm.PatchMixing(num_classes=BATCH, label_smoothing=0, seed=1),
    "MaskMix": lambda: kpm.layers.MaskMix(4, 2, num_classes=BATCH, label_smoothing=0, seed=1),
    "RandomChoice": lambda: kpm.layers.RandomChoice(
        [kpm.PatchMixing(), keras.layers.MixUp()], num_classes=BATCH, label_smoothing=0, seed=1
    ),
}
each_layer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())
X = np.random.default_rng(0).normal(size=(BATCH, 28, 28, 3)).astype("float32")


def sequential(mix):
    return keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Rescaling(2.0), mix])


def functional(mix):
    inputs = keras.Input((28, 28, 3))
    return keras.Model(inputs, mix(keras.layers.Rescaling(2.0)(inputs)))


def subclass(mix):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.mix = mix

        def call(self, x):
            return self.mix(2 * x)

    return Model()


@each_layer
def test_a_call_without_training_passes_images_alone_through(make):
    for given in (X, (X,), {"images": X}):
        found = make()(given)
        found = found["images"] if isinstance(found, dict) else found
        np.testing.assert_array_equal(to_numpy(found), X)


@each_layer
@pytest.mark.parametrize("model", [sequential, functional, subclass])
def test_a_model_that_is_called_or_predicts_passes_images_through(make, model):
    model = model(make())
    np.testing.assert_array_equal(to_numpy(model(X)), 2 * X)
    np.testing.assert_array_equal(to_numpy(model(X, training=False)), 2 * X)
    np.testing.assert_array_equal(model.predict(X, verbose=0, batch_size=4), 2 * X)


@each_layer
@pytest.mark.parametrize("model", [sequential, functional, subclass])
def test_a_model_told_to_train_raises_and_names_the_way(make, model):
    with pytest.raises(ValueError, match=r"needs `labels`.*mix_on_device.*training=True"):
        model(make())(X, training=True)


@each_layer
def test_fit_raises_and_evaluate_does_not(make):
    model = keras.Sequential([keras.Input((28, 28, 3)), make(), keras.layers.Flatten()])
    model.add(keras.layers.Dense(BATCH, kernel_initializer="zeros"))
    model.compile("sgd", "mean_squared_error", jit_compile=False)
    rows = np.eye(BATCH)
    assert abs(model.evaluate(X, rows, verbose=0) - 1 / BATCH) < 1e-6
    with pytest.raises(ValueError, match=r"needs `labels`.*mix_on_device"):
        model.fit(X, rows, verbose=0)


@each_layer
def test_labels_or_masks_mix_without_training(make):
    mixed, labels = make()(images(), IDS)
    assert (to_numpy(mixed) != images()).any()
    assert (to_numpy(labels).max(1) < 1).any()
    if make is not MAKE["RandomChoice"]:
        data = {"images": images(), "segmentation_masks": images("int32")[..., 0]}
        assert (to_numpy(make()(data)["images"]) != images()).any()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="exports by TensorFlow")
@each_layer
@pytest.mark.parametrize("model", [sequential, functional])
def test_an_exported_model_serves_what_it_is_given(make, model, tmp_path):
    import tensorflow as tf

    model = model(make())
    model.export(tmp_path / "model", verbose=False)
    served = tf.saved_model.load(tmp_path / "model").serve(X)
    np.testing.assert_array_equal(served, 2 * X)


@pytest.mark.needs("tensorflow")
@each_layer
def test_maps_of_images_alone_pass_them_through_under_every_backend(make):
    import tensorflow as tf

    (found,) = tf.data.Dataset.from_tensors(X).map(make())
    np.testing.assert_array_equal(found, X)
    with pytest.raises(ValueError, match="needs `labels`"):
        tf.data.Dataset.from_tensors(X).map(lambda x: make_once(x, training=True))


make_once = MAKE["PatchMixing"]()


def test_keras_random_layers_change_images_where_nothing_says_training():
    """As docs/pipelines.md says; a layer of Keras that is idle then would make it wrong."""
    flip = keras.layers.RandomRotation(0.5, seed=1)
    model = keras.Sequential([keras.Input((28, 28, 3)), flip])
    assert (to_numpy(model(X)) != X).any()
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)
    dropout = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Dropout(0.5)])
    np.testing.assert_array_equal(to_numpy(dropout(X)), X)
