"""Mixing inside the train step, seen through `fit`.

Image i is of the constant value i and of class i, and the model's output is the share of pixels of
each value: what the loss is given as labels must be what the model says.
"""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from keras_patchmix.training import mix_on_device

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
    return kpm.PatchMixing(
        num_classes=BATCH, probability=1.0, label_smoothing=0, seed=seed, **arguments
    )


def make_model(dtype="uint8", cls=keras.Model):
    inputs = keras.Input((14, 14, 1), dtype=dtype)
    return cls(inputs, PixelShares()(inputs))


def compile_model(model, optimizer=None, loss="mean_squared_error", **arguments):
    if BACKEND == "tensorflow" and not arguments:
        arguments = {"run_eagerly": True}  # tracing costs more than these few steps
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
