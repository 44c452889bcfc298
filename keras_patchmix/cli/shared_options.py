"""Shared options of the commands: their base class, and the flags of models and data sets."""

import dataclasses
import shlex

from keras_patchmix.cli.flags import whole
from keras_patchmix.cli.score_kind import KINDS

_NAMES = {"imports": "--import", "classes": "--class", "contrasts": "--contrast"}
# Values of --progress as the library takes them.
PROGRESS = {"auto": "auto", "on": True, "off": False}
MODELS_HELP = """\
  model.keras, model.h5             a saved model; the results call it "model"
  small=runs/a/model.keras          the same, called "small"
  keras.applications:ConvNeXtTiny   built by Keras, with its ImageNet weights and preprocessing
  --weights, --preprocess and --class-map hold for all models; with NAME= in front for that one.
"""


class CommandOptions:
    """Base of a frozen dataclass that holds all settings of a command.

    Attributes:
        RECIPE: The file that is run.
        FREE: Names of the fields that may change when a run resumes.
    """

    RECIPE = None
    FREE = ()

    def to_dict(self):
        """Returns the settings as a dict of JSON values."""
        values = dataclasses.asdict(self)
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    def deciding(self):
        """Returns the settings that decide the results: a run resumes with the same ones only."""
        return {key: value for key, value in self.to_dict().items() if key not in self.FREE}

    def _defaults(self):
        """Returns a dict from fields to their defaults."""
        return {field.name: field.default for field in dataclasses.fields(self)}

    def command(self):
        """Returns the shortest command line that does the same, into a new directory."""
        parts, defaults = ["python", self.RECIPE], self._defaults()
        for field, value in self.deciding().items():
            if value is True:
                parts.append(flag(field))
            elif value not in (None, defaults[field], []):
                for one in value if isinstance(value, list) else [value]:
                    # argparse takes "-x" alone for a flag.
                    dashed = str(one).startswith("-")
                    parts += [f"{flag(field)}={one}"] if dashed else [flag(field), str(one)]
        return shlex.join(parts)


def flag(field):
    """Returns the flag of a field, such as "--max-examples"."""
    return _NAMES.get(field, "--" + field.replace("_", "-"))


def flag_adder(defaults):
    """Returns a function that adds the flag of a field to a group of an `argparse` parser.

    Args:
        defaults: Dict from fields to defaults, which the help states.
    """

    def add(group, field, text, **arguments):
        if not arguments.get("required"):
            arguments["default"] = default = defaults[field]
            if default not in (None, ()) and default is not False:
                text += f" (default: {default})"
        if arguments.get("action") == "append":
            arguments["default"] = None
        group.add_argument(flag(field), dest=field, help=text, **arguments)

    return add


def parsed(parser, argv, defaults):
    """Returns what a parser reads from a command line: a dict, flags that repeat as tuples.

    Args:
        parser: An `argparse.ArgumentParser`.
        argv: List of strings; None is the arguments of the process.
        defaults: As of `flag_adder`.
    """
    values = vars(parser.parse_args(argv))
    for field, default in defaults.items():
        if default == () or field == "model":
            values[field] = tuple(values[field] or ())
    return values


def add_model_flags(parser, add):
    """Adds the flags that say which models are loaded, and how.

    Args:
        parser: An `argparse.ArgumentParser`.
        add: Of `flag_adder`.
    """
    models = parser.add_argument_group("models")
    text = "a model to score, see below; again for each further one, to be set side by side"
    add(models, "model", text, required=True, action="append", metavar="[NAME=]MODEL")
    text = "of keras.applications models: imagenet (the default), none, or a .weights.h5 file"
    add(models, "weights", text, action="append", metavar="[NAME=]WHERE")
    text = (
        "what a model needs done to images of 0..255: none (default for files), unit (division by "
        "255), a module of keras.applications such as resnet50 (default for its models), or "
        "MODULE:FUNCTION"
    )
    add(models, "preprocess", text, action="append", metavar="[NAME=]HOW")
    text = (
        'JSON file, {"class name": output or [outputs]}, where outputs are not the data set\'s '
        "classes in their order; imagenet finds them by WordNet ids or names (the default for "
        "ImageNet weights where it is needed); none"
    )
    add(models, "class_map", text, action="append", metavar="[NAME=]FILE")
    text = "what the models return; auto asks them"
    add(models, "scores", text, choices=KINDS)
    text = "import a module, or a .py file, before models are loaded: it registers their classes"
    add(models, "imports", text, action="append", metavar="MODULE")
    text = "trust the model files: they may hold Python code, which loading then runs"
    add(models, "unsafe_load", text, action="store_true")


def add_dataset_flags(group, add, required):
    """Adds the flags that say which data set is read, and which part of it.

    Args:
        group: A group of an `argparse` parser.
        add: Of `flag_adder`.
        required: Whether there must be one.
    """
    text = "'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class"
    add(group, "dataset", text, required=required, metavar="NAME")
    text = (
        "such as validation, 'test[:50%%]' or all; by default test (of a folder without a folder "
        "test: 10 %% of the images), else validation"
    )
    add(group, "split", text, metavar="SPLIT")
    add(group, "data_dir", "where prepared data sets are", metavar="DIR")


def add_image_size_flag(group, add):
    """Adds `--image-size`; see `add_dataset_flags` for the arguments."""
    text = (
        "pixels a side to resize to, where the model does not fix it; by default what it was built "
        "with, else the images' own"
    )
    add(group, "image_size", text, type=whole(8), metavar="N")
