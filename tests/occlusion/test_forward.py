import gc
import weakref

import keras
import numpy as np
import tensorflow as tf

from keras_patchmix.occlusion import PatchDrop, evaluate
from keras_patchmix.occlusion.forward import forward_function, patch_size
from tests.occlusion.closed_form import SIZE, K, constant_data, median_reader, small_model


def test_one_trace_per_model_whatever_the_last_batch_and_the_epoch():
    class Counting(keras.Model):
        traces = 0

        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(K)

        def call(self, x):
            if not tf.executing_eagerly():
                type(self).traces += 1
            return self.dense(keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2)))

    model = Counting()
    model(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    # A call of an eager model is no trace, but building one is symbolic.
    Counting.traces = 0
    dataset = tf.data.Dataset.from_tensor_slices(constant_data(50)).batch(16)
    for epoch in range(3):
        model.set_weights([np.zeros((3, K)), np.eye(K)[epoch]])
        report = evaluate(model, dataset, seed=epoch)
        # 50 images of 6 classes in turn: 9, 9 and 8 of the first three.
        assert report.rows[0].top1 == [9, 9, 8][epoch] / 50
        assert Counting.traces == 1


def test_a_model_that_is_not_built_and_one_whose_layers_are_exchanged():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(K)])
    data = constant_data(20)
    suite = [PatchDrop(2, 0.5)]
    as_float = (data[0].astype(np.float32), data[1])
    assert evaluate(model, as_float, suite).rows[0].n == 20
    before = forward_function(model)
    assert forward_function(model) is before
    model.layers[1].enable_lora(2)
    assert forward_function(model) is not before


def test_the_forward_function_does_not_keep_a_model_alive():
    model = small_model()
    evaluate(model, constant_data(8), [PatchDrop(2, 0.5)])
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
