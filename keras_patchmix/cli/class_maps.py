"""The class maps that `--class-map` names: which outputs of a model stand for which classes."""

import re
import warnings
from pathlib import Path

import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.printable import printable, quoted
from keras_patchmix.cli.messages import naming
from keras_patchmix.datasets.folder_layout import read_layout

_WORDNET_ID = re.compile(r"n\d{8}")
_IMAGENET = 1000  # classes
_WORDS = (None, "none", "imagenet")  # values of `--class-map` that are no paths


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
    if is_path(asked):
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


def is_path(class_map):
    """Returns whether a value of `--class-map` names a file or a folder."""
    return class_map not in _WORDS


def read_class_map(path, num_outputs, class_names):
    """Reads a class map.

    Args:
        path: A JSON file, {"class name": output or [outputs]}; or a folder with a folder for each
            output, in the order of their names. It may hold more classes than the data set has.
        num_outputs: Number of scores that the model returns.
        class_names: Tuple of the data set's class names.

    Returns:
        A list with the list of outputs for each class.

    Raises:
        ValueError: The file is invalid, a class is missing, an output is out of range, or a folder
            has another number of classes than the model.
    """
    data = _read(path)
    if is_folder(path) and len(data) != num_outputs:
        raise ValueError(
            f"--class-map: the folder {path!r} must hold a folder for each of the {num_outputs} "
            f"scores that the model returns. Received: {len(data)} folders"
        )
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
    """Returns the names of the classes of a class map, in its order.

    Args:
        path: As in `read_class_map`.

    Returns:
        Tuple of at least two strings.

    Raises:
        ValueError: The file is invalid.
    """
    names = tuple(_read(path))
    if len(names) < 2:
        raise ValueError(f"--class-map: {path!r} must hold at least two classes")
    return names


def is_folder(class_map):
    """Returns whether a value of `--class-map` names a folder, also as "folder:PATH"."""
    return is_path(class_map) and _location(class_map).is_dir()


def _location(path):
    return Path(str(path).removeprefix("folder:")).expanduser()


def _read(path):
    if is_folder(path):
        with naming(name="--class-map"):
            return {name: k for k, name in enumerate(read_layout(_location(path)).classes)}
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
    import keras  # not above: the other class maps are checked before any backend is imported

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
