"""The classes of a model where no data set says what they are."""

from typing import NamedTuple

from keras_patchmix.report.text import class_text
from keras_patchmix.scoring.class_map import (
    imagenet_names,
    plain,
    read_class_map,
    read_names,
)


class ModelClasses(NamedTuple):
    """What a model tells apart.

    Attributes:
        count: Number of classes.
        names: Tuple of their names, or None where they are not known.
        outputs: List with the list of the model's outputs for each class; None where output i is
            class i.
    """

    count: int
    names: tuple | None = None
    outputs: list | None = None

    def name(self, number):
        """Returns how a class is called: by its name, or "class 3"."""
        return class_text(number, self.names)

    def find(self, text, flag):
        """Returns the number of the class that a flag names.

        Args:
            text: A name, or a whole number: the model's output.
            flag: The flag, for the message.

        Raises:
            ValueError: There is no such class.
        """
        names = self.names or ()
        for wanted, known in ((text, names), (plain(text), tuple(map(plain, names)))):
            if known.count(wanted) == 1:
                return known.index(wanted)
        if text.isdecimal():
            number = int(text)
            for place, outputs in enumerate(self.outputs or ()):
                if number in outputs:
                    return place
            if self.outputs is None and number < self.count:
                return number
        raise ValueError(f"{flag} must be {self._allowed()}. Received: {text!r}")

    def _allowed(self):
        if self.names is None:
            return (
                f"a whole number from 0 to {self.count - 1}; names are known of --class-map FILE "
                "and of models with ImageNet weights"
            )
        some = ", ".join(map(repr, self.names[:5])) + (", ..." if len(self.names) > 5 else "")
        return f"the number of an output, or the name of one class of {some}"


def classes_of(loaded, num_outputs):
    """Returns the classes of a model.

    Args:
        loaded: A `LoadedModel`.
        num_outputs: Number of scores that it returns.

    Returns:
        A `ModelClasses`. Names come from the file of `--class-map`, or are ImageNet's, in Keras'
        words, where Keras' list can be had.

    Raises:
        ValueError: The file does not fit.
    """
    asked = loaded.spec.class_map
    if asked not in (None, "none", "imagenet"):
        names = read_names(asked)
        return ModelClasses(len(names), names, read_class_map(asked, num_outputs, names))
    if asked == "imagenet" and num_outputs != 1000:
        raise ValueError(
            f"--class-map imagenet: {loaded.spec.name!r} returns {num_outputs} scores, not 1000"
        )
    if asked == "imagenet" or (loaded.imagenet and num_outputs == 1000 and asked is None):
        try:
            return ModelClasses(num_outputs, imagenet_names())
        except ValueError:
            if asked == "imagenet":
                raise
    return ModelClasses(num_outputs)
