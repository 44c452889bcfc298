"""Data and models whose accuracy under each corruption is known exactly."""

import keras
import numpy as np

from tests.arrays import BACKEND

K = 6
SIZE = 28


def constant_data(count=90, first_class=0):
    """Image i is 40 k + 10 everywhere, k being its class; drawn without the classes before."""
    labels = first_class + np.arange(count) % (K - first_class)
    images = np.broadcast_to((40 * labels + 10)[:, None, None, None], (count, SIZE, SIZE, 3))
    return images.astype(np.uint8), labels


def scores_of(values):
    """Returns scores whose argmax is the class of a pixel value; 0, black, is class 0."""
    return -abs(np.asarray(values, np.float32)[:, None] - (40 * np.arange(K) + 10))


def pixel_reader(y, x):
    return lambda images: scores_of(np.asarray(images)[:, y, x, 0])


def median_reader(images):
    return scores_of(np.median(np.asarray(images)[..., 0], axis=(1, 2)))


def batched(data, size):
    """A tuple of arrays as a data set of batches such as users of the backend have."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(data).batch(size)
    return Batches(data, size)


class Batches(keras.utils.PyDataset):
    """A data set that needs no framework; the last batch is smaller."""

    def __init__(self, data, size):
        super().__init__()
        self.data, self.size = data, size
        self.read = 0

    def __len__(self):
        return -(-len(self.data[0]) // self.size)

    def __getitem__(self, step):
        self.read += 1
        return tuple(x[step * self.size : (step + 1) * self.size] for x in self.data)


def is_compiled(x):
    """Whether the call of a model that gets `x` is one of a compiler, not a computation."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if BACKEND == "jax":
        import jax

        return isinstance(x, jax.core.Tracer)
    return False


def small_model(**kwargs):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 4, 4, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(K, **kwargs),
        ]
    )
