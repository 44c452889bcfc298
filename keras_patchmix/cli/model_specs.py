"""Which models a command line asks for, before anything is loaded."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from keras_patchmix.base.printable import printable
from keras_patchmix.base.run_directory import file_digest

APPLICATIONS = "keras.applications:"


@dataclass(frozen=True)
class ModelSpec:
    """One model as asked for.

    Attributes:
        name: What the report calls it, printable.
        source: Path of a file, or `"keras.applications:NAME"`.
        weights: `"imagenet"`, `"none"` or a path; None where not asked for.
        preprocess: As of `--preprocess`; None where not asked for.
        class_map: As of `--class-map`; None where not asked for.
    """

    name: str
    source: str
    weights: str | None = None
    preprocess: str | None = None
    class_map: str | None = None

    @property
    def application(self):
        """The name of the keras.applications model, or None for a file."""
        return self.source.removeprefix(APPLICATIONS) if self._is_application() else None

    @property
    def folder(self):
        """The name as that of a folder."""
        return re.sub(r"[^\w.+-]+", "-", self.name).strip("-.") or "model"

    def described(self):
        """Returns what a report says of where the model is from, as a dict of JSON values."""
        application = self.application is not None
        return {
            "model_source": self.source,
            "model_sha256": None if application else file_digest(self.source),
            "weights": (self.weights or "imagenet") if application else None,
        }

    def _is_application(self):
        return self.source.startswith(APPLICATIONS)


def model_specs(options):
    """Returns the `ModelSpec`s of an `EvaluationOptions`.

    Raises:
        ValueError: A file that is not there, two models of one name, a setting for a model that
            there is not.
    """
    pairs = [_name_and_source(text) for text in options.model]
    names = [name for name, _ in pairs]
    if len({name.lower() for name in names}) < len(names):
        # Files of one name are told apart by their folders.
        pairs = [
            (name if given else _stem_with_folder(source), source)
            for (name, source), given in zip(pairs, map(_is_named, options.model), strict=True)
        ]
    specs = []
    for name, source in pairs:
        settings = {
            field: _setting(field, getattr(options, field), name, [n for n, _ in pairs])
            for field in ("weights", "preprocess", "class_map")
        }
        specs.append(ModelSpec(printable(name), source, **settings))
    folders = [spec.folder.lower() for spec in specs]
    if len(set(folders)) < len(folders):
        raise ValueError(
            "--model: two models share a name; give them names, NAME=MODEL. "
            f"Received: {', '.join(f'{spec.name}={spec.source}' for spec in specs)}"
        )
    for spec in specs:
        if spec.application is None and not Path(spec.source).is_file():
            raise ValueError(
                f"--model must be a file, or {APPLICATIONS}NAME. {_no_file(Path(spec.source))}"
            )
        if spec.application is None and spec.weights is not None and options_for(options, spec):
            raise ValueError(f"--weights is for {APPLICATIONS}NAME; {spec.name!r} is a file")
    return specs


def _no_file(path):
    if (path / "saved_model.pb").exists():
        return (
            f"{str(path)!r} is a directory of TensorFlow's SavedModel, which Keras 3 does not load "
            "as a model. Save the model as a file where it was made: model.save('NAME.keras'). Or "
            "score it from Python, as a function that calls keras.layers.TFSMLayer("
            f"{str(path)!r}, call_endpoint='serving_default')"
        )
    if path.is_dir():
        return f"{str(path)!r} is a directory"
    return f"There is no file {str(path)!r}"


def options_for(options, spec):
    """Whether `--weights` names this very model, and not all."""
    return any(text.startswith(f"{spec.name}=") for text in options.weights)


def _is_named(text):
    """Whether a name stands in front: in a/b=c.keras, say, it does not."""
    name, equals, _ = text.partition("=")
    return bool(equals and name) and not os.path.exists(text) and not re.search(r"[/\\]", name)


def _name_and_source(text):
    if _is_named(text):
        name, _, source = text.partition("=")
        return name, source
    if text.startswith(APPLICATIONS):
        return text.removeprefix(APPLICATIONS), text
    return Path(text).stem, text


def _stem_with_folder(source):
    path = Path(source).absolute()
    return f"{path.parent.name}-{path.stem}" if path.parent.name else path.stem


def _setting(field, texts, name, names):
    """Returns what the flags say of one model: the last one with its name, else without a name."""
    general = own = None
    for text in texts:
        head, equals, value = text.partition("=")
        if equals and head in names:
            own = value if head == name else own
        elif equals and not os.path.exists(text):
            raise ValueError(
                f"--{field.replace('_', '-')}: there is no model {head!r}, only "
                f"{', '.join(map(repr, names))}. Received: {text}"
            )
        else:
            general = text
    return own if own is not None else general
