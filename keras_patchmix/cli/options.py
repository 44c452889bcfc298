"""Options of a command: a dataclass is the one source of flags, defaults, help, JSON and checks.

`argparse` reads the command line. jsonargparse and tyro were tried on the options of `score`: one
takes `--model` once and flags of underscores, the other keeps the last of several `--model`s
without a word, and both need ranges and checks across flags written beside them all the same.
"""

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from keras_patchmix.base import state_files
from keras_patchmix.base.printable import printable
from keras_patchmix.base.run_directory import new_directory
from keras_patchmix.cli.messages import named

Command = TypeVar("Command", bound="Options")


class OptionError(ValueError):
    """An option, or several together, that a command does not take.

    Args:
        flags: String, the flag that is wrong, or several, such as `"--foreign and --black"`.
        reason: What is allowed and what arrived.
    """

    def __init__(self, flags: str, reason: str):
        super().__init__(f"{flags}: {reason}")


def option(
    default: Any = dataclasses.MISSING,
    help: str = "",
    *,
    group: str = "results",
    kind: Callable[[str], Any] | None = None,
    choices: Sequence[str] | Callable[[], Sequence[str]] | None = None,
    metavar: str | tuple[str, ...] | None = None,
    nargs: int | str | None = None,
    flag: str | None = None,
    repeats: bool = False,
    decides: bool = True,
) -> Any:
    """Declares a field of `Options`.

    Args:
        default: Value where the flag is not given. A flag whose default is `False` takes no value.
            Without a default the flag is required.
        help: What the flag does; the default is added.
        group: Title of the group of flags in the help.
        kind: Function from the text of a value to the value. Defaults to `str`.
        choices: The values that are allowed, or a function that returns them.
        metavar: What stands for the value in the help.
        nargs: As in `argparse`: several values after one flag, kept as a tuple.
        flag: Such as `"--class"`, where it does not follow from the field.
        repeats: Whether the flag may be repeated; the option is a tuple of its values.
        decides: Whether the option decides the results, so that a run only goes on with the same
            value.
    """
    metadata = {
        "help": help,
        "group": group,
        "kind": kind,
        "choices": choices,
        "metavar": metavar,
        "nargs": nargs,
        "flag": flag,
        "repeats": repeats,
        "decides": decides,
    }
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the options of a command. Subclasses declare fields by `option`.

    Attributes:
        COMMAND: The subcommand, such as `"score"`.
        DESCRIPTION: First paragraphs of the help.
        EPILOG: Last paragraphs of the help.
        RETIRED: Dict from options of earlier versions to what replaces them.
        PURPOSE: Last word of the name of a directory of results, where none is given.
        NOTICE: Printed at once where the command is told to stop.
        ARGUMENTS: Dict from arguments of the library to flags, for messages, where the option has
            another name.
        RESUMES: Whether the same command resumes where it was interrupted.
    """

    COMMAND: ClassVar[str]
    DESCRIPTION: ClassVar[str] = ""
    EPILOG: ClassVar[str] = ""
    RETIRED: ClassVar[dict[str, str]] = {}
    PURPOSE: ClassVar[str] = ""
    NOTICE: ClassVar[str] = "stopping"
    ARGUMENTS: ClassVar[dict[str, str]] = {"name": "--dataset", "from_logits": "--scores"}
    RESUMES: ClassVar[bool] = True

    def new_directory(self) -> Path:
        """Makes the directory of the results, where none was given."""
        return new_directory(getattr(self, "dataset", ""), self.PURPOSE)

    def check(self) -> None:
        """Raises an `OptionError` where options do not go together."""

    def to_dict(self) -> dict[str, Any]:
        """Returns all options as JSON values."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}

    def deciding(self) -> dict[str, Any]:
        """Returns the options that decide the results, as JSON values."""
        fields = dataclasses.fields(self)
        decides = {field.name for field in fields if field.metadata["decides"]}
        return {key: value for key, value in self.to_dict().items() if key in decides}

    def command_line(self) -> str:
        """Returns the shortest command that has the same results."""
        defaults = self.defaults()
        given = {
            name: value
            for name, value in self.deciding().items()
            if name not in defaults or value != defaults[name]
        }
        arguments = _arguments(given, dataclasses.fields(self))
        return shlex.join(["keras-patchmix", self.COMMAND, *arguments])

    @classmethod
    def flags(cls) -> dict[str, str]:
        """Returns a dict from fields to their flags."""
        return {field.name: flag_of(field) for field in dataclasses.fields(cls)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Returns a dict from fields that have defaults to these, as JSON values."""
        fields = dataclasses.fields(cls)
        return {f.name: _plain(f.default) for f in fields if f.default is not dataclasses.MISSING}

    @classmethod
    def presets(cls) -> dict[str, Path]:
        """Returns a dict from names that `--config` takes to the files that they stand for."""
        return {}

    @classmethod
    def parse(cls: type[Command], arguments: Sequence[str]) -> Command:
        """Reads a command line, over the settings of its `--config`.

        Args:
            arguments: List of strings, those after the subcommand.

        Raises:
            SystemExit: With status 2, after a message that names the flag; 0 after the help.
        """
        parser = cls.parser()
        for argument in arguments:
            if argument.startswith("--") and argument.endswith(("=", "=--")):  # argparse takes both
                parser.error(f"argument {argument.partition('=')[0]}: must have a value")
        given = vars(parser.parse_args(arguments))
        for field in dataclasses.fields(cls):
            value = given.get(field.name)
            if value == "" or (isinstance(value, list) and "" in value):
                parser.error(f"argument {flag_of(field)}: must not be empty")
        config = given.pop("config", None)
        try:
            settings = {} if config is None else cls._read(config)
        except ValueError as error:
            parser.error(f"argument --config: {error}")
        lines = _arguments(settings, dataclasses.fields(cls))
        values = {**vars(parser.parse_args(lines)), **given}
        required = [
            flag_of(field)
            for field in dataclasses.fields(cls)
            if field.default is dataclasses.MISSING and field.name not in values
        ]
        if required:
            parser.error(f"the following arguments are required: {', '.join(required)}")
        options = cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
        try:
            options.check()
        except OptionError as error:
            parser.error(f"argument {named(str(error), cls.flags())}")
        return options

    @classmethod
    def parser(cls) -> argparse.ArgumentParser:
        """Returns the parser of the flags; those that are not given are not in its result."""
        required = [f for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
        shown = "".join(f" {flag_of(f)} {f.metadata['metavar']}" for f in required)
        parser = _Parser(
            prog=f"keras-patchmix {cls.COMMAND}",
            usage=f"%(prog)s{shown} [flags]",
            description=cls.DESCRIPTION,
            epilog=cls.EPILOG,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        text = "JSON file of options, which flags override"
        if cls.RESUMES:
            text += ", such as the config.json of a run"
        if cls.presets():
            text += f"; or one of the published recipes {', '.join(cls.presets())}"
        parser.add_argument("--config", metavar="FILE", help=text)
        groups = {}
        for field in dataclasses.fields(cls):
            title = field.metadata["group"]
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            _add(groups[title], field)
        return parser

    @classmethod
    def _read(cls, name):
        """Returns the options in a JSON file.

        Raises:
            ValueError: It is no such file, or holds an unknown or removed option.
        """
        path = cls.presets().get(name, Path(name))
        try:
            settings = state_files.read_json(path, "a JSON file of settings")
        except OSError as error:
            known = "".join(f"{preset}, " for preset in cls.presets())
            raise ValueError(
                f"must be {known and f'one of {known}or '}a JSON file, got {name!r}: "
                f"{error.strerror}"
            ) from None
        if isinstance(settings, dict):
            recipe = settings.get("recipe", cls.COMMAND)
            recipe = "score" if recipe == "evaluate_occlusion" else recipe
            if recipe != cls.COMMAND:
                raise ValueError(f"{name!r} is the config.json of keras-patchmix {recipe}")
            settings = settings.get("options", settings)
        if not isinstance(settings, dict):
            raise ValueError(f"{name!r} must hold a JSON object, got {type(settings).__name__}")
        settings = {key: v for key, v in settings.items() if key not in _NOT_SETTINGS}
        retired = [key for key in cls.RETIRED if settings.pop(key, None) is not None]
        if retired:
            raise ValueError(
                f"{name!r} holds keys of an earlier version: "
                + "; ".join(f"{key} (use {cls.RETIRED[key]})" for key in retired)
            )
        unknown = sorted(set(settings) - set(cls.flags()))
        if unknown:
            raise ValueError(
                f"{name!r} holds unknown keys: {', '.join(unknown)}. "
                f"Known: {', '.join(sorted(cls.flags()))}"
            )
        for key, value in settings.items():
            parts = value if isinstance(value, list) else [value]
            if not all(part is None or isinstance(part, str | int | float) for part in parts):
                raise ValueError(f"{name!r}: {key} must be a number, a string or a list of them")
        return settings


# Keys of config.json and presets that are not options, or belong to one run.
_NOT_SETTINGS = ("about", "source", "not_covered", "recipe", "files", "output", "choice")


class _Parser(argparse.ArgumentParser):
    """A parser whose messages hold no control characters, whatever names flags were given."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def flag_of(field):
    """Returns the flag of a field of `Options`, such as "--max-examples"."""
    return field.metadata["flag"] or "--" + field.name.replace("_", "-")


def _add(group, field):
    about, default = field.metadata, field.default
    arguments = {"dest": field.name, "help": about["help"]}
    if default is False:
        group.add_argument(flag_of(field), action="store_true", **arguments)
        return
    if default not in (None, (), dataclasses.MISSING):
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        arguments["help"] += f" (default: {shown})"
    choices = about["choices"]
    choices = choices() if callable(choices) else choices
    if about["repeats"]:
        arguments["action"] = "append"
    for key, value in (
        ("type", about["kind"]),
        ("choices", choices),
        ("metavar", about["metavar"]),
        ("nargs", about["nargs"]),
    ):
        if value is not None:
            arguments[key] = value
    group.add_argument(flag_of(field), **arguments)


def _arguments(settings, fields):
    """Returns options as arguments of a command line, which are then checked as such."""
    arguments = []
    for field in fields:
        name, value = flag_of(field), settings.get(field.name)
        if value is True:
            arguments.append(name)
        elif field.metadata["nargs"] and value is not None:
            arguments += [name, *map(str, value if isinstance(value, list) else [value])]
        elif value is not None and value is not False:
            for one in map(str, value if isinstance(value, list) else [value]):
                # "--flag=-x", as "-x" alone would be taken for a flag.
                arguments += [f"{name}={one}"] if one.startswith("-") else [name, one]
    return arguments


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def number(convert, valid, allowed):
    """Returns a `kind` of `option`: some numbers only.

    Args:
        convert: `int` or `float`.
        valid: Function of the number, whether it is accepted.
        allowed: What is accepted, to complete "must be ...".
    """

    def parse(text):
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not valid(value):
            raise argparse.ArgumentTypeError(f"must be {allowed}, got {text!r}")
        return value

    return parse


def whole(minimum, maximum=None):
    """Returns a `kind`: whole numbers of at least `minimum`, and at most `maximum` if given."""
    if maximum is None:
        return number(int, lambda n: n >= minimum, f"a whole number of at least {minimum}")
    allowed = f"a whole number from {minimum} to {maximum}"
    return number(int, lambda n: minimum <= n <= maximum, allowed)


positive = number(float, lambda x: 0 < x < float("inf"), "a positive number")
not_negative = number(float, lambda x: 0 <= x < float("inf"), "a number of at least 0")
share = number(float, lambda x: 0 <= x <= 1, "a number from 0 to 1")
part = number(float, lambda x: 0 < x < 1, "a number between 0 and 1")
below_one = number(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")
