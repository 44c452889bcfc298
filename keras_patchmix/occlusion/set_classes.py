"""Whether the classes of a set of occluded images are those that a model's outputs stand for."""

import re

from keras_patchmix.base.printable import quoted


def class_names_of(dataset):
    """Returns what a data set says of its class names, as `load_for_scoring` does, or None."""
    names = getattr(getattr(dataset, "info", None), "class_names", None)
    return None if names is None else tuple(map(str, names))


def names_of_outputs(class_names, class_map):
    """Returns a dict from a model's outputs to the names of the classes that they stand for.

    Args:
        class_names: Names of the classes of the data set that the model is scored on, or None.
        class_map: Its `ClassMap`; None where output i is class i.
    """
    names = class_names or ()
    outputs = [[k] for k in range(len(names))] if class_map is None else class_map.outputs
    return {k: name for name, own in zip(names, outputs, strict=False) for k in own}


def difference(known, class_names):
    """Compares names, but for case and what joins their words, where output i is class i.

    Args:
        known: Dict as of `names_of_outputs`.
        class_names: Names of the classes of a set.

    Returns:
        None where no name differs; else a tuple of the first pair in words, and whether the names
        are the same ones in another order.
    """
    ours = {k: _plain(name) for k, name in known.items()}
    theirs = list(map(_plain, class_names))
    for k, name in enumerate(theirs):
        if k in ours and ours[k] != name:
            pair = f"class {k} is {quoted(class_names[k])}, and output {k} {quoted(known[k])}"
            return pair, set(theirs) == set(ours.values())
    return None


def _plain(name):
    return re.sub(r"[\s_-]+", "_", str(name).strip().casefold())
