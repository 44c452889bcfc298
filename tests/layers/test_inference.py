"""Images alone: passed through, unless the call says that it trains."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND, to_numpy
from tests.layers.cases import BATCH, IDS, images

MAKE = {
    "PatchMixing": lambda: kpm.PatchMixing(
        num_classes=BATCH, label_smoothing=0, seed=1, probability=1.0
    ),
    "MaskMix": lambda: kpm.layers.MaskMix(4, 2, num_classes=BATCH, label_smoothing=0, seed=1),
    "CutMix": lambda: kpm.layers.CutMix(num_classes=BATCH, label_smoothing=0, seed=1),
    "RandomChoice": lambda: kpm.layers.RandomChoice(
        [kpm.PatchMixing(probability=1.0), kpm.layers.MixUp(1.0)],
        num_classes=BATCH,
        label_smoothing=0,
        seed=1,
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


def behind_keras(mix, layer):
    stack = [keras.Input((28, 28, 3)), layer, mix, keras.layers.Flatten()]
    return keras.Sequential([*stack, keras.layers.Dense(2, kernel_initializer="ones")])


def flip_and(mix):
    """A functional model, with layers that change nothing behind the flip."""
    flip = keras.layers.RandomFlip()
    return keras.Sequential([keras.Input((28, 28, 3)), flip, mix, keras.layers.Rescaling(2.0)])


class Subclass(keras.Model):
    """Two layers in a row, the first one of Keras, which trains unless it is told not to."""

    def __init__(self, layer, first=None):
        super().__init__()
        self.first, self.layer = first or keras.layers.RandomFlip(), layer

    def call(self, x):
        return self.layer(self.first(x))


class HandsOn(Subclass):
    def call(self, x, training=False):
        return self.layer(self.first(x, training=training), training=training)


@each_layer
def test_a_random_layer_of_keras_in_front_does_not_make_a_model_train(make, tmp_path):
    model = flip_and(make())
    wholes = np.sort(2 * X, axis=None)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        found = to_numpy(one(X))  # flipped, as Keras does, and not mixed
        np.testing.assert_array_equal(np.sort(found, axis=None), wholes)
        np.testing.assert_array_equal(to_numpy(one(X, training=False)), 2 * X)
        np.testing.assert_array_equal(one.predict(X, verbose=0), 2 * X)
        with pytest.raises(ValueError, match="needs `labels`"):
            one(X, training=True)
        one.compile("sgd", "mean_squared_error", jit_compile=False)
        with pytest.raises(ValueError, match="needs `labels`"):
            one.fit(X, X, verbose=0)


@each_layer
def test_in_a_subclass_the_error_says_how_to_pass_images_through(make):
    model = Subclass(make())
    way = r"training=False.*keras\.export\.ExportArchive.*RandomFlip.*hands `training` on"
    for call in (model, Subclass(make()).predict):  # Keras tells no `call` that does not ask
        with pytest.raises(ValueError, match=way):
            call(X)
    np.testing.assert_array_equal(to_numpy(model(X, training=False)), X)
    hands_on = HandsOn(make())
    np.testing.assert_array_equal(to_numpy(hands_on(X)), X)
    np.testing.assert_array_equal(hands_on.predict(X, verbose=0), X)
    hands_on.compile("sgd", "mean_squared_error", jit_compile=False)
    with pytest.raises(ValueError, match="needs `labels`"):
        hands_on.fit(X, X, verbose=0)


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


@pytest.mark.skipif(BACKEND != "tensorflow", reason="exports by TensorFlow")
@pytest.mark.parametrize("model", [flip_and, Subclass, HandsOn])
def test_behind_a_random_layer_of_keras_a_model_can_be_exported(model, tmp_path):
    import tensorflow as tf

    model = model(MAKE["PatchMixing"]())
    expected = model(X, training=False)
    if not isinstance(model, Subclass) or isinstance(model, HandsOn):
        model.export(tmp_path / "model", verbose=False)
    archive = keras.export.ExportArchive()
    signature = [keras.InputSpec(shape=(None, 28, 28, 3), dtype="float32")]
    archive.add_endpoint("serve", lambda images: model(images, training=False), signature)
    archive.write_out(tmp_path / "archive", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "archive")
    np.testing.assert_array_equal(loaded.serve(X), expected)


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


def test_keras_random_layers_turn_training_on_behind_them_in_a_subclass():
    """As docs/pipelines.md and our error say; in a functional model `Dropout` stays idle."""
    flip, dropout, ones = keras.layers.RandomFlip(), keras.layers.Dropout(0.5), np.ones_like(X)
    assert 0.4 < (to_numpy(Subclass(dropout, flip)(ones)) == 0).mean() < 0.6
    np.testing.assert_array_equal(to_numpy(Subclass(flip, dropout)(ones)), ones)
    np.testing.assert_array_equal(to_numpy(HandsOn(dropout, flip)(ones)), ones)
    np.testing.assert_array_equal(
        to_numpy(keras.Sequential([keras.Input((28, 28, 3)), flip, dropout])(ones)), ones
    )
