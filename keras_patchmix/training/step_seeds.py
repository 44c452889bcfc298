"""Random numbers that are a function of a seed and of the step, for Keras' preprocessing layers.

These layers draw from a counter of their own, which a parallel map reads in no fixed order and no
checkpoint holds. Given a generator that counts from the step instead, they give the same batch
whatever runs beside them, and whatever ran before.
"""

import threading

import keras
import numpy as np

from keras_patchmix.base.optional import require
from keras_patchmix.training import step_numbers
from keras_patchmix.training.step_numbers import NOT_ZERO, NUM_STREAMS, STREAMS


def seed_of(seed, stream, step, draw=0):
    """Returns an int64 tensor `(2,)`, a seed for `tf.random.stateless_*`.

    Args:
        seed: Integer, the seed of the run.
        stream: One of `STREAMS`.
        step: Integer or integer tensor.
        draw: Integer, which of several draws of the stream in this step.
    """
    tf = require("tensorflow", "Training")
    key = tf.constant([seed, STREAMS[stream] + NUM_STREAMS * draw], tf.int64)
    words = tf.random.stateless_uniform((2,), key, 0, 2**31 - 1, tf.int64)
    return tf.stack([words[0], words[1] + tf.cast(step, tf.int64)])


def shuffle_seed(seed, number, draw=0):
    """Returns an int64 scalar for `tf.data.Dataset.shuffle`, inside a function that `tf.data` maps.

    Args:
        seed: Integer, the seed of the run.
        number: Integer tensor, which pass over the data it is.
        draw: Integer, which of several shuffles of the pass.
    """
    tf = require("tensorflow", "Training")
    graph = tf.compat.v1.get_default_graph()
    if graph.seed == 0:
        # Where the global seed is 0, TensorFlow asks in Python whether this one is 0 too, which no
        # tensor in a graph can answer.
        graph.seed = NOT_ZERO
    return seed_of(seed, "shuffle", number, draw)[1]


class StepSeeds(keras.random.SeedGenerator):
    """Stands in for the generator of one of Keras' preprocessing layers in a pipeline.

    Each thread has a step of its own. Under TensorFlow it is a tensor, else an integer.

    Args:
        seed: Integer, the seed of the run.
        stream: One of `STREAMS`.
    """

    def __init__(self, seed, stream):
        super().__init__(0)  # its state is not read; on several hosts it must be the same
        self._seed, self._stream = seed, stream
        self._of_thread = threading.local()

    def at(self, step):
        """Begins the numbers of a step."""
        self._of_thread.step, self._of_thread.drawn = step, 0

    def next(self, ordered=True):
        """Returns the next seed of the step, an integer tensor `(2,)`."""
        self._of_thread.drawn += 1
        place = self._seed, self._stream, self._of_thread.step, self._of_thread.drawn
        if keras.backend.backend() == "tensorflow":
            return require("tensorflow", "Training").cast(seed_of(*place), self.state.dtype)
        words = np.array(step_numbers.seed_of(*place)) & 0x7FFFFFFF  # PyTorch's are int32
        return keras.ops.convert_to_tensor(words, self.state.dtype)


def seeded(layer, seed, stream):
    """Returns `(layer, generator)`: a Keras preprocessing layer that draws from a `StepSeeds`."""
    layer.generator = StepSeeds(seed, stream)
    return layer, layer.generator
