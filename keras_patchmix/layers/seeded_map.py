"""A map that mixes reproducibly, however many calls run in parallel."""

import numbers
from typing import Any

from keras_patchmix.base.optional import require


def map_seeded(
    dataset: Any,
    layer: Any,
    seed: int,
    first_step: int | None = None,
    num_parallel_calls: int | None = None,
) -> Any:
    """Maps a mixing layer over a batched data set, with a seed for every batch.

    The plan of a batch is a pure function of its seed, so that the batches are bit-identical on
    every run and in every process, whatever runs in parallel. There are two ways to number them:

    - Without `first_step`, every pass over the data set (every epoch) draws new seeds, and the
      first pass of every run draws the same ones. The cardinality is kept. Where the program
      sets TensorFlow's global seed (`tf.random.set_seed`, `keras.utils.set_random_seed`), the
      seeds depend on that too.
    - With `first_step`, batch i of the data set has the seed `(seed, first_step + i)`. That suits
      an endless data set (`.repeat()` before this map), of which training takes its steps: a run
      that resumes at step n passes `first_step=n` and a data set that starts there, and gets the
      batches of an uninterrupted run. Every iteration starts at `first_step` again.

    Args:
        dataset: A batched `tf.data.Dataset` of any structure that the layer takes, in a
            deterministic order.
        layer: A mixing layer of this package; its own `seed` is not used.
        seed: Integer.
        first_step: Integer or `None`. Defaults to `None`.
        num_parallel_calls: As in `tf.data.Dataset.map`. Defaults to `tf.data.AUTOTUNE`.

    Returns:
        A `tf.data.Dataset` of mixed batches.

    Raises:
        ValueError: `seed` or `first_step` is no integer.

    Example:
    >>> mix = keras_patchmix.PatchMixing(num_classes=10)
    >>> train = keras_patchmix.layers.map_seeded(train.batch(128), mix, seed=1)
    """
    for name, value in (("seed", seed), ("first_step", first_step)):
        if name == "first_step" and value is None:
            continue
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise ValueError(f"`{name}` must be an integer. Received: {name}={value!r}")
    tf = require("tensorflow", "map_seeded")
    if first_step is None:
        words = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
        seeds = words.batch(2, drop_remainder=True)
    else:
        seeds = tf.data.Dataset.counter(first_step).map(
            lambda step: tf.stack([tf.constant(seed, tf.int64), step])
        )

    @tf.autograph.experimental.do_not_convert  # nothing to convert, which takes seconds to find out
    def mix(element, batch_seed):
        return layer.apply_plan(layer.sample_plan(element, seed=batch_seed), element)

    return tf.data.Dataset.zip(dataset, seeds).map(
        mix,
        num_parallel_calls=tf.data.AUTOTUNE if num_parallel_calls is None else num_parallel_calls,
        deterministic=True,
    )
