"""Models that learn in moments, and `fit` with the callback, for the tests of this folder."""

import json

import keras
import numpy as np

from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.occlusion import PatchDrop, PatchReplacement
from tests.arrays import to_numpy
from tests.occlusion.closed_form import batched

K, SIZE = 4, 16
SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(4, 0.5)]
NAMES = [
    "val_occlusion_clean",
    "val_patch_replacement_4x4_25",
    "val_patch_replacement_4x4_50",
    "val_patch_drop_4x4_50",
]
ALL = {*NAMES, "val_occlusion_mean", "val_occlusion_epoch"}


def data(count=60, seed=0):
    """Noise that is brighter for each class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % K
    images = rng.integers(0, 120, (count, SIZE, SIZE, 3)) + 40 * labels[:, None, None, None]
    return images.astype(np.uint8), labels


def val_data():
    return batched(data(50, seed=1), 16)


def compiled_model(cls=keras.Model, regular=True, **settings):
    """A small classifier, with dropout and batch normalisation where it is `regular`."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(6, 4, 4, activation="relu")(x)
    if regular:
        x = keras.layers.Dropout(0.3)(x)
        x = keras.layers.BatchNormalization(momentum=0.5)(x)
    outputs = keras.layers.Dense(K)(keras.layers.GlobalAveragePooling2D()(x))
    model = cls(inputs, outputs)
    compile_model(model, **settings)
    return model


def compile_model(model, **settings):
    # Tracing costs TensorFlow more than these few steps.
    eager = keras.backend.backend() == "tensorflow"
    model.compile(
        keras.optimizers.AdamW(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **{"jit_compile": False, "run_eagerly": eager, **settings},
    )


def fit(callbacks, epochs=3, model=None, **kwargs):
    model = model or compiled_model()
    settings = {"batch_size": 20, "verbose": 0, **kwargs}
    history = model.fit(*data(), epochs=epochs, callbacks=callbacks, **settings)
    return model, history.history


def drive(callback, model, epochs, first=0):
    """Calls what `fit` calls, without training; returns what each epoch has in its logs."""
    callback.set_model(model)
    callback.on_train_begin()
    found = []
    for epoch in range(first, epochs):
        callback.on_epoch_begin(epoch)
        found.append({})
        callback.on_epoch_end(epoch, found[-1])
    callback.on_train_end()
    return found


def benchmark(**kwargs):
    return OcclusionBenchmark(val_data(), **{"suite": SUITE, **kwargs})


def lines_of(directory):
    return [json.loads(line) for line in (directory / "occlusion.jsonl").read_text().splitlines()]


def state_of(model):
    """Everything that a model and its optimizer hold, states of random generators included."""
    variables = [*model.variables, *model.optimizer.variables]
    return [(variable.path, to_numpy(variable.value)) for variable in variables]


def assert_same_state(model, other):
    for (path, value), (_, expected) in zip(state_of(model), state_of(other), strict=True):
        np.testing.assert_array_equal(value, expected, err_msg=path)
