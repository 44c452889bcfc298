"""Which examples of a data set are scored, where not all are: positions spread over it."""

import bisect
import sys
import warnings

import numpy as np

from keras_patchmix.base import hashing
from keras_patchmix.report.text import class_text

# What is not told apart by class or number: the choice is the same for every seed and model.
_KEY = hashing.stream(0, "choice of examples")

EVERY = range(sys.maxsize)  # the positions of all examples, however many there are


def spread(count, total):
    """Chooses positions that are spread over a data set evenly.

    Position i of the choice is drawn from the i-th of `count` stretches of equal length, by a hash
    of i: sorted data give of each class a share, and data whose classes take turns do not give one
    class alone, as every k-th example would.

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


def within(positions, start, length):
    """Returns which of some examples in a row are chosen.

    Args:
        positions: Ascending sequence of the positions that are chosen.
        start: Position of the first example.
        length: Number of the examples.

    Returns:
        Ascending int64 array of numbers from 0 to `length - 1`.
    """
    low = bisect.bisect_left(positions, start)
    high = bisect.bisect_left(positions, start + length)
    return np.asarray(positions[low:high], np.int64) - start


def warn_of_first(labels, num_classes, class_names=None, stacklevel=1):
    """Warns where the first examples of a data set of unknown length lack classes.

    Args:
        labels: int array, the classes of the examples that were taken.
        num_classes: Number of classes that the data set should hold, or None where that is not
            known, which is warned of too.
        class_names: Names of the classes, or None.
        stacklevel: As of `warnings.warn`, 1 being the caller.
    """
    held = np.unique(labels)
    if num_classes is None:
        note = f"these are of {_listed(held, class_names)}"
    else:
        missing = np.setdiff1d(np.arange(num_classes), held)
        if not len(missing):
            return
        note = (
            f"{len(missing)} of {num_classes} classes are missing: {_listed(missing, class_names)}"
        )
    warnings.warn(
        f"The length of the data set is not known, so that `max_examples` takes its first "
        f"{len(labels)} examples, and {note}. Shuffle the data set, once and for all, or pass one "
        "whose length is known (in tf.data: `assert_cardinality`): then the examples are spread "
        "over it.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def _listed(classes, class_names, most=10):
    shown = ", ".join(class_text(one, class_names) for one in classes[:most].tolist())
    return shown + (", ..." if len(classes) > most else "")
