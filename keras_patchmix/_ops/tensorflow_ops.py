"""Array operations on TensorFlow tensors, static or of unknown shape."""

import tensorflow as tf

arange = tf.range
betainc = tf.math.betainc
broadcast_to = tf.broadcast_to
cast = tf.cast
cond = tf.cond
convert_to_tensor = tf.convert_to_tensor
ensure_shape = tf.ensure_shape
expand_dims = tf.expand_dims
maximum = tf.maximum
mean = tf.reduce_mean
minimum = tf.minimum
repeat = tf.repeat
reshape = tf.reshape
round = tf.round
sum = tf.reduce_sum
take = tf.gather
where = tf.where


def shape(x):
    """The sizes of `x`: integers where they are known, scalar int32 tensors elsewhere."""
    dynamic = None if x.shape.is_fully_defined() else tf.shape(x)
    return tuple(dynamic[i] if size is None else size for i, size in enumerate(x.shape))


def check(condition, message, *values):
    """Raises `InvalidArgumentError` when it runs and the condition is false; not under XLA."""
    tf.debugging.Assert(condition, [message, *values])


def random_uniform(shape, seed):
    """Uniform float32 multiples of 2^-23 in [0, 1), a pure function of `shape` and `seed`."""
    return tf.random.stateless_uniform(shape, tf.cast(seed, tf.int64), dtype=tf.float32)


def argsort(x):
    """The order that sorts a vector, equal values in their own order."""
    return tf.argsort(x, stable=True)


def sort_descending(x):
    """Sorts the last axis, the largest first."""
    return tf.sort(x, axis=-1, direction="DESCENDING")


def searchsorted(table, x):
    """For each of the vector `x`, how many entries of the sorted vector `table` it reaches."""
    return tf.searchsorted(table, x, side="right", out_type=tf.int32)


def take_along_rows(x, index):
    """`x[b, index[b]]` for each row b, shape `(rows,)`."""
    return tf.gather(x, index, batch_dims=1)


def one_hot(x, depth):
    """Float32 one-hot rows of a vector of class ids, integers or whole floats.

    Raises `InvalidArgumentError` when it meets another value, of which a bare one-hot makes a row
    of zeros; under XLA, which has no checks at run time, that row it is.
    """
    ids = tf.cast(x, tf.int32)
    valid = (ids >= 0) & (ids < depth) & (tf.cast(ids, x.dtype) == x)
    message = f"`labels` must be class ids in 0..{depth - 1}, as num_classes={depth} says"
    check(tf.reduce_all(valid), message, x)
    return tf.one_hot(ids, depth, dtype=tf.float32)


class SeedSource(tf.Module):
    """A stream of seeds, int64 `(2,)`, that starts at an integer.

    A Keras `SeedGenerator` reads and advances its state in two steps, so that a parallel map
    gives one seed to several batches. The generator here does both in one.
    """

    def __init__(self, seed):
        super().__init__()
        self._generator = tf.random.Generator.from_seed(seed)

    def next(self):
        """Returns the next seed and advances the stream, in graphs too."""
        return self._generator.make_seeds(1)[:, 0]
