"""The classes of ROD, and the ImageNet-1K classes that a model may name them by."""

import re

# A class of ImageNet-1K counts for a class of ROD if it is the same kind of object in plain
# English: it has the name, has it as a synonym ("frying pan, frypan, skillet"), or is a kind of it
# by everyday use (a mug is a cup, a notebook computer a laptop). What merely holds, measures or
# looks like one (plate rack, measuring cup, wok, barbell, sombrero) does not count. The paper's own
# map is not published.
_IMAGENET_OUTPUTS = {
    "banana": {"n07753592": 954},
    "baseball": {"n02799071": 429},
    "cowboy hat": {"n03124170": 515},
    "cup": {"n03063599": 504, "n07930864": 968},  # coffee mug; cup
    "dumbbell": {"n03255030": 543},
    "hammer": {"n03481172": 587},
    "laptop": {"n03642806": 620, "n03832673": 681},  # laptop; notebook computer
    "microwave": {"n03761084": 651},
    "mouse": {"n03793489": 673},  # of a computer; ImageNet-1K has no animal of the name
    "orange": {"n07747607": 950},
    "pillow": {"n03938244": 721},
    "plate": {"n07579787": 923},
    "screwdriver": {"n04154565": 784},
    "skillet": {"n03400231": 567},  # frying pan, frypan, skillet
    "spatula": {"n04270147": 813},
    "vase": {"n04522168": 883},
}

CLASS_NAMES = tuple(_IMAGENET_OUTPUTS)
IMAGENET_CLASSES = {name: tuple(outputs) for name, outputs in _IMAGENET_OUTPUTS.items()}


def class_map() -> list[list[int]]:
    """Returns the outputs of an ImageNet-1K model that stand for the classes of ROD.

    A model is scored by top-1 over the mapped classes: the score of a class of ROD is the highest
    among its outputs, all other outputs are passed over, and the class with the highest score is
    the prediction. This is easier than top-1 over all 1000 classes.

    Returns:
        List of 16 lists of integers in 0..999, in the order of `CLASS_NAMES`: what
        `keras_patchmix.occlusion.evaluate` takes as `class_map`.

    Example:
    ```python
    from keras_patchmix.datasets import realistic_occlusion_dataset as rod

    report = kpm.occlusion.evaluate(
        model, images, class_map=rod.class_map(), class_names=rod.CLASS_NAMES
    )
    ```
    """
    return [list(outputs.values()) for outputs in _IMAGENET_OUTPUTS.values()]


def class_of_folder(folder):
    """Returns the class that a folder of the archives is named after.

    Args:
        folder: String, such as "cowboy_hat", "Cowboy-Hat" or "cowboyhat".

    Returns:
        One of `CLASS_NAMES`, or None.
    """
    return _BY_PLAIN_NAME.get(_plain(folder))


def _plain(name):
    return re.sub(r"[\s_.-]+", "", name.lower())


_BY_PLAIN_NAME = {_plain(name): name for name in CLASS_NAMES}
