"""Array operations on TensorFlow tensors, static or of unknown shape."""

import re

import tensorflow as tf

from keras_patchmix.mixing.arrays import seed_source

all = tf.reduce_all
arange = tf.range
broadcast_to = tf.broadcast_to
cast = tf.cast
clip = tf.clip_by_value
concat = tf.concat
convert_to_tensor = tf.convert_to_tensor
expand_dims = tf.expand_dims
multiply_no_nan = tf.math.multiply_no_nan
repeat = tf.repeat
reshape = tf.reshape
round = tf.round
sum = tf.reduce_sum
take = tf.gather
where = tf.where


def dtype(x):
    """The name of the dtype, such as "uint8"."""
    return x.dtype.name


def rank(x):
    """The number of axes, or `None` where it is unknown."""
    return x.shape.rank


def shape(x):
    """The sizes of `x`: integers where they are known, scalar int32 tensors elsewhere."""
    dynamic = None if x.shape.is_fully_defined() else tf.shape(x)
    return tuple(dynamic[i] if size is None else size for i, size in enumerate(x.shape))


def match(x, like):
    """A tensor of `x`, where `like` is."""
    del like
    return tf.convert_to_tensor(x)


def outer_and(rows, columns):
    """Bool `(batch, rows, columns)`: what lies in one of the rows and in one of the columns.

    Without XLA lines are gathered, which is quicker than a broadcast.
    """
    if in_xla_context():
        return rows[:, :, None] & columns[:, None]
    batch = tf.shape(rows)[0]
    lines = tf.concat([columns, tf.zeros_like(columns[:1])], axis=0)
    return tf.gather(lines, tf.where(rows, tf.range(batch)[:, None], batch))


def prefers_selection(x, equal_columns):
    """Whether patches of `x` are better selected than gathered; see `_moving.move_patches`.

    XLA makes one loop of the selection, without temporaries, and TPUs, which always use XLA, are
    slow at gathers of small pieces (tensorflow issue 80253). Without XLA the gather is faster
    where columns are equal. Where it has to cut lines and join them it still is for values of one
    or two bytes, beside which the selection's mask of one byte a value weighs more.
    """
    return in_xla_context() or (not equal_columns and x.dtype.size > 2)


def in_xla_context():
    """Whether the graph that is being built will be compiled by XLA.

    TensorFlow has no public way to ask. Where the private one is gone, the answer is no: the form
    chosen then compiles too, and is as exact.
    """
    try:
        from tensorflow.python.ops import control_flow_util

        return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
    except (ImportError, AttributeError):
        return False


def in_function():
    """Whether a function is being traced whose state must be made outside it."""
    return tf.inside_function()


def check(condition, message, *values):
    """Raises `ValueError` where the condition is false.

    In a graph it is `InvalidArgumentError`, raised when the graph runs, and not under XLA: for
    sizes see `check_sizes`.
    """
    if not tf.executing_eagerly():
        tf.debugging.Assert(condition, [message, *values])
    elif not condition:
        raise ValueError(" ".join([message, *map(str, values)]))


def check_sizes(condition, message, *values):
    """Raises as `check` does, and under XLA too; the condition is on sizes of tensors in a graph.

    XLA drops assertions, but knows all sizes when it compiles. A reshape that is impossible if the
    condition is false stops it then, with TensorFlow's error for that; the message is the
    operation's name.

    Returns:
        The operation that raises.
    """
    with tf.control_dependencies([tf.debugging.Assert(condition, [message, *values])]):
        one_if_true = tf.fill([tf.cast(condition, tf.int32)], True)
        name = re.sub(r"\W+", "_", message).strip("_")
        # Something must use the reshaped, or it is no part of the graph.
        return tf.debugging.Assert(tf.reshape(one_if_true, [], name=name), [message])


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


class SeedSource(seed_source.SeedSource, tf.Module):
    """A stream of seeds, int64 `(2,)`, in graphs too.

    A Keras `SeedGenerator` reads and advances its state in two steps, so that a parallel map
    gives one seed to several batches. The generator here does both in one.
    """

    def __init__(self, lineage):
        tf.Module.__init__(self)
        seed_source.SeedSource.__init__(self, lineage)

    def _begin(self, seed, offset):
        # Made outside the graph that may be under construction, or its state would be a constant.
        with tf.init_scope():
            self._generator = tf.random.Generator.from_seed(_joined(seed, offset))

    def _restart(self, seed, offset):
        with tf.init_scope():
            self._generator.reset_from_seed(_joined(seed, offset))

    def _draw(self):
        return self._generator.make_seeds(1)[:, 0]


def _joined(seed, offset):
    return offset << 31 | seed if offset else seed


# What only sizes of unknown value need.


def checked(x, condition, message, *values):
    """`x`, which a graph has only where the condition on sizes is true."""
    with tf.control_dependencies([check_sizes(condition, message, *values)]):
        return tf.identity(x)


betainc = tf.math.betainc
cond = tf.cond
ensure_shape = tf.ensure_shape
minimum = tf.minimum
