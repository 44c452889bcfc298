"""Which outputs of a model stand for the classes of a data set."""

import re
import warnings

import keras
import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.printable import printable, quoted

_WORDNET_ID = re.compile(r"n\d{8}")


def class_map(loaded, num_outputs, class_names):
    """Returns the map from the data set's classes to a model's outputs.

    Args:
        loaded: A `LoadedModel`.
        num_outputs: Number of scores that the model returns.
        class_names: Tuple of the data set's class names.

    Returns:
        A list with the list of outputs for each class; None where output i is class i.

    Raises:
        ValueError: A file that does not fit, classes that are not found, or as many outputs as
            there are not classes, and no map.

    Warns:
        UserWarning: The model has the classes of ImageNet, and 1,000 classes of other names are
            taken for them in their order.
    """
    asked, name = loaded.spec.class_map, loaded.spec.name
    if asked is None and _needs_imagenet_map(loaded, num_outputs, class_names):
        asked = "imagenet"
    if asked is None and loaded.imagenet and num_outputs == 1000:
        _warn_of_other_names(name, class_names)
    if asked == "imagenet":
        if num_outputs != 1000:
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
            f"{len(class_names)} classes ({_some(class_names)}): say which outputs stand for them "
            "with --class-map"
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
        ValueError: It is no such file, a class is missing, or an output is out of range.
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
        ValueError: It is no such file.
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
        ValueError: Keras' list cannot be had.
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
    """Finds the outputs of Keras' ImageNet models that stand for classes.

    Args:
        class_names: Tuple of WordNet ids such as "n01440764", or of names as Keras gives them, such
            as "tench" or "English springer".

    Returns:
        A list with a list of one output for each class.

    Raises:
        ValueError: Some are not found, or two classes of ImageNet have the name.
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


def _needs_imagenet_map(loaded, num_outputs, class_names):
    if not loaded.imagenet or num_outputs != 1000:
        return False
    return len(class_names) != 1000 or _are_wordnet_ids(class_names)


def _warn_of_other_names(model, class_names):
    try:
        known = imagenet_names()
    except ValueError:  # without a network nothing is known
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


def _are_wordnet_ids(names):
    return all(_WORDNET_ID.fullmatch(name) for name in names)


def _some(names, most=5):
    text = ", ".join(map(quoted, names[:most]))
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
