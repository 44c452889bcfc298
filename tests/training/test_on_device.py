"""Mixing inside the train step, seen through `fit`.

Image i is of the constant value i and of class i, and the model's output is the share of pixels of
each value: what the loss is given as labels must be what the model says.
"""

import contextlib
import functools
import json
import subprocess
import sys
import warnings
import zipfile

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.training import mix_on_device
from keras_patchmix.training.checks import warn_if_smoothed_twice

BACKEND = keras.backend.backend()
BATCH = 8
MAX_STEPS = 12

on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's trainer")
not_on_torch = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's trainer has no such thing")


class PixelShares(keras.layers.Layer):
    """Images to the share of pixels of each value 0..7, times a weight that starts at 1."""

    def build(self, _):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, images):
        values = keras.ops.arange(BATCH, dtype="float32")
        found = keras.ops.cast(keras.ops.cast(images, "float32") == values, "float32")
        return keras.ops.mean(found, axis=(1, 2)) * self.scale


class Recorder(keras.metrics.Metric):
    """Keeps what it is given at every step, in compiled steps too."""

    def __init__(self, name="recorder", **arguments):
        super().__init__(name=name, **arguments)
        shape = (MAX_STEPS, BATCH, BATCH)
        self.y_true = self.add_variable(shape, "zeros", name="y_true")
        self.y_pred = self.add_variable(shape, "zeros", name="y_pred")
        self.weight = self.add_variable(shape[:2], "zeros", name="weight")
        self.steps = self.add_variable((), "zeros", dtype="int32", name="steps")

    def update_state(self, y_true, y_pred, sample_weight=None):
        now = keras.ops.one_hot(self.steps, MAX_STEPS, dtype="float32")
        for kept, value in ((self.y_true, y_true), (self.y_pred, y_pred)):
            kept.assign_add(now[:, None, None] * keras.ops.cast(value, "float32"))
        if sample_weight is not None:
            self.weight.assign_add(now[:, None] * sample_weight)
        self.steps.assign_add(1)

    def reset_state(self):
        """Keeps the steps of earlier epochs."""

    def result(self):
        return keras.ops.cast(self.steps, "float32")

    def logs(self, name="y_true"):
        """What was given, for each step that was made."""
        return keras.ops.convert_to_numpy(getattr(self, name).value)[: int(self.steps)]


def data(dtype="uint8", steps=2, labels="ids"):
    ids = np.tile(np.arange(BATCH), steps)
    images = np.broadcast_to(ids[:, None, None, None], (len(ids), 14, 14, 1)).astype(dtype)
    return images, {"ids": ids, "column": ids[:, None], "rows": np.eye(BATCH)[ids]}[labels]


def mixing(seed=3, **arguments):
    return kpm.PatchMixing(num_classes=BATCH, label_smoothing=0, seed=seed, **arguments)


def make_model(dtype="uint8", cls=keras.Model):
    inputs = keras.Input((14, 14, 1), dtype=dtype)
    return cls(inputs, PixelShares()(inputs))


def compile_model(model, optimizer=None, loss="mean_squared_error", **arguments):
    recorder = Recorder()
    optimizer = optimizer or keras.optimizers.SGD(1e-3)
    model.compile(optimizer, loss, weighted_metrics=[recorder], **arguments)
    return recorder


def fit(model, *xy, epochs=2, **arguments):
    model.fit(
        *(xy or data()), batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, **arguments
    )


def labels_seen(layer, optimizer=None, seed=None, **arguments):
    """The labels of every step of a new model."""
    model = make_model()
    recorder = compile_model(model, optimizer, **arguments)
    fit(mix_on_device(model, layer, seed))
    return recorder.logs()


def assert_all_differ(steps):
    for i in range(len(steps)):
        for j in range(i):
            assert (steps[i] != steps[j]).any(), f"steps {j} and {i} have the same plan"


def assert_mixed(labels):
    assert (labels.max(axis=-1) < 1).mean() > 0.7


@pytest.mark.parametrize(
    ("labels", "arguments"),
    [
        ("ids", {}),
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


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
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


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=not_on_torch)])
def test_the_seed_decides(jit_compile):
    def seen(*arguments):
        return labels_seen(*arguments, jit_compile=jit_compile)

    of_layer = seen(mixing(seed=3))
    np.testing.assert_array_equal(of_layer, seen(mixing(seed=3)))
    np.testing.assert_array_equal(of_layer, seen(mixing(seed=9), None, 3))
    assert_all_differ([of_layer, seen(mixing(seed=4)), seen(mixing(seed=3), None, -(2**40))])


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
    recorder = Recorder()
    loaded.compile(loaded.optimizer, "mean_squared_error", weighted_metrics=[recorder])
    fit(mix_on_device(loaded, mixing()), epochs=1)
    np.testing.assert_array_equal(recorder.logs(), whole[2:])


def test_plans_differ_while_gradients_accumulate():
    model = make_model()
    optimizer = keras.optimizers.SGD(1e-3, gradient_accumulation_steps=4)
    recorder = compile_model(model, optimizer)
    fit(mix_on_device(model, mixing()), *data(steps=6), epochs=1)
    assert int(optimizer.iterations) == 1
    assert_all_differ(recorder.logs())


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


REPLICAS = """
import json, keras, numpy as np, tensorflow as tf, keras_patchmix as kpm
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
seen = []

class Spy(keras.Model):
    def train_step(self, data):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        tf.numpy_function(
            lambda *parts: seen.append([part.tolist() for part in parts]),
            [replica, self.optimizer.iterations, *data], [],
        )
        return super().train_step(data)

def run():
    seen.clear()
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        inputs = keras.Input((14, 14, 1))
        outputs = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
        model = Spy(inputs, outputs)
        model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    layer = kpm.PatchMixing(num_classes=8, label_smoothing=0, seed=3)
    kpm.training.mix_on_device(model, layer)
    ids = np.tile(np.arange(8), 4)
    images = np.broadcast_to(ids[:, None, None, None], (32, 14, 14, 1)).astype("float32")
    model.fit(images, ids, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return {
        f"{step} {replica}": [np.mean(x, (1, 2, 3)).tolist(), y]
        for replica, step, x, y in seen
    }

print("SEEN", json.dumps([run(), run()]))
"""


@on_tensorflow
def test_every_replica_mixes_with_its_own_plan():
    run = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, check=True, timeout=300
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith("SEEN"))
    first, second = json.loads(line.removeprefix("SEEN"))
    assert first == second, "two runs"
    assert sorted(first) == [f"{step} {replica}" for step in range(4) for replica in range(2)]
    labels = [np.array(y) for _, y in first.values()]
    assert_all_differ(labels)
    for means, y in first.values():
        np.testing.assert_allclose(means, np.array(y) @ np.arange(8), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "layer", "seed", "error", "message"),
    [
        ("resnet", mixing(), None, TypeError, "`model` must be a keras.Model"),
        (None, keras.layers.Dropout(0.5), None, TypeError, "no sample_plan and no apply_plan"),
        (None, kpm.PatchMixing, None, TypeError, "a class"),
        (None, mixing(), 0.5, ValueError, "`seed` must be an integer"),
        (None, mixing(), True, ValueError, "`seed` must be an integer"),
    ],
)
def test_what_cannot_mix_is_named(model, layer, seed, error, message):
    with pytest.raises(error, match=message):
        mix_on_device(make_model() if model is None else model, layer, seed)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's trainer")
def test_flax_nnx_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "is_nnx_enabled", lambda: True)
    with pytest.raises(ValueError, match="KERAS_NNX_ENABLED"):
        mix_on_device(make_model(), mixing())


def test_images_without_labels_are_refused():
    model = mix_on_device(make_model(), mixing())
    model.compile("sgd")
    with pytest.raises(ValueError, match="needs images `x` and labels `y`"):
        model.fit(data()[0], batch_size=BATCH, verbose=0)


@pytest.mark.parametrize(
    "loss",
    [keras.losses.SparseCategoricalCrossentropy(), "sparse_categorical_crossentropy"],
)
def test_a_loss_of_class_ids_still_evaluates_and_is_refused_in_training(loss):
    model = make_model()
    model.compile("sgd", loss, metrics=["accuracy"])
    mix_on_device(model, mixing())
    assert model.evaluate(*data(), verbose=0, return_dict=True)["accuracy"] == 1
    with pytest.raises(ValueError, match="`loss` must take rows"):
        fit(model)


@on_tensorflow
def test_a_model_without_an_optimizer_is_refused():
    model = mix_on_device(make_model(), mixing())
    model.compile(optimizer=None, loss="mean_squared_error")
    with pytest.raises(ValueError, match="numbers the batches by the optimizer's steps"):
        fit(model)


SMOOTHING_LOSS = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)


def test_smoothing_twice_is_said_once_and_for_every_loss():
    layer = kpm.PatchMixing(num_classes=BATCH, label_smoothing=0.1)
    model = make_model()
    model.compile("sgd", SMOOTHING_LOSS)
    with pytest.warns(UserWarning, match="smoothed twice"):
        mix_on_device(model, layer)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Labels are smoothed twice")
        fit(model)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(label_smoothing=0.3))
    with pytest.warns(UserWarning, match=r"label_smoothing=0\.3"):
        fit(model)


@pytest.mark.parametrize(
    "loss",
    [
        SMOOTHING_LOSS,
        [SMOOTHING_LOSS],
        {"top": keras.losses.BinaryFocalCrossentropy(label_smoothing=0.2)},
        functools.partial(keras.losses.categorical_crossentropy, label_smoothing=0.2),
    ],
)
def test_losses_that_smooth_are_found(loss):
    model = make_model()
    model.compile("sgd", loss)
    with pytest.warns(UserWarning, match=r"PatchMixing\(label_smoothing=0\.1\)"):
        warn_if_smoothed_twice(model, kpm.PatchMixing())


@pytest.mark.parametrize(
    ("loss", "layer"),
    [
        (SMOOTHING_LOSS, kpm.PatchMixing(label_smoothing=0)),
        (SMOOTHING_LOSS, keras.layers.Dropout(0.5)),
        (keras.losses.CategoricalCrossentropy(), kpm.PatchMixing()),
        ("categorical_crossentropy", kpm.PatchMixing()),
        (None, kpm.PatchMixing()),
    ],
)
def test_smoothing_once_is_not_warned_about(loss, layer, recwarn):
    model = make_model()
    model.compile("sgd", loss)
    warn_if_smoothed_twice(model, layer)
    assert not recwarn.list
