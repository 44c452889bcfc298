"""Array operations on JAX arrays, concrete or traced."""

import jax
import jax.numpy as jnp
import numpy as np

from keras_patchmix.mixing.arrays import numpy_ops, seed_source

all = jnp.all
arange = jnp.arange
broadcast_to = jnp.broadcast_to
clip = jnp.clip
concat = jnp.concatenate
convert_to_tensor = jnp.asarray
expand_dims = jnp.expand_dims
in_function = numpy_ops.in_function
outer_and = numpy_ops.outer_and
rank = jnp.ndim
repeat = jnp.repeat
reshape = jnp.reshape
round = jnp.round
shape = jnp.shape
sum = jnp.sum
where = jnp.where


def cast(x, dtype):
    """Converts to a dtype given by name."""
    return jnp.asarray(x).astype(dtype)


def dtype(x):
    """The name of the dtype, such as "uint8"."""
    return x.dtype.name


def take(x, index, axis):
    """Gathers along an axis; indices are known to be in range, which saves JAX its own check."""
    # Unsigned, so that JAX does not look for negative ones; its argument that says so is of 0.7.
    place = (slice(None),) * axis + (jnp.asarray(index).astype("uint32"),)
    return jnp.asarray(x).at[place].get(mode="promise_in_bounds")


def match(x, like):
    """An array of `x`, where `like` is."""
    del like
    return jnp.asarray(x)


def multiply_no_nan(x, y):
    """The product, and 0 where `y` is 0, which nan * 0 is not."""
    return jnp.where(y == 0, 0, x * y)


def prefers_selection(x, equal_columns):
    """Whether patches of `x` are better selected than gathered; see `_moving.move_patches`.

    Under `jax.jit` the selection is one loop without temporaries, and accelerators are slow at
    gathers of small pieces. On a CPU it was the faster form in three of four cases measured.
    """
    del x, equal_columns
    return True


def check(condition, message, *values):
    """Raises `ValueError` where the condition is false, unless it is being traced."""
    if isinstance(condition, jax.core.Tracer) or condition:
        return
    raise ValueError(" ".join([message, *map(str, values)]))


check_sizes = check


def random_uniform(shape, seed):
    """Uniform float32 multiples of 2^-23 in [0, 1), a pure function of `shape` and `seed`."""
    key = jax.random.fold_in(jax.random.key(_word(seed[0])), _word(seed[1]))
    return jax.random.uniform(key, shape)


def _word(number):
    if isinstance(number, jax.Array):
        return number.astype("uint32")
    return np.uint32(int(number) & 0xFFFFFFFF)


def argsort(x):
    """The order that sorts a vector, equal values in their own order."""
    return jnp.argsort(x, stable=True)


def sort_descending(x):
    """Sorts the last axis, the largest first."""
    return jnp.sort(x, axis=-1, descending=True)


def searchsorted(table, x):
    """For each of the vector `x`, how many entries of the sorted vector `table` it reaches."""
    return jnp.searchsorted(table, x, side="right")


def take_along_rows(x, index):
    """`x[b, index[b]]` for each row b, shape `(rows,)`."""
    return jnp.take_along_axis(x, index[:, None], axis=1)[:, 0]


class SeedSource(seed_source.KerasSeedSource):
    """A stream of seeds, uint32 `(2,)`."""

    def __init__(self, lineage):
        super().__init__(lineage, backend="jax")

    def _follow(self):
        if not isinstance(self.generator.state.value, jax.core.Tracer):
            super()._follow()  # else the caller carries the state

    def _draw(self):
        """Returns the next seed.

        Raises:
            RuntimeError: The state would be a constant of a function that is being traced.
        """
        before = self.generator.state.value
        seed = super()._draw()
        if isinstance(seed, jax.core.Tracer) and not isinstance(before, jax.core.Tracer):
            self.generator.state.assign(before)
            raise RuntimeError(
                "Inside jax.jit the layer's own seeds would be traced as a constant, and every "
                "batch mixed alike. Pass the state through with `layer.stateless_call`, or give a "
                "seed: `layer.apply_plan(layer.sample_plan(data, seed=seed), data, labels)`."
            )
        return seed
