"""Mixing inside the train step leaves the model itself: files, steps of its own, compiling."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_patchmix.training import mix_on_device
from tests.training.on_device_cases import (
    BATCH,
    assert_all_differ,
    assert_mixed,
    compile_model,
    data,
    fit,
    labels_seen,
    make_model,
    mixing,
    on_tensorflow,
)


def test_evaluate_and_predict_do_not_mix():
    images, rows = data(labels="rows")
    model = make_model()
    recorder = compile_model(model, keras.optimizers.SGD(0.0))
    fit(mix_on_device(model, mixing()), *data(), epochs=1)
    np.testing.assert_array_equal(model.predict(images, verbose=0), rows)
    logs = model.evaluate(images, rows, batch_size=BATCH, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(recorder.logs()[2:], rows.reshape(2, BATCH, BATCH))


def test_nothing_of_mixing_is_saved(tmp_path):
    def train(mixed):
        inputs = keras.Input((14, 14, 1), name="images")
        outputs = keras.layers.Dense(BATCH, name="top")(keras.layers.Flatten(name="flat")(inputs))
        model = keras.Model(inputs, outputs, name="plain")
        model.compile(keras.optimizers.Adam(1e-3, name="adam"), "mean_squared_error")
        if mixed:
            mix_on_device(model, mixing())
        fit(model, *data("float32", labels="rows"), epochs=1)
        path = tmp_path / f"{mixed}.keras"
        model.save(path)
        return model, path

    (model, path), (_, plain_path) = train(True), train(False)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(plain_path) as plain:
        assert archive.namelist() == plain.namelist()
        assert json.loads(archive.read("config.json")) == json.loads(plain.read("config.json"))
    loaded = keras.models.load_model(path)
    assert type(loaded) is type(model)
    assert "train_step" not in vars(loaded)
    for saved, own in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (saved, own)))
    assert int(loaded.optimizer.iterations) == 2


def test_a_clone_does_not_mix():
    model = mix_on_device(make_model(), mixing())
    assert "train_step" not in vars(keras.models.clone_model(model))


def test_a_second_layer_takes_the_place_of_the_first():
    expected = labels_seen(mixing(ratio=0.25))
    model = make_model()
    recorder = compile_model(model)
    mix_on_device(mix_on_device(model, mixing(seed=5)), mixing(ratio=0.25))
    fit(model)
    np.testing.assert_array_equal(recorder.logs(), expected)


def test_none_takes_mixing_off_though_the_step_is_compiled():
    model = make_model()
    recorder = compile_model(model)
    fit(model, *data(labels="rows"), epochs=1)
    fit(mix_on_device(model, mixing()), *data(labels="rows"), epochs=1)
    fit(mix_on_device(model, None), *data(labels="rows"), epochs=1)
    assert vars(model).keys().isdisjoint({"train_step", "make_train_function", "_symbolic_build"})
    labels = recorder.logs()
    one_hot = [(step == np.eye(BATCH)).all() for step in labels]
    assert one_hot == [True, True, False, False, True, True]
    assert mix_on_device(model, None) is model, "nothing to take off"


def test_compiling_afterwards_keeps_the_mixing():
    model = mix_on_device(make_model(), mixing())
    recorder = compile_model(model)
    fit(model)
    np.testing.assert_array_equal(recorder.logs(), labels_seen(mixing()))
    assert model.jit_compile == compile_and_tell(make_model())


def compile_and_tell(model):
    model.compile("sgd", "mean_squared_error")
    return model.jit_compile


def test_compiling_again_brings_the_new_loss_into_the_step():
    model = mix_on_device(make_model(), mixing())
    losses = []
    for scale in (1, 100):
        model.compile("sgd", lambda y_true, y_pred, scale=scale: scale + 0 * y_pred)
        losses += model.fit(*data(), batch_size=BATCH, verbose=0).history["loss"]
    assert losses == [1, 100]


def test_a_custom_train_step_gets_the_mixed_batch_and_comes_back():
    class Custom(keras.Model):
        def train_step(self, *arguments):
            self.calls += 1
            return super().train_step(*arguments)

    model = make_model(cls=Custom)
    model.calls = 0
    recorder = compile_model(model, run_eagerly=True)
    fit(mix_on_device(model, mixing()))
    assert model.calls == 4
    np.testing.assert_array_equal(recorder.logs(), labels_seen(mixing(), run_eagerly=True))


def test_a_train_step_of_the_object_comes_back():
    model = make_model()
    own = model.train_step

    def step(*arguments):
        return own(*arguments)

    model.train_step = step
    assert mix_on_device(model, mixing()).train_step is not step
    assert mix_on_device(model, None).train_step is step


@on_tensorflow
def test_several_optimizers_count_together():
    import tensorflow as tf

    class Alternating(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.other.apply(gradients, self.trainable_variables)
            return self.compute_metrics(x, y, y_pred)

    model = make_model(cls=Alternating)
    model.other = keras.optimizers.SGD(1e-3)
    recorder = compile_model(model)
    fit(mix_on_device(model, mixing()))
    assert int(model.optimizer.iterations) == 0
    assert_all_differ(recorder.logs())


@on_tensorflow
def test_a_custom_train_step_may_take_dicts():
    import tensorflow as tf

    class OfDicts(keras.Model):
        def train_step(self, data):
            kept.append(data["name"].numpy())
            return super().train_step((data["images"], data["labels"]))

    kept = []
    images, labels = data()
    names = np.array([f"image {i}" for i in range(len(labels))])
    batches = tf.data.Dataset.from_tensor_slices(
        {"images": images, "labels": labels, "name": names}
    ).batch(BATCH)
    model = make_model(cls=OfDicts)
    recorder = compile_model(model, keras.optimizers.SGD(0.0), run_eagerly=True)
    mix_on_device(model, mixing()).fit(batches, verbose=0)
    np.testing.assert_allclose(recorder.logs("y_true"), recorder.logs("y_pred"), atol=1e-6)
    assert_mixed(recorder.logs())
    assert np.concatenate(kept).astype(str).tolist() == names.tolist()
