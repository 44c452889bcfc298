"""The classes of a model that images from files are explained with, and their names."""

from typing import NamedTuple

from keras_patchmix.base.printable import quoted
from keras_patchmix.base.suggestions import meant
from keras_patchmix.cli.class_maps import (
    imagenet_names,
    is_path,
    plain,
    read_class_map,
    read_names,
)
from keras_patchmix.report.text import class_text


class ModelClasses(NamedTuple):
    """The classes of a model, where no data set says what they are.

    Attributes:
        count: Number of classes, or None before the model is loaded.
        names: Tuple of their names, or None where they are not known.
        outputs: List with the list of the model's outputs for each class; None where output i is
            class i.
    """

    count: int | None
    names: tuple | None = None
    outputs: list | None = None

    def name(self, number):
        """Returns the name of a class, or such as "class 3"."""
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
            output = int(text)
            for number, outputs in enumerate(self.outputs or ()):
                if output in outputs:
                    return number
            if self.outputs is None and output < self.count:
                return output
        count = "" if self.count is None else f" from 0 to {self.count - 1}"
        allowed = (
            f"a whole number{count}; names come from --class-map, which takes a folder with a "
            "folder for each class or a JSON file, and from ImageNet weights"
        )
        if self.names is not None:
            some = ", ".join(map(quoted, self.names[:5])) + (", ..." if len(self.names) > 5 else "")
            allowed = f"the number of an output, or the name of one class of {some}"
        raise ValueError(f"{flag} must be {allowed}.{meant(text, names)} Received: {quoted(text)}")


def model_classes(loaded, num_outputs):
    """Returns the `ModelClasses` of a model.

    Names come from `--class-map`, or are ImageNet's, in Keras' words, where Keras' list is
    available.

    Args:
        loaded: A `LoadedModel`.
        num_outputs: Number of its scores.

    Raises:
        ValueError: The file does not fit.
    """
    source = loaded.spec.class_map
    if is_path(source):
        names = read_names(source)
        outputs = read_class_map(source, num_outputs, names)
        if outputs == [[output] for output in range(num_outputs)]:
            outputs = None
        return ModelClasses(len(names), names, outputs)
    if source == "imagenet" and num_outputs != 1000:
        raise ValueError(
            f"--class-map imagenet: {loaded.spec.name!r} returns {num_outputs} scores, not 1000"
        )
    if source == "imagenet" or (loaded.imagenet and num_outputs == 1000 and source is None):
        try:
            return ModelClasses(num_outputs, imagenet_names())
        except ValueError:
            if source == "imagenet":
                raise
    return ModelClasses(num_outputs)


def check_counts(options, num_images):
    """Raises a ValueError unless `--class` and `--contrast` are for no, all or each of the images.

    Args:
        options: An `ExplainOptions`.
        num_images: Integer.
    """
    for flag, texts in _asked(options):
        if len(texts) not in (0, 1, num_images):
            raise ValueError(
                f"{flag} must be given once, or once for each of the {num_images} images. "
                f"Received: {len(texts)}"
            )


def check_names(options, specs):
    """Raises a ValueError for names of classes that no model has, as far as files tell.

    Args:
        options: An `ExplainOptions`.
        specs: List of `ModelSpec`, of which no model has been loaded.
    """
    for spec in specs:
        if is_path(spec.class_map):
            classes = ModelClasses(None, read_names(spec.class_map))
        elif spec.class_map == "imagenet" or (spec.application and spec.weights != "none"):
            continue  # Keras has the names
        else:
            classes = ModelClasses(None)
        for flag, texts in _asked(options):
            for text in texts:
                if not text.isdecimal():
                    classes.find(text, flag)


def _asked(options):
    return ("--class", options.classes), ("--contrast", options.contrasts)
