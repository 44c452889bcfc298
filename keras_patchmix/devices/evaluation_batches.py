"""Batches to evaluate on that leave no replica without an example."""

from keras_patchmix.base.optional import require


def evaluation_batches(dataset, batch_size, num_replicas, replicas=None, whole=False):
    """Divides a data set among replicas so that each has at least one example in every step.

    Keras gives the last batches to some replicas only; the others get a batch of no examples, which
    makes the loss nan or fails. Here the examples that fill no whole step are spread evenly, over
    one step; fewer than there are replicas go with the step before. Metrics and losses weigh
    batches by their size, so they are those of the whole set.

    Args:
        dataset: An unbatched, finite `tf.data.Dataset`. It is counted, in one pass, where it does
            not know its size.
        batch_size: Examples of a step, over all replicas; rounded up to a multiple of them.
        num_replicas: The number of replicas of all workers.
        replicas: Range of the replicas whose batches are returned: those of one worker. All when
            None.
        whole: Leave out the examples that fill no whole step, for devices that need one shape.

    Returns:
        (batches, steps): a `tf.data.Dataset` of the replicas' batches, in turn, first the first
        step of each; and the number of steps.

    Raises:
        ValueError: There are fewer examples than replicas, or no end of them.
    """
    tf = require("tensorflow", "evaluation_batches")
    replicas = range(num_replicas) if replicas is None else replicas
    size = -(-batch_size // num_replicas)
    count = _count(dataset)
    if count < (num_replicas * size if whole else num_replicas):
        raise ValueError(
            "`dataset` must hold an example for each replica"
            + (f", and a whole step of {num_replicas * size}" if whole else "")
            + f". Received: {count} examples for {num_replicas} replicas"
        )
    steps, extra = divmod(count, num_replicas * size)
    if whole:
        dataset, extra = dataset.take(steps * num_replicas * size), 0
    elif 0 < extra < num_replicas and steps:
        steps, extra = steps - 1, extra + num_replicas * size
    start = steps * num_replicas * size  # of the uneven step: `longer` batches are one longer
    short, longer = divmod(extra, num_replicas)

    def batch_number(position):
        last = position - start
        uneven = tf.where(
            last < longer * (short + 1), last // (short + 1), (last - longer) // max(short, 1)
        )
        return tf.where(position < start, position // size, steps * num_replicas + uneven)

    def batch_length(number):
        last = number - steps * num_replicas
        length = tf.where(last < 0, size, tf.where(last < longer, short + 1, short))
        return tf.cast(length, tf.int64)

    def is_own(position, _):
        replica = batch_number(position) % num_replicas
        return (replica >= replicas.start) & (replica < replicas.stop)

    numbered = dataset.enumerate()
    if len(replicas) < num_replicas:
        numbered = numbered.filter(is_own)
    if extra == 0:  # all of one shape, known beforehand
        batches = numbered.map(lambda _, example: example).batch(size, drop_remainder=True)
        return batches.prefetch(2), steps
    batches = numbered.group_by_window(
        key_func=lambda position, _: batch_number(position),
        reduce_func=lambda _, window: window.map(lambda _, example: example).batch(
            max(size, short + 1)
        ),
        window_size_func=batch_length,
    )
    return batches.prefetch(2), steps + 1


def _count(dataset):
    count = int(dataset.cardinality())
    if count == -1:
        raise ValueError(f"`dataset` must end. Received: an endless one, dataset={dataset!r}")
    if count < 0:
        count = int(dataset.reduce(0, lambda total, *_: total + 1))
    return count
