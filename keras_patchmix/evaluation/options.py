"""The options of an evaluation: one dataclass, and the strict command line that fills it."""

import argparse
import dataclasses
import datetime
import re
import shlex
from dataclasses import dataclass

from keras_patchmix._flags import whole

# What may differ between a command and the one that goes on with it.
_FREE = ("output", "progress", "per_class")
_EPILOG = """\
models:
  model.keras, model.h5             a saved model; the report calls it "model"
  small=runs/a/model.keras          the same, called "small"
  keras.applications:ConvNeXtTiny   built by Keras, with its ImageNet weights and preprocessing
  --weights, --preprocess and --class-map hold for all models; with NAME= in front for that one.
  MODULE is the name of a module, looked for in the current directory too, or a .py file.

results, in the directory of --output:
  report.html                       everything on one page, to read or print
  report.json, report.csv           every number and setting; curves.png the curves
  config.json                       this command; several models have a folder each
  The same command and --output again goes on where it was interrupted.
"""


@dataclass(frozen=True)
class EvaluationOptions:
    """All settings of an evaluation; `config.json` in its directory holds them.

    Attributes are described by `python recipes/evaluate_occlusion.py --help`.
    """

    model: tuple
    dataset: str
    split: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    max_examples: int | None = None
    weights: tuple = ()
    preprocess: tuple = ()
    class_map: tuple = ()
    imports: tuple = ()
    unsafe_load: bool = False
    suite: str = "default"
    occluded: tuple = ()
    saliency: str | None = None
    selectivity: int | None = None
    seed: int = 0
    batch_size: int = 64
    output: str | None = None
    per_class: bool = False
    progress: str = "auto"

    def directory(self):
        """The directory of the results: `output`, or a new name under `runs/`."""
        if self.output:
            return self.output
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        dataset = re.sub(r"[^\w.-]+", "-", self.dataset.removeprefix("folder:")).strip("-.")
        return f"runs/{now}-{dataset[-40:]}-occlusion"

    def to_dict(self):
        """The settings as a dict of JSON values."""
        values = dataclasses.asdict(self)
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    def deciding(self):
        """Those of `to_dict` that decide the numbers: the same ones are needed to go on."""
        values = {key: value for key, value in self.to_dict().items() if key not in _FREE}
        for later in ("occluded", "selectivity"):
            if not values[later]:
                del values[later]  # as in directories from before there was this flag
        return values

    def command(self):
        """The shortest command line that scores the same, into a directory of its own."""
        parts = ["python", "recipes/evaluate_occlusion.py"]
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for field, value in self.deciding().items():
            if value is True:
                parts.append(flag(field))
            elif value not in (defaults[field], []):
                for one in value if isinstance(value, list) else [value]:
                    # "--flag=-x", as "-x" alone would be taken for a flag.
                    dashed = str(one).startswith("-")
                    parts += [f"{flag(field)}={one}"] if dashed else [flag(field), str(one)]
        return shlex.join(parts)


def flag(field):
    """Returns the flag of an attribute of `EvaluationOptions`, such as "--max-examples"."""
    return "--import" if field == "imports" else "--" + field.replace("_", "-")


def parse_options(argv=None, description=None):
    """Reads options from a command line; unknown flags and values out of range are errors.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        An `EvaluationOptions`.

    Raises:
        SystemExit: With status 2, after a message that names the flag.
    """
    parser = argparse.ArgumentParser(
        usage="%(prog)s --model [NAME=]MODEL [--model ...] --dataset NAME [flags]",
        description=description,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = {f.name: f.default for f in dataclasses.fields(EvaluationOptions)}

    add = flag_adder(defaults, flag)
    add_model_flags(parser, add)

    data = parser.add_argument_group("data")
    text = "'shapes', a TensorFlow Datasets name, or folder:PATH with a folder for each class"
    add(data, "dataset", text, required=True, metavar="NAME")
    text = (
        "such as validation, 'test[:50%%]' or all; by default test (of a folder without a folder "
        "test: 10 %% of the images), else validation"
    )
    add(data, "split", text, metavar="SPLIT")
    add(data, "data_dir", "where prepared data sets are", metavar="DIR")
    text = (
        "pixels a side to resize to, where the model does not fix it; by default what it was built "
        "with, else the images' own"
    )
    add(data, "image_size", text, type=whole(8), metavar="N")
    add(data, "max_examples", "score the first N images only", type=whole(1), metavar="N")

    scoring = parser.add_argument_group("scoring")
    text = "default, extended, or a JSON file of corruptions (keras_patchmix.occlusion.serialize)"
    add(scoring, "suite", text, metavar="SUITE")
    text = (
        "a set of occluded images that is scored too, with labels of its own: NAME as of "
        "--dataset; by default its test split, else all splits (of a folder all images); again for "
        "each further one"
    )
    add(scoring, "occluded", text, action="append", metavar="NAME[:SPLIT]")
    text = "function from images to saliency maps, for suites with salient patches"
    add(scoring, "saliency", text, metavar="MODULE:FUNCTION")
    text = (
        "measure patch selectivity too, on the first N images: 2,000 passes through each model for "
        "each of them"
    )
    add(scoring, "selectivity", text, type=whole(1), metavar="N")
    add(scoring, "seed", "of everything that is drawn", type=whole(0), metavar="N")
    add(scoring, "batch_size", "images a forward pass", type=whole(1), metavar="N")

    results = parser.add_argument_group("results")
    text = "directory for the results: a new one, or that of this command when it was interrupted"
    add(results, "output", text + " (default: runs/TIME-DATASET-occlusion)", metavar="DIR")
    text = "print the classes that suffer most, and write classes.csv"
    add(results, "per_class", text, action="store_true")
    text = "bars with the time left"
    add(results, "progress", text, choices=("auto", "on", "off"))

    values = vars(parser.parse_args(argv))
    for field, default in defaults.items():
        if default == () or field == "model":
            values[field] = tuple(values[field] or ())
    return EvaluationOptions(**values)


def flag_adder(defaults, flag):
    """Returns a function that adds the flag of a field to a group of an `argparse` parser.

    Args:
        defaults: Dict from fields to defaults, which the help states.
        flag: Function from a field to its flag.
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
    text = "import a module, or a .py file, before models are loaded: it registers their classes"
    add(models, "imports", text, action="append", metavar="MODULE")
    text = "trust the model files: they may hold Python code, which loading then runs"
    add(models, "unsafe_load", text, action="store_true")
