"""The state of a training: a fit that is broken off and goes on ends as if it never was."""

import csv

import keras
import numpy as np
import pytest

from keras_patchmix.models.blocks import DropPath
from keras_patchmix.training.checkpoints import CheckpointFolder, arrays_of, restore
from keras_patchmix.training.fit_callbacks import (
    AveragedValidation,
    Diverged,
    EpochCheckpoint,
    averaged,
)

STEPS, EPOCHS, BATCH, K = 4, 3, 8, 3
X = np.random.default_rng(5).normal(size=(STEPS * BATCH, 6)).astype("float32")
Y = np.eye(K, dtype="float32")[X[:, :K].argmax(axis=1)]


def make_model(rate=0.05, policy="float32", **optimizer):
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(7)
        inputs = keras.Input((6,))
        x = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Dense(8)(inputs))
        x = keras.layers.Dropout(0.4)(keras.layers.Add()([x, DropPath(0.4, seed=1)(x)]))
        outputs = keras.layers.Dense(K, dtype="float32")(x)
        model = keras.Model(inputs, outputs)
        model.compile(
            keras.optimizers.AdamW(rate, **optimizer),
            keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
            # Tracing costs TensorFlow more than these few steps; scales of the loss need a graph.
            run_eagerly=keras.backend.backend() == "tensorflow" and policy == "float32",
        )
    finally:
        keras.config.set_dtype_policy("float32")
    model.optimizer.build(model.trainable_variables)
    return model


def fit(place, model=None, extra=(), validate=True, **arguments):
    """Trains on after the newest checkpoint in a directory; returns the model and its history."""
    model, folder = model or make_model(), CheckpointFolder(place)
    begun = folder.load()
    keeping = EpochCheckpoint(folder, place / "metrics.csv", begun, **arguments)
    history = model.fit(
        X,
        Y,
        batch_size=BATCH,
        initial_epoch=0 if begun is None else begun.epoch,
        epochs=EPOCHS,
        shuffle=False,
        validation_data=(X[:10], Y[:10]) if validate else None,
        callbacks=[*extra, keeping],
        verbose=0,
    )
    return model, history.history


class Stop(Exception):
    pass


class At(keras.callbacks.Callback):
    """Calls something after the n-th step of a fit, before the state is kept."""

    def __init__(self, step, action):
        super().__init__()
        self.left, self.action = step, action

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.action(self.model)


class AtEpochEnd(keras.callbacks.Callback):
    """Stops at the end of an epoch, before the state is kept."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stop


def stop(model):
    raise Stop


def assert_same(model, other):
    found, expected = arrays_of(model), arrays_of(other)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].tobytes() == value.tobytes(), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = tmp_path_factory.mktemp("undisturbed")
    return (*fit(place), (place / "metrics.csv").read_bytes())


@pytest.mark.parametrize(
    ("callback", "done"),
    [
        (At(1, stop), 0),
        (At(STEPS + 1, stop), 1),
        (At(2 * STEPS, stop), 1),
        (AtEpochEnd(1), 1),
        (At(EPOCHS * STEPS, stop), 2),
        (AtEpochEnd(2), 2),
    ],
    ids=["first step", "in an epoch", "last step", "scoring", "end", "last scoring"],
)
def test_a_fit_that_was_broken_off_ends_in_the_same_state(callback, done, undisturbed, tmp_path):
    with pytest.raises(Stop):
        fit(tmp_path, extra=[callback])
    assert [path.name for path in CheckpointFolder(tmp_path).files()] == [
        f"epoch-{epoch:06d}.npz" for epoch in range(done, 0, -1)
    ]
    model, history = fit(tmp_path)
    assert_same(model, undisturbed[0])
    assert history == {name: values[done:] for name, values in undisturbed[1].items()}
    assert (tmp_path / "metrics.csv").read_bytes() == undisturbed[2]


def test_the_state_holds_all_that_training_changes(undisturbed):
    fresh, trained = arrays_of(make_model()), arrays_of(undisturbed[0])
    kept = {name for name in fresh if fresh[name].tobytes() == trained[name].tobytes()}
    if keras.backend.backend() == "torch":
        kept -= {"model 7"}  # this dropout draws from PyTorch's generator
    assert kept == {"optimizer 1"}, "the learning rate"
    assert sum(value.dtype.kind in "iu" for value in fresh.values()) >= 3


def test_the_metrics_are_those_of_the_history(undisturbed):
    head, *rows = csv.reader(undisturbed[2].decode().splitlines())
    assert head == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    for place, name in enumerate(head[1:], start=1):
        assert [float(row[place]) for row in rows] == undisturbed[1][name]


def test_a_metric_that_comes_later_or_no_more_is_nan_elsewhere(tmp_path):
    folder, model = CheckpointFolder(tmp_path), make_model()
    for epoch, logs in enumerate(({"loss": 0.5}, {"loss": 0.25, "a": 1.5}, {"loss": 0.125})):
        keeping = EpochCheckpoint(folder, tmp_path / "metrics.csv", folder.load())
        keeping.set_model(model)
        keeping.set_params({"epochs": EPOCHS})
        keeping.on_epoch_end(epoch, logs)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == ["epoch,loss,a", "0,0.5,nan", "1,0.25,1.5", "2,0.125,nan"]


def test_a_worker_that_does_not_write_leaves_no_files(tmp_path):
    fit(tmp_path, writes=False, validate=False)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_names_the_step_and_the_last_good_checkpoint(tmp_path):
    def spoil(model):
        model.layers[-1].bias.assign([np.nan] * K)

    with pytest.raises(Diverged) as error:
        fit(tmp_path, extra=[AfterEpoch(0, spoil)])
    message = str(error.value)
    assert "The loss is nan after step 1 of epoch 2" in message
    assert str(tmp_path / "epoch-000001.npz") in message
    assert all(np.isfinite(v).all() for v in CheckpointFolder(tmp_path).load().arrays.values())


class AfterEpoch(keras.callbacks.Callback):
    """Calls something before the epoch after one."""

    def __init__(self, epoch, action):
        super().__init__()
        self.epoch, self.action = epoch, action

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch + 1:
            self.action(self.model)


class Spoil(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.layers[-1].bias.assign([np.inf] * K)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    with pytest.raises(Diverged, match=r"not finite after the last step of epoch 1\b.*: none"):
        fit(tmp_path, extra=[Spoil()])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings",
    [{"policy": "mixed_float16"}, {"use_ema": True}],
    ids=["loss scale", "averages"],
)
def test_loss_scales_and_averages_are_kept_too(settings, tmp_path):
    extra = [AveragedValidation()] if "use_ema" in settings else []
    whole, history = fit(tmp_path / "a", make_model(**settings), extra)
    with pytest.raises(Stop):
        fit(tmp_path / "b", make_model(**settings), [*extra, At(STEPS + 3, stop)])
    model, rest = fit(tmp_path / "b", make_model(**settings), extra)
    assert_same(model, whole)
    assert rest["val_loss"] == history["val_loss"][1:]


@pytest.mark.slow
def test_averages_are_scored_and_the_weights_come_back_to_the_last_bit():
    model = make_model(use_ema=True, ema_momentum=0.5)
    for _ in range(3):
        model.train_on_batch(X, Y)
    before = arrays_of(model)
    with averaged(model):
        inside = arrays_of(model)
    assert any((inside[name] != before[name]).any() for name in before)
    for name, value in arrays_of(model).items():
        assert value.tobytes() == before[name].tobytes()


def test_averages_that_were_validated_train_on():
    model = make_model(use_ema=True, ema_momentum=0.5)
    model.jit_compile = keras.backend.backend() == "jax"  # which then gives arrays away
    history = model.fit(
        X, Y, validation_data=(X, Y), epochs=3, verbose=0, callbacks=[AveragedValidation()]
    ).history
    # `fit` ends with the averages in the place of the weights.
    loss = model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(history["val_loss"][-1], rel=1e-5)
    assert len(set(history["val_loss"])) == 3


def test_variables_in_bfloat16_come_back_to_the_last_bit():
    model, other = make_model(policy="bfloat16"), make_model(policy="bfloat16")
    for number, variable in enumerate(other.trainable_variables):
        variable.assign(np.full(variable.shape, 1 / 3 + number))
    arrays = arrays_of(other)
    assert (model.trainable_variables[0].dtype, arrays["model 0"].dtype) == ("bfloat16", "float32")
    assert not np.isclose(arrays["model 0"], 1 / 3, rtol=1e-5).any(), "rounded"
    restore(model, arrays)
    for found, expected in zip(model.trainable_variables, other.trainable_variables, strict=True):
        assert (keras.ops.convert_to_numpy(found) == keras.ops.convert_to_numpy(expected)).all()


def test_the_state_of_another_model_is_refused():
    arrays = arrays_of(make_model())
    arrays["model 0"] = np.zeros((1, 2), "float32")
    with pytest.raises(ValueError, match=r"of another model or optimizer.*model 0 \[1, 2\]"):
        restore(make_model(), arrays)
