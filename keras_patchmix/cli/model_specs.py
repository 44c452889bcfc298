"""The models that a command line names, before anything is loaded."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from keras_patchmix.base.printable import printable
from keras_patchmix.base.run_directory import file_digest

APPLICATIONS = "keras.applications:"


@dataclass(frozen=True)
class ModelSpec:
    """One model as the flags have it.

    Attributes:
        name: Its name in reports, printable.
        source: Path of a file, or `"keras.applications:NAME"`.
        weights: `"imagenet"`, `"none"` or a path. Defaults to `None`, no such flag.
        preprocess: Value of `--preprocess`. Defaults to `None`, no such flag.
        class_map: Value of `--class-map`. Defaults to `None`, no such flag.
    """

    name: str
    source: str
    weights: str | None = None
    preprocess: str | None = None
    class_map: str | None = None

    @property
    def application(self):
        """The name of the keras.applications model, or None for a file."""
        prefix, _, name = self.source.partition(APPLICATIONS)
        return None if prefix or not name else name

    @property
    def folder(self):
        """The name as a file system takes it."""
        return re.sub(r"[^\w.+-]+", "-", self.name).strip("-.") or "model"

    def described(self):
        """Returns the source of the model for a report, a dict of JSON values."""
        application = self.application is not None
        return {
            "model_source": self.source,
            "model_sha256": None if application else file_digest(self.source),
            "weights": (self.weights or "imagenet") if application else None,
        }


def model_specs(options):
    """Returns the `ModelSpec`s of an `ScoreOptions`.

    Raises:
        ValueError: A file does not exist, two models share a name, or a flag names an unknown
            model.
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
        named = any(text.startswith(f"{spec.name}=") for text in options.weights)
        alone = all(other.application is None for other in specs)
        if spec.application is None and spec.weights is not None and (named or alone):
            raise ValueError(f"--weights is for {APPLICATIONS}NAME; {spec.name!r} is a file")
    return specs


def _no_file(path):
    if (path / "saved_model.pb").exists():
        return (
            f"{str(path)!r} is a directory of TensorFlow's SavedModel, which Keras 3 does not load "
            "as a model. Save the model as a file where it was made: model.save('NAME.keras'). Or "
            f"score it from Python: keras_patchmix.models.open_model({str(path)!r})"
        )
    if path.is_dir():
        return f"{str(path)!r} is a directory"
    return f"There is no file {str(path)!r}"


def _is_named(text):
    """Whether text is NAME=MODEL, and not a path such as a/b=c.keras."""
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
    """Returns the value for one model: that of the last flag with its name, else without a name."""
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
