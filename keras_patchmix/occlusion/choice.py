"""The choice of examples if not all are scored: positions spread over the data set."""

import bisect
import sys
import warnings

import numpy as np

from keras_patchmix.base import hashing

# The same choice, and the same order, for every seed and model.
_KEY = hashing.stream(0, "choice of examples")
_ORDER = hashing.stream(0, "order of examples")

EVERY = range(sys.maxsize)  # the positions of all examples


def spread(count, total):
    """Chooses positions that are spread evenly over a data set.

    Position i is drawn from the i-th of `count` intervals of equal length, by a hash of i. So each
    class of sorted data gets its share, and data whose classes alternate do not give a single
    class, as every k-th example would.

    Args:
        count: Number of positions.
        total: Number of examples of the data set.

    Returns:
        Ascending int64 array of shape (min(count, total),).
    """
    count = min(count, total)
    edges = np.arange(count + 1, dtype=np.int64) * total // max(count, 1)
    offset = hashing.integers_below(_KEY, np.diff(edges), np.arange(count))
    return edges[:-1] + offset.astype(np.int64)


def shuffled(count):
    """Returns the random order in which a sequential evaluation takes examples.

    The examples of each class, sorted or not, are spread over it evenly at random.

    Args:
        count: Number of examples.

    Returns:
        int64 array, a permutation of range(count).
    """
    return np.argsort(hashing.hash_integers(_ORDER, np.arange(count)), kind="stable")


def within(positions, start, length):
    """Returns the chosen ones among consecutive examples.

    Args:
        positions: Ascending sequence of the positions chosen.
        start: Position of the first example.
        length: Number of the examples.

    Returns:
        Ascending int64 array of numbers from 0 to `length - 1`.
    """
    low = bisect.bisect_left(positions, start)
    high = bisect.bisect_left(positions, start + length)
    return np.asarray(positions[low:high], np.int64) - start


def warn_of_missing_classes(labels, num_classes, class_names=None, stacklevel=1):
    """Warns if the first examples of a data set of unknown length lack classes.

    Args:
        labels: int array, the classes of the examples taken.
        num_classes: Number of classes of the data set, or None if it is unknown, which is warned of
            too.
        class_names: Names of the classes, or None.
        stacklevel: As of `warnings.warn`, 1 being the caller.
    """
    from keras_patchmix.report.text import class_text

    def listing(classes, most=10):
        names = ", ".join(class_text(one, class_names) for one in classes[:most].tolist())
        return names + (", ..." if len(classes) > most else "")

    present = np.unique(labels)
    if num_classes is None:
        note = f"these are of {listing(present)}"
    else:
        missing = np.setdiff1d(np.arange(num_classes), present)
        if not len(missing):
            return
        note = f"{len(missing)} of {num_classes} classes are missing: {listing(missing)}"
    warnings.warn(
        f"The length of the data set is not known, so that `max_examples` takes its first "
        f"{len(labels)} examples, and {note}. Shuffle the data set, once and for all, or pass one "
        "whose length is known (in tf.data: `assert_cardinality`): then the examples are spread "
        "over it.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )
