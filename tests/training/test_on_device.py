"""Mixing inside the train step: what the loss sees, and which plan is drawn when."""

import contextlib

import keras
import numpy as np
import pytest

from keras_patchmix.training import mix_on_device
from tests.training.on_device_cases import (
    BACKEND,
    BATCH,
    PixelShares,
    Recorder,
    assert_all_differ,
    assert_mixed,
    compile_model,
    data,
    fit,
    labels_seen,
    make_model,
    mixing,
    not_on_torch,
)


@pytest.mark.parametrize(
    ("labels", "arguments"),
    [
        ("ids", {"run_eagerly": False}),
        ("column", {"jit_compile": True}),
        ("rows", {"jit_compile": False}),
        ("ids", {"run_eagerly": True}),
        pytest.param("ids", {"steps_per_execution": 2}, marks=not_on_torch),
        pytest.param("rows", {"steps_per_execution": 2, "jit_compile": True}, marks=not_on_torch),
    ],
)
def test_the_loss_sees_the_labels_of_the_pixels_that_the_model_sees(labels, arguments):
    if BACKEND == "torch" and arguments.get("jit_compile"):
        pytest.skip("torch.compile needs a C++ compiler")
    model = make_model()
    recorder = compile_model(model, keras.optimizers.SGD(0.0), **arguments)
    assert mix_on_device(model, mixing()) is model
    fit(model, *data(labels=labels))
    y_true, y_pred = recorder.logs("y_true"), recorder.logs("y_pred")
    assert len(y_true) == 4
    np.testing.assert_allclose(y_true, y_pred, atol=1e-6)
    assert_mixed(y_true)
    assert_all_differ(y_true)


def test_weights_are_blended_with_the_labels():
    model = make_model()
    recorder = compile_model(model, keras.optimizers.SGD(0.0))
    weights = np.tile(np.linspace(0.5, 4, BATCH), 2)
    fit(mix_on_device(model, mixing()), *data(), sample_weight=weights)
    parts = recorder.logs("y_pred") * weights[:BATCH]
    np.testing.assert_allclose(recorder.logs("weight"), parts.sum(-1), rtol=1e-5)
    np.testing.assert_allclose(
        recorder.logs("y_true"), parts / parts.sum(-1, keepdims=True), atol=1e-6
    )


def test_train_on_batch_mixes():
    model = make_model()
    recorder = compile_model(model, keras.optimizers.SGD(0.0))
    mix_on_device(model, mixing())
    images, labels = data(steps=1)
    for _ in range(3):
        model.train_on_batch(images, labels)
    np.testing.assert_allclose(recorder.logs("y_true"), recorder.logs("y_pred"), atol=1e-6)
    assert_all_differ(recorder.logs())


def test_accuracy_of_class_ids_is_that_of_rows():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=["accuracy"])
    mix_on_device(model, mixing())
    logs = model.fit(*data(), batch_size=BATCH, verbose=0).history
    assert logs["accuracy"] == [1.0], "the model says what the labels are"


@pytest.fixture
def dtype_policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("policy", "dtype"),
    [("mixed_float16", "uint8"), ("mixed_bfloat16", "float32"), ("float32", "uint8")],
)
def test_images_keep_their_dtype_and_labels_are_float32(policy, dtype, dtype_policy):
    dtype_policy(policy)
    seen = []

    class Spy(keras.Model):
        def train_step(self, *arguments):
            seen.append([keras.backend.standardize_dtype(part.dtype) for part in arguments[-1]])
            return super().train_step(*arguments)

    model = make_model(dtype, Spy)
    recorder = compile_model(model)
    fit(mix_on_device(model, mixing()), *data(dtype))
    assert seen
    assert all(dtypes == [dtype, "float32"] for dtypes in seen)
    np.testing.assert_allclose(recorder.logs("y_true"), recorder.logs("y_pred"), atol=0.02)


@pytest.mark.parametrize(
    ("jit_compile", "others"),
    [(False, [(4, None), (3, -(2**40))]), pytest.param(True, [(4, None)], marks=not_on_torch)],
)
def test_the_seed_decides(jit_compile, others):
    def seen(*arguments):
        return labels_seen(*arguments, jit_compile=jit_compile)

    of_layer = seen(mixing(seed=3))
    np.testing.assert_array_equal(of_layer, seen(mixing(seed=9), None, 3))
    assert_all_differ([of_layer, *(seen(mixing(seed=own), None, seed) for own, seed in others)])


def test_without_a_seed_keras_seed_decides():
    keras.utils.set_random_seed(1)
    first, second = labels_seen(mixing(seed=None)), labels_seen(mixing(seed=None))
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(first, labels_seen(mixing(seed=None)))
    assert (first != second).any()


def test_the_layers_own_stream_is_not_used():
    layer, images = mixing(), data()[0]
    expected = mixing().sample_plan(images)
    labels_seen(layer)
    for value, other in zip(layer.sample_plan(images), expected, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (value, other)))


@pytest.mark.parametrize("accumulate", [None, 2])
def test_a_run_that_was_interrupted_goes_on_with_its_plans(tmp_path, accumulate):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def run(*callbacks):
        model = make_model()
        optimizer = keras.optimizers.SGD(1e-3, gradient_accumulation_steps=accumulate)
        recorder = compile_model(model, optimizer)
        mix_on_device(model, mixing())
        with contextlib.suppress(KeyboardInterrupt):
            fit(model, *data(steps=3), epochs=3, callbacks=list(callbacks))
        return recorder.logs()

    whole = run()
    backup = keras.callbacks.BackupAndRestore
    started = run(backup(tmp_path / "backup"), Interrupt())
    resumed = run(backup(tmp_path / "backup"))
    np.testing.assert_array_equal(started, whole[:3])
    np.testing.assert_array_equal(resumed, whole[3:])
    assert len(whole) == 9
    assert_all_differ(whole)


def test_a_loaded_model_goes_on_with_its_plans(tmp_path):
    whole = labels_seen(mixing())
    model = make_model()
    compile_model(model)
    fit(mix_on_device(model, mixing()), epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", {"PixelShares": PixelShares, "Recorder": Recorder}
    )
    assert int(loaded.optimizer.iterations) == 2
    recorder = compile_model(loaded, loaded.optimizer)
    fit(mix_on_device(loaded, mixing()), epochs=1)
    np.testing.assert_array_equal(recorder.logs(), whole[2:])


def test_plans_differ_while_gradients_accumulate():
    model = make_model()
    optimizer = keras.optimizers.SGD(1e-3, gradient_accumulation_steps=4)
    recorder = compile_model(model, optimizer)
    fit(mix_on_device(model, mixing()), *data(steps=6), epochs=1)
    assert int(optimizer.iterations) == 1
    assert_all_differ(recorder.logs())


@pytest.mark.skipif(BACKEND != "jax", reason="compiles by jax.jit")
@pytest.mark.parametrize("by_fit", [True, False])
def test_a_step_is_compiled_once_for_each_shape_of_batch(by_fit):
    import jax

    traced, compiled = [], []

    class Spy(keras.Model):
        def train_step(self, state, data):
            traced.append(data[0].shape[0])
            return super().train_step(state, data)

    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **details: compiled.append(event)
    )
    model = make_model(cls=Spy)
    model.compile(keras.optimizers.SGD(1e-3), "mean_squared_error")
    mix_on_device(model, mixing())
    images, ids = data(steps=4)
    images, ids = images[:-4], ids[:-4]  # three batches of 8, and one of 4

    def train():
        compiled.clear()
        if by_fit:
            fit(model, images, ids, epochs=2)
        else:
            for start in (0, 8, 16, 24):
                model.train_on_batch(images[start : start + 8], ids[start : start + 8])
        assert traced == [8, 4]
        return [event for event in compiled if "compile" in event]

    assert train()
    assert not train()


@pytest.mark.parametrize("initial_scale", [2.0**127, 1.5 * 2.0**126])
def test_plans_differ_while_gradients_overflow(initial_scale):
    model = make_model()
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=initial_scale
    )

    def loss(y_true, y_pred):
        return 300 * keras.ops.mean(keras.ops.abs(y_pred - y_true) + y_pred, axis=-1)

    recorder = compile_model(model, optimizer, loss)
    fit(mix_on_device(model, mixing()), *data(steps=8), epochs=1)
    assert 1 <= int(optimizer.iterations) <= 6, "some overflow, and some do not"
    assert_all_differ(recorder.logs())
