"""Seeds whose state is a Keras variable, for the backends that keep state in such."""

import keras


class KerasSeedSource:
    """A stream of seeds, two numbers, that starts at an integer.

    `layer.stateless_call` carries its state through compiled code.

    Args:
        seed: Integer.
        backend: The Keras backend that it is for.

    Raises:
        RuntimeError: The Keras backend is another one.
    """

    def __init__(self, seed, backend):
        if keras.backend.backend() != backend:
            raise RuntimeError(
                "The layer's own seeds serve the Keras backend, tf.data and NumPy. Set "
                f"KERAS_BACKEND={backend}, or give a seed: `layer.sample_plan(data, seed=...)`. "
                f"Received: a tensor of {backend} and the backend {keras.backend.backend()!r}"
            )
        self.generator = keras.random.SeedGenerator(seed)

    def next(self):
        """Returns the next seed and advances the stream."""
        return self.generator.next()
