"""Array operations on NumPy arrays."""

import keras
import numpy as np

from keras_patchmix.mixing.arrays import seed_source

all = np.all
arange = np.arange
broadcast_to = np.broadcast_to
clip = np.clip
concat = np.concatenate
convert_to_tensor = np.asarray
expand_dims = np.expand_dims
repeat = np.repeat
reshape = np.reshape
round = np.round
sum = np.sum
take = np.take
where = np.where


def cast(x, dtype):
    """Converts to a dtype given by name, bfloat16 among them."""
    return np.asarray(x).astype(keras.backend.standardize_dtype(dtype), copy=False)


def dtype(x):
    """The name of the dtype, such as "uint8"."""
    return x.dtype.name


def rank(x):
    """The number of axes."""
    return x.ndim


def shape(x):
    """The sizes of `x`, integers."""
    return x.shape


def match(x, like):
    """An array of `x`, where `like` is."""
    del like
    return np.asarray(x)


def prefers_selection(x, equal_columns):
    """Whether patches of `x` are better selected than gathered; see `_moving.move_patches`."""
    del x, equal_columns
    return False


def outer_and(rows, columns):
    """Bool `(batch, rows, columns)`: what lies in one of the rows and in one of the columns."""
    return rows[:, :, None] & columns[:, None]


def multiply_no_nan(x, y):
    """The product, and 0 where `y` is 0, which nan * 0 is not."""
    return np.where(y == 0, 0, x * y)


def in_function():
    """Whether a function is being traced whose state must be made outside it."""
    return False


def check(condition, message, *values):
    """Raises `ValueError` where the condition is false."""
    if not condition:
        raise ValueError(" ".join([message, *map(str, values)]))


check_sizes = check


def random_uniform(shape, seed):
    """Uniform float32 multiples of 2^-24 in [0, 1), a pure function of `shape` and `seed`."""
    # Words have no sign; NumPy stretches them into the key of the generator.
    words = [int(word) & (2**64 - 1) for word in seed]
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
    return generator.random(shape, dtype=np.float32)


def argsort(x):
    """The order that sorts a vector, equal values in their own order."""
    return np.argsort(x, kind="stable")


def sort_descending(x):
    """Sorts the last axis, the largest first."""
    return np.sort(x, axis=-1)[..., ::-1]


def searchsorted(table, x):
    """For each of the vector `x`, how many entries of the sorted vector `table` it reaches."""
    return np.searchsorted(table, x, side="right").astype("int32")


def take_along_rows(x, index):
    """`x[b, index[b]]` for each row b, shape `(rows,)`."""
    return np.take_along_axis(x, index[:, None], axis=1)[:, 0]


SeedSource = seed_source.NumpySeedSource
