"""The layers of a vision transformer that Keras does not have."""

import contextlib
import contextvars
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

# The `_Watch` of the forward passes in this thread, or None.
_WATCH = contextvars.ContextVar("keras_patchmix_watch", default=None)


@keras.saving.register_keras_serializable(package="keras_patchmix")
class TokenEmbedding(keras.layers.Layer):
    """Prepends a class token to patches and adds a learned position embedding.

    The position embedding of the patches is a grid. For patches on another grid, and for weights
    saved from another one, it is resampled: a model trained at one image size runs at others.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1 and, for the
    resampling, 3.2.

    Args:
        grid: `(rows, columns)` of the position embedding.
        initializer: Of the position embedding; the class token starts at zero.
            Defaults to `"zeros"`.
    """

    def __init__(self, grid: Sequence[int], initializer: str = "zeros", **kwargs: Any):
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Creates the class token and the position embedding."""
        dim = input_shape[-1]
        self.class_token = self.add_weight(name="class_token", shape=(dim,), initializer="zeros")
        self.class_position = self.add_weight(
            name="class_position", shape=(dim,), initializer="zeros"
        )
        self.positions = self.add_weight(
            name="positions", shape=(*self.grid, dim), initializer=self.initializer
        )

    def call(self, patches):
        """Turns patches into tokens.

        Args:
            patches: Float tensor `(batch, rows, columns, channels)`.

        Returns:
            Float tensor `(batch, 1 + rows * columns, channels)`, the class token first.
        """
        shape = ops.shape(patches)
        watch = _WATCH.get()
        if watch is not None:
            watch.grid = shape[1:3]
        positions = self.positions
        if tuple(patches.shape[1:3]) != self.grid:
            positions = resample_positions(positions, shape[1:3])
        patches = patches + ops.cast(positions, patches.dtype)
        patches = ops.reshape(patches, (shape[0], -1, patches.shape[-1]))
        token = ops.cast(self.class_token + self.class_position, patches.dtype)
        return ops.concatenate([ops.zeros_like(patches[:, :1]) + token, patches], axis=1)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the tokens for a shape of patches."""
        batch, rows, columns, dim = input_shape
        known = rows is not None and columns is not None
        return (batch, 1 + rows * columns if known else None, dim)

    def save_own_variables(self, store):
        """Saves the weights by name."""
        for name in ("class_token", "class_position", "positions"):
            store[name] = getattr(self, name)

    def load_own_variables(self, store):
        """Loads the weights, and resamples positions of another grid."""
        self.class_token.assign(store["class_token"])
        self.class_position.assign(store["class_position"])
        positions = ops.convert_to_tensor(store["positions"])
        if tuple(positions.shape[:2]) != self.grid:
            positions = resample_positions(positions, self.grid)
        self.positions.assign(positions)

    def get_config(self):
        """Returns the constructor's arguments."""
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "grid": self.grid, "initializer": initializer}


@keras.saving.register_keras_serializable(package="keras_patchmix")
class SelfAttention(keras.layers.Layer):
    """Multi-head attention over projected queries, keys and values.

    It has no weights: a `Dense` layer before it projects, one after it joins the heads. Attention
    weights are computed in float32 under every dtype policy.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.

    Args:
        num_heads: Integer, a divisor of the number of channels.
        dropout: Float in [0, 1), the share of attention weights dropped in training.
            Defaults to `0`.
        seed: Integer or `None`.
    """

    def __init__(
        self, num_heads: int, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        self.num_heads = num_heads
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None

    def call(self, inputs, training=False):
        """Attends.

        Args:
            inputs: Float tensor `(batch, tokens, 3 * channels)`: queries, keys and values one
                after another, each with the heads one after another.
            training: Whether attention weights are dropped. Defaults to `False`.

        Returns:
            Float tensor `(batch, tokens, channels)`.
        """
        channels = inputs.shape[-1] // 3
        size = channels // self.num_heads
        batch, tokens = ops.shape(inputs)[:2]
        watch = _WATCH.get()
        if watch is not None and watch.layer is self:
            attention = class_token_attention(inputs, self.num_heads)
            watch.attention = ops.reshape(attention, (batch, *watch.grid))
        heads = ops.reshape(inputs, (batch, tokens, 3, self.num_heads, size))
        # Scaled first: in float16 the products of large queries and keys overflow.
        query, key, value = heads[:, :, 0] * size**-0.5, heads[:, :, 1], heads[:, :, 2]
        drops = training and self.dropout
        # On CPUs, JAX lacks the fused operation in float16.
        lacks = keras.backend.backend() == "jax" and self.compute_dtype == "float16"
        if drops or lacks:
            outputs = self._attend(query, key, value, drops)
        else:
            outputs = ops.dot_product_attention(query, key, value, scale=1.0)
        return ops.reshape(outputs, (batch, tokens, channels))

    def _attend(self, query, key, value, drops):
        logits = ops.cast(ops.einsum("bqhc,bkhc->bhqk", query, key), "float32")
        weights = ops.softmax(logits, axis=-1)
        if drops:
            weights = keras.random.dropout(weights, self.dropout, seed=self.seed_generator)
        return ops.einsum("bhqk,bkhc->bqhc", ops.cast(weights, value.dtype), value)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the outputs for a shape of the inputs."""
        return (*input_shape[:-1], input_shape[-1] // 3)

    def get_config(self):
        """Returns the constructor's arguments."""
        arguments = {"num_heads": self.num_heads, "dropout": self.dropout, "seed": self.seed}
        return {**super().get_config(), **arguments}


class _Watch:
    """The attention of the class token in the latest forward pass, see `watch_class_token`."""

    def __init__(self, layer):
        self.layer, self.grid, self.attention = layer, None, None


@contextlib.contextmanager
def watch_class_token(layer):
    """Records what the class token attends to in a layer, while the block runs.

    The record is a context variable: replicas that share a layer do not see each other's, and no
    tensor of a compiled function outlives the block. The outputs of the layer are the same.

    Args:
        layer: A `SelfAttention` of a model with a `TokenEmbedding`.

    Yields:
        An object with `attention`, float32 `(batch, rows, columns)` of the latest forward pass, or
        `None` before the first.
    """
    watch = _Watch(layer)
    token = _WATCH.set(watch)
    try:
        yield watch
    finally:
        _WATCH.reset(token)


def class_token_attention(qkv, num_heads):
    """Returns the attention of the first token to every other one, averaged over the heads.

    softmax(q k^T / sqrt(d)) of the first token's query, in float32, without its own entry. No
    gradient flows through it.

    Source: Chen et al. 2022, "TransMix: Attend to Mix for Vision Transformers", arXiv 2111.09833.

    Args:
        qkv: Float tensor `(batch, tokens, 3 * channels)`, as `SelfAttention` takes it.
        num_heads: Integer.

    Returns:
        Float32 tensor `(batch, tokens - 1)`.
    """
    qkv = ops.cast(ops.stop_gradient(qkv), "float32")
    channels = qkv.shape[-1] // 3
    size = channels // num_heads
    batch, tokens = ops.shape(qkv)[:2]
    query = ops.reshape(qkv[:, 0, :channels], (batch, 1, num_heads, size)) * size**-0.5
    key = ops.reshape(qkv[:, :, channels : 2 * channels], (batch, tokens, num_heads, size))
    weights = ops.softmax(ops.sum(query * key, axis=-1), axis=1)
    return ops.mean(weights, axis=-1)[:, 1:]


@keras.saving.register_keras_serializable(package="keras_patchmix")
class PatchFeatures(keras.layers.Layer):
    """Drops the class token and reshapes the others to a feature map.

    Args:
        patch_size: Pixels a side of a patch.
    """

    def __init__(self, patch_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, tokens, images):
        """Reshapes tokens.

        Args:
            tokens: Float tensor `(batch, 1 + rows * columns, channels)`.
            images: Tensor `(batch, height, width, ...)` of the images; only its shape is used.

        Returns:
            Float tensor `(batch, rows, columns, channels)`.
        """
        batch, height, width = ops.shape(images)[:3]
        rows, columns = height // self.patch_size, width // self.patch_size
        return ops.reshape(tokens[:, 1:], (batch, rows, columns, tokens.shape[-1]))

    def compute_output_shape(self, tokens_shape, images_shape):
        """Returns the shape of the map."""
        sides = [side and side // self.patch_size for side in images_shape[1:3]]
        return (tokens_shape[0], *sides, tokens_shape[-1])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "patch_size": self.patch_size}


@keras.saving.register_keras_serializable(package="keras_patchmix")
class GELU(keras.layers.Layer):
    """The activation GELU, exact or approximated.

    Args:
        approximate: Whether it is the approximation by tanh. Defaults to `True`.
    """

    def __init__(self, approximate: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.approximate = approximate

    def call(self, inputs):
        """Applies the activation to a float tensor of any shape."""
        return ops.gelu(inputs, approximate=self.approximate)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "approximate": self.approximate}


def token_arrays(token, positions, grid=None):
    """Returns the arrays of a `TokenEmbedding` for those of another library.

    Args:
        token: Array of the class token.
        positions: Array `(..., 1 + patches, channels)`, the class token's first.
        grid: `(rows, columns)` of the patches. Defaults to a square.
    """
    positions = np.reshape(positions, (-1, positions.shape[-1]))
    count = len(positions) - 1
    if grid is None or grid[0] * grid[1] != count:
        side = round(count**0.5)
        grid = (side, side)
    if grid[0] * grid[1] != count:
        raise ValueError(
            f"`weights`: {count} positions are no square, and not those of the model's grid."
        )
    return [np.ravel(token), positions[0], positions[1:].reshape(*grid, -1)]


def resample_positions(positions, grid):
    """Resamples a position embedding to another grid, bicubic and with antialiasing.

    Cubic convolution with a = -0.5 at half-pixel centers, weights normalized at the borders, the
    kernel widened where the grid shrinks; `jax.image.resize` with "cubic" does the same. Source
    of the kernel: Keys 1981, "Cubic convolution interpolation for digital image processing".
    Two matrix products also hold for sizes that are known only in a running graph, and have a
    gradient on every backend.

    Args:
        positions: Float tensor `(rows, columns, channels)`.
        grid: The new `(rows, columns)`: integers or scalar integer tensors.

    Returns:
        Float32 tensor `(new rows, new columns, channels)`.
    """
    rows = _cubic_matrix(positions.shape[0], grid[0])
    columns = _cubic_matrix(positions.shape[1], grid[1])
    return ops.einsum("ir,jc,rcd->ijd", rows, columns, ops.cast(positions, "float32"))


def _cubic_matrix(old, new):
    """Returns the weights of `old` samples in `new` ones, a float32 tensor `(new, old)`."""
    step = old / ops.cast(new, "float32")
    centers = (ops.cast(ops.arange(new), "float32") + 0.5) * step - 0.5
    distance = centers[:, None] - ops.arange(old, dtype="float32")[None]
    distance = ops.abs(distance) / ops.maximum(step, 1.0)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = ops.where(distance <= 1, near, ops.where(distance < 2, far, 0.0))
    return weights / ops.sum(weights, axis=1, keepdims=True)
