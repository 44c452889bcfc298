"""Which outputs of a model stand for the classes of a data set."""

import numpy as np


class ClassMap:
    """Selects, for each class of a data set, the model's outputs that stand for it.

    So a 1000-class ImageNet model is scored on a data set of ten classes: the score of a class is
    the highest among its outputs, and outputs of no class are ignored.

    Args:
        outputs: Sequence that holds, for each class, an index or a sequence of indices.

    Attributes:
        outputs: List of lists of integers.

    Raises:
        ValueError: There are fewer than two classes, a class without an output, an output of two
            classes, or invalid indices.
    """

    def __init__(self, outputs):
        try:
            lists = [
                [entry] if isinstance(entry, int | np.integer) else list(entry) for entry in outputs
            ]
        except TypeError:
            lists = []
        flat = [index for entry in lists for index in entry]
        valid = all(
            isinstance(index, int | np.integer) and not isinstance(index, bool) and index >= 0
            for index in flat
        )
        if len(lists) < 2 or not all(lists) or not valid or len(set(flat)) != len(flat):
            raise ValueError(
                "`class_map` must hold, for each of two or more classes, the index of a model's "
                "output or a list of them, each index once. "
                f"Received: class_map={_short(outputs)}"
            )
        self.outputs = [[int(index) for index in entry] for entry in lists]
        self._flat = np.array(flat, np.int64)
        self._starts = np.cumsum([0, *map(len, lists[:-1])])

    def select(self, scores):
        """Returns scores of the classes.

        Args:
            scores: float32 array of shape (B, K), the model's.

        Returns:
            float32 array of shape (B, classes). Where any score of the model is not finite, so are
            all of its row.

        Raises:
            ValueError: The model has fewer outputs than the map needs.
        """
        if self._flat.max() >= scores.shape[1]:
            raise ValueError(
                f"`class_map` names the output {self._flat.max()}, which the model does not have. "
                f"Received: {scores.shape[1]} scores an image"
            )
        chosen = np.maximum.reduceat(scores[:, self._flat], self._starts, axis=1)
        chosen[~np.all(np.isfinite(scores), axis=1)] = np.nan
        return chosen


def check_columns(columns, classes, class_map=None):
    """Raises a ValueError if one-hot or soft labels have other columns than the scores.

    Args:
        columns: Number of columns of the labels, or None for class ids.
        classes: Number of classes of the scores.
        class_map: The `ClassMap` of the scores. Defaults to `None`.
    """
    if columns not in (None, classes):
        of = "`model` returns scores of" if class_map is None else "`class_map` is of"
        raise ValueError(
            f"{of} {classes} classes, so one-hot or soft labels must have as many columns; a "
            "`class_map` says which outputs of a model stand for other classes. "
            f"Received: labels of {columns} columns"
        )


def check_classes(classes, class_map=None, columns=None, class_names=None, labels=None):
    """Raises a ValueError if labels, names and scores have different numbers of classes.

    Args:
        classes: Number of classes of the scores.
        class_map: As in `check_columns`.
        columns: As in `check_columns`.
        class_names: List of names of all classes. Defaults to `None`.
        labels: int array of class ids. Defaults to `None`.
    """
    check_columns(columns, classes, class_map)
    if class_names is not None and len(class_names) != classes:
        raise ValueError(
            f"`class_names` must name each of the {classes} classes that are scored. "
            f"Received: {len(class_names)} names"
        )
    if labels is not None and labels.max() >= classes:
        raise ValueError(
            f"Labels must be below {classes}, the number of classes that are scored: the outputs "
            f"of `model`, or the entries of `class_map`. Received: label {labels.max()}"
        )


def check_class_names(names):
    """Returns names of classes as a list of strings, or None for None.

    Raises:
        ValueError: `names` is not a sequence of strings.
    """
    if names is None:
        return None
    values = None if isinstance(names, str) else list(names)
    if not values or not all(isinstance(name, str) for name in values):
        raise ValueError(
            f"`class_names` must be a sequence of strings. Received: class_names={_short(names)}"
        )
    return [str(name) for name in values]


def _short(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
