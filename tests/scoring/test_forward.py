import gc
import warnings
import weakref

import keras
import numpy as np
import pytest

from keras_patchmix.occlusion import PatchDrop, evaluate
from keras_patchmix.scoring.forward import forward_function, patch_size
from tests.arrays import BACKEND, as_kind, to_numpy
from tests.occlusion.closed_form import (
    SIZE,
    K,
    batched,
    constant_data,
    is_compiled,
    median_reader,
    small_model,
)


class Counting(keras.Model):
    """Scores are the mean of each channel through a dense layer; calls are counted."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(K)
        self.compiled = self.computed = 0

    # Without an argument `training`, which some models have and some have not.
    def call(self, x):
        if is_compiled(x):
            self.compiled += 1
        else:
            self.computed += 1
        return self.dense(keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2)))


def test_one_trace_per_model_whatever_the_last_batch_and_the_epoch():
    model = Counting()
    model(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    # A call of an eager model is no trace, but building one is symbolic.
    model.compiled = model.computed = 0
    for epoch in range(3):
        model.set_weights([np.zeros((3, K)), np.eye(K)[epoch]])
        report = evaluate(model, batched(constant_data(50), 16), seed=epoch)
        # 50 images of 6 classes in turn: 9, 9 and 8 of the first three.
        assert report.rows[0].top1 == [9, 9, 8][epoch] / 50
        if BACKEND == "torch":
            assert model.computed == 4 * len(report.rows) * (epoch + 1)
        else:
            assert (model.compiled, model.computed) == (1, 0)


def test_dropout_is_off_and_nothing_of_the_model_changes():
    model = small_model()
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1)]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers, *model.layers])
    images = constant_data(12)[0].astype(np.float32)
    expected = to_numpy(keras.ops.stop_gradient(model(images, training=False)))
    before = [np.array(keras.ops.convert_to_numpy(v.value)) for v in model.variables]
    np.testing.assert_allclose(to_numpy(forward_function(model)(images)), expected, atol=1e-5)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable.value), value)


@pytest.mark.parametrize("kind", ["numpy", BACKEND])
def test_arrays_and_tensors_go_in(kind):
    images = constant_data(12)[0].astype(np.float32)
    images.flags.writeable = False
    model = small_model()  # which the function does not keep alive
    forward = forward_function(model)
    # PyTorch warns of arrays that must not be written to, if they reach it uncopied.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert to_numpy(forward(as_kind(images, kind))).shape == (12, K)


@pytest.mark.skipif(BACKEND != "torch", reason="is about PyTorch's modes")
def test_modes_and_gradients_of_torch_are_left_as_they_were():
    import torch

    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(3)
            self.frozen = torch.nn.BatchNorm1d(3)
            self.dense = keras.layers.Dense(K)

        def call(self, x):
            x = keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2))
            # The modules inside their Keras wrappers, as code that is half PyTorch calls them.
            return self.dense(self.frozen.module(self.norm.module(x)))

    model = Wrapped()
    model(np.ones((4, SIZE, SIZE, 3), np.uint8))
    model.train()
    model.frozen.module.eval()
    mean = model.norm.module.running_mean.clone()
    with torch.enable_grad():
        scores = forward_function(model)(constant_data(8)[0])
        assert torch.is_grad_enabled()
    assert not scores.requires_grad
    assert torch.equal(model.norm.module.running_mean, mean)
    assert model.norm.module.training
    assert not model.frozen.module.training
    assert all(weight.value.requires_grad for weight in model.dense.trainable_variables)


def test_a_callback_of_the_user_may_score_after_any_batch():
    model = small_model()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = constant_data(32)
    scores = []

    def score(batch, logs):
        # Not through `self.model`, which would make JAX's trainer hand out the weights.
        scores.append(to_numpy(forward_function(model)(images[:8])))

    model.fit(
        images,
        labels,
        batch_size=16,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=score)],
    )
    np.testing.assert_allclose(
        scores[-1], model.predict(images[:8], verbose=0), atol=1e-5, rtol=1e-5
    )
    assert np.any(scores[0] != scores[1])


def test_a_model_that_is_not_built_and_one_whose_layers_are_exchanged():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(K)])
    data = constant_data(20)
    suite = [PatchDrop(2, 0.5)]
    as_float = (data[0].astype(np.float32), data[1])
    assert evaluate(model, as_float, suite=suite).rows[0].n == 20
    before = forward_function(model)
    assert forward_function(model) is before
    model.layers[1].enable_lora(2)
    assert forward_function(model) is not before


def test_the_forward_function_does_not_keep_a_model_alive():
    model = small_model()
    evaluate(model, constant_data(8), suite=[PatchDrop(2, 0.5)])
    alive = [id(w) for w in model.weights]
    assert alive
    reference = weakref.ref(model)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert reference() is None


def test_patch_size_of_a_model():
    conv = keras.layers.Conv2D
    assert patch_size(keras.Sequential([keras.Sequential([conv(4, (2, 3), (2, 3))])])) == (2, 3)
    assert patch_size(keras.Sequential([conv(4, 3), conv(4, 2, 2)])) is None
    assert patch_size(keras.Sequential([conv(4, 1)])) is None
    layer = keras.layers.Dense(3)
    layer.patch_size = 16
    assert patch_size(keras.Sequential([conv(4, 3), layer])) == (16, 16)
    assert patch_size(median_reader) is None
