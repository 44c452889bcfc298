"""Streams of seeds, one class for each way of keeping a state."""

import itertools

import keras
import numpy as np

from keras_patchmix.mixing.arrays.lineage import LOCK


class SeedSource:
    """A stream of seeds, pairs of integers, that starts where its lineage says.

    Args:
        lineage: A `Lineage`.
    """

    def __init__(self, lineage):
        self.lineage = lineage
        with LOCK:
            self._start = lineage.start()
        self._begin(*self._start)

    def next(self):
        """Returns the next seed and advances the stream; no two threads get the same."""
        with LOCK:
            self._follow()
        return self._draw()

    def follow(self, lineage):
        """Starts anew, where another lineage says."""
        with LOCK:
            self.lineage = lineage
            self._follow()

    def _follow(self):
        start = self.lineage.start()
        if start != self._start:
            self._restart(*start)
            self._start = start

    def _restart(self, seed, offset):
        self._begin(seed, offset)

    def _begin(self, seed, offset):
        raise NotImplementedError

    def _draw(self):
        """Returns the next seed in one step, which no other thread interrupts."""
        raise NotImplementedError


class NumpySeedSource(SeedSource):
    """A stream of seeds, int64 `(2,)`, of NumPy."""

    def _begin(self, seed, offset):
        self._seed, self._count = seed, itertools.count(offset)

    def _draw(self):
        return np.array([self._seed, next(self._count)], "int64")


class KerasSeedSource(SeedSource):
    """A stream whose state is a Keras variable, which `layer.stateless_call` carries.

    Args:
        lineage: A `Lineage`.
        backend: The Keras backend that it is for.

    Raises:
        RuntimeError: The Keras backend is another one.
    """

    def __init__(self, lineage, backend):
        if keras.backend.backend() != backend:
            raise RuntimeError(
                "The layer's own seeds serve the Keras backend, tf.data, PyTorch and NumPy. Set "
                f"KERAS_BACKEND={backend}, or give a seed: `layer.sample_plan(data, seed=...)`. "
                f"Received: a tensor of {backend} and the backend {keras.backend.backend()!r}"
            )
        super().__init__(lineage)

    def _begin(self, seed, offset):
        self.generator = keras.random.SeedGenerator(seed)
        if offset:
            self._restart(seed, offset)

    def _restart(self, seed, offset):
        state = self.generator.state
        state.assign(np.array([seed, offset], keras.backend.standardize_dtype(state.dtype)))

    def next(self):
        """Returns the next seed and advances the stream; no two threads get the same."""
        with LOCK:  # the generator reads and advances its state in two steps
            return super().next()

    def _draw(self):
        return self.generator.next()
