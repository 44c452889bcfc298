"""Layers that the architectures share and Keras lacks."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_patchmix")
class LayerScale(keras.layers.Layer):
    """Multiplies each channel by a learned scale that starts near zero.

    Source: Touvron et al. 2021, "Going deeper with Image Transformers", section 2.1.

    Args:
        initial_value: Float, the start value of all scales. Defaults to `1e-6`.
    """

    def __init__(self, initial_value: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.initial_value = initial_value

    def build(self, input_shape):
        """Creates the scale, of shape `(channels,)`."""
        self.scale = self.add_weight(
            name="scale",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial_value),
        )

    def call(self, inputs):
        """Scales `inputs`, a float tensor of shape `(..., channels)`."""
        return inputs * ops.cast(self.scale, inputs.dtype)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "initial_value": self.initial_value}


@keras.saving.register_keras_serializable(package="keras_patchmix")
class DropPath(keras.layers.Layer):
    """Stochastic depth: in training, sets a whole residual branch to zero for some samples.

    The others are divided by 1 - rate, so that the expectation does not change.
    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth".

    Args:
        rate: Float in [0, 1), the probability of dropping a sample's branch.
        seed: Integer or `None`.

    Raises:
        ValueError: `rate` is outside [0, 1).
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        """Drops samples of `inputs`, a float tensor of shape `(batch, ...)`, when training."""
        if not training or self.rate == 0:
            return inputs
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        keep = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) >= self.rate
        return inputs * ops.cast(keep, inputs.dtype) / (1 - self.rate)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_patchmix")
class ReverseChannels(keras.layers.Layer):
    """Converts RGB to BGR, for models that were trained in Caffe."""

    def call(self, images):
        """Reverses the last axis of `images`, a tensor of shape `(..., channels)`."""
        return ops.flip(images, axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape
