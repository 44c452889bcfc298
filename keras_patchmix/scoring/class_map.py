"""Which outputs of a model stand for the classes of a data set."""

import re
import warnings

import keras
import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.printable import printable, quoted

_WORDNET_ID = re.compile(r"n\d{8}")
_IMAGENET = 1000  # classes


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


def class_map(loaded, num_outputs, class_names):
    """Returns the map from a data set's classes to a model's outputs, as `--class-map` has it.

    Args:
        loaded: A `LoadedModel`.
        num_outputs: Number of scores that the model returns.
        class_names: Tuple of the data set's class names.

    Returns:
        A list with the list of outputs for each class; None where output i is class i.

    Raises:
        ValueError: The file does not fit, classes are not found, or the numbers of outputs and
            classes differ and there is no map.

    Warns:
        UserWarning: The model has the classes of ImageNet, and 1,000 classes of other names are
            taken for them in their order.
    """
    asked, name = loaded.spec.class_map, loaded.spec.name
    imagenet = loaded.imagenet and num_outputs == _IMAGENET
    if asked is None and imagenet:
        if len(class_names) != _IMAGENET or all(map(_WORDNET_ID.fullmatch, class_names)):
            asked = "imagenet"
        else:
            _warn_of_other_names(name, class_names)
    if asked == "imagenet":
        if num_outputs != _IMAGENET:
            raise ValueError(
                f"--class-map imagenet: {name!r} returns {num_outputs} scores, not 1000"
            )
        return imagenet_outputs(class_names)
    if asked not in (None, "none"):
        return read_class_map(asked, num_outputs, class_names)
    if loaded.untrained and num_outputs > len(class_names):
        return [[output] for output in range(len(class_names))]
    if num_outputs != len(class_names):
        raise ValueError(
            f"--model {name}: returns {num_outputs} scores, but the data set has "
            f"{len(class_names)} classes ({_some(class_names)}). Is a class missing there, or its "
            "name misspelt? Else name the output of each class with --class-map"
        )
    return None


def read_class_map(path, num_outputs, class_names):
    """Reads a class map from a JSON file, {"class name": output or [outputs]}.

    Args:
        path: The file. It may hold more classes than the data set has.
        num_outputs: Number of scores that the model returns.
        class_names: Tuple of the data set's class names.

    Returns:
        A list with the list of outputs for each class.

    Raises:
        ValueError: The file is invalid, a class is missing, or an output is out of range.
    """
    data = _read(path)
    missing = [name for name in class_names if name not in data]
    if missing:
        raise ValueError(f"--class-map: {path!r} lacks the classes {_some(missing)}")
    outputs = []
    for name in class_names:
        own = data[name] if isinstance(data[name], list) else [data[name]]
        if not own or not all(type(i) is int and 0 <= i < num_outputs for i in own):
            raise ValueError(
                f"--class-map: {path!r} must give {quoted(name)} whole numbers from 0 to "
                f"{num_outputs - 1}. Received: {data[name]!r}"
            )
        outputs.append(own)
    if len({i for own in outputs for i in own}) < sum(map(len, outputs)):
        raise ValueError(f"--class-map: {path!r} gives an output to two classes")
    return outputs


def read_names(path):
    """Returns the names of the classes in the file of a class map, in its order.

    Args:
        path: The file.

    Returns:
        Tuple of at least two strings.

    Raises:
        ValueError: The file is invalid.
    """
    names = tuple(_read(path))
    if len(names) < 2:
        raise ValueError(f"--class-map: {path!r} must hold at least two classes")
    return names


def _read(path):
    try:
        data = state_files.read_json(path, "a JSON file")
    except (OSError, ValueError) as error:
        raise ValueError(f"--class-map: {path!r} cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(
            f'--class-map: {path!r} must hold an object, {{"class name": output or [outputs]}}'
        )
    found = {printable(name): outputs for name, outputs in data.items()}
    if len(found) < len(data):
        raise ValueError(f"--class-map: {path!r} holds two classes of the same printable name")
    return found


def imagenet_names():
    """Returns the names of ImageNet's 1,000 classes in the order of Keras' models.

    Raises:
        ValueError: Keras' list cannot be downloaded.
    """
    return tuple(name.replace("_", " ") for _, name in _imagenet_classes())


def _imagenet_classes():
    """Returns a list of (WordNet id, name), in the order of the outputs of Keras' models."""
    try:
        # Keras' own list, which it downloads once: row i scores class i alone.
        decoded = keras.applications.imagenet_utils.decode_predictions(np.eye(1000), top=1)
    except Exception as error:  # Keras raises no narrower kind
        raise ValueError(
            f"--class-map imagenet: Keras' list of the classes cannot be had ({error}). Give "
            "--class-map FILE.json"
        ) from error
    return [(wordnet_id, name) for ((wordnet_id, name, _),) in decoded]


def imagenet_outputs(class_names):
    """Returns the outputs of Keras' ImageNet models that stand for classes.

    Args:
        class_names: Tuple of WordNet ids such as "n01440764", or of names as Keras gives them, such
            as "tench" or "English springer".

    Returns:
        A list with a list of one output for each class.

    Raises:
        ValueError: A name is unknown, or that of two classes of ImageNet.
    """
    found = {}
    for output, (wordnet_id, name) in enumerate(_imagenet_classes()):
        for key in (wordnet_id, plain(name)):
            found.setdefault(key, []).append(output)
    unknown = [name for name in class_names if len(found.get(plain(name), ())) != 1]
    if unknown:
        raise ValueError(
            "--class-map imagenet: these classes of the data set are no WordNet ids or names of "
            f"ImageNet classes, or are names of two: {_some(unknown)}. Give --class-map FILE.json"
        )
    return [found[plain(name)] for name in class_names]


def _warn_of_other_names(model, class_names):
    try:
        known = imagenet_names()
    except ValueError:  # without a network
        return
    other = [k for k, name in enumerate(class_names) if plain(name) != plain(known[k])]
    if other:
        warnings.warn(
            f"{model}: output {other[0]} is {quoted(known[other[0]])} in ImageNet, class "
            f"{other[0]} of the data set is {quoted(class_names[other[0]])}; {len(other)} of "
            "1000 names differ. "
            "Outputs are taken for classes in their order: say which they are with --class-map",
            UserWarning,
            stacklevel=3,
        )


def plain(name):
    """Returns a name as names are compared: in small letters, words joined by "_"."""
    return re.sub(r"[\s_-]+", "_", printable(name).strip().lower())


def _some(names, most=5):
    text = ", ".join(map(quoted, names[:most]))
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


def _short(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
