"""The command `keras-patchmix`, also `python -m keras_patchmix`."""

import contextlib
import dataclasses
import importlib
import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from keras_patchmix._version import __version__
from keras_patchmix.base import keras_backend
from keras_patchmix.base.printable import printable, say
from keras_patchmix.base.suggestions import meant
from keras_patchmix.cli.exit_status import Status, exit_status
from keras_patchmix.cli.messages import named
from keras_patchmix.cli.options import Options

# Subcommands, each a package of `cli`: the class of its options, what it does.
COMMANDS = {
    "train": ("TrainOptions", "train a classifier that is robust to occlusion"),
    "harden": ("HardenOptions", "make a trained classifier robust to occlusion"),
    "score": ("ScoreOptions", "score trained classifiers under occlusion"),
    "explain": ("ExplainOptions", "show what trained classifiers look at"),
    "occlude": ("OccludeOptions", "put objects in front of a data set's images"),
    "records": ("RecordsOptions", "write a data set as sharded TFRecords"),
}
_HELP = """\
usage: keras-patchmix COMMAND [flags]

Image classifiers that survive occlusion.

commands:
{commands}

keras-patchmix COMMAND --help lists the flags of a command; keras-patchmix --version the version.

exit statuses: {statuses}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        arguments: List of strings: a subcommand and its flags. Defaults to `None`, the arguments
            of the process.

    Returns:
        The exit status, a `Status`.

    Raises:
        SystemExit: After the help of a subcommand, or with status 2 where its flags are wrong.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        lines = (f"  {key:<10}{text}" for key, (_, text) in COMMANDS.items())
        statuses = ", ".join(f"{status.value} {status.meaning}" for status in Status)
        say(_HELP.format(commands="\n".join(lines), statuses=statuses))
        return Status.DONE if arguments else Status.USAGE
    if name == "--version":
        say(f"keras-patchmix {__version__}")
        return Status.DONE
    if name not in COMMANDS:
        say(
            f"keras-patchmix: {printable(name)!r} is none of the commands "
            f"{', '.join(COMMANDS)}.{meant(name, COMMANDS)}",
            file=sys.stderr,
        )
        return Status.USAGE
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_backend.choose()
    return _run(name, options_class(name).parse(arguments[1:]), arguments[1:])


def options_class(name: str) -> type[Options]:
    """Returns the `Options` of a subcommand."""
    module = importlib.import_module(f"keras_patchmix.cli.{name}.options")
    return getattr(module, COMMANDS[name][0])


def _run(name, options, arguments):
    """Runs a command in a directory of its own; returns the exit status."""

    def work():
        nonlocal options
        keras_backend.require()
        importlib.import_module("keras_patchmix.models.registered")
        run = importlib.import_module(f"keras_patchmix.cli.{name}.command").run
        if options.output is not None:
            run(options)
            return
        path = options.new_directory()
        options = dataclasses.replace(options, output=str(path))
        try:
            run(options)
        finally:
            with contextlib.suppress(OSError):
                path.rmdir()  # only one that is empty

    return exit_status(
        work,
        f"keras-patchmix {options.COMMAND}",
        options.NOTICE,
        lambda: _how_to_resume(options, arguments),
        lambda message: named(message, {**options.flags(), **options.ARGUMENTS}),
    )


def _how_to_resume(options, arguments):
    """Returns how to resume after an interruption."""
    if not options.RESUMES:
        return "; nothing is left, and the same command starts over"
    if options.output is None:
        return ""
    if not any(one == "--output" or one.startswith("--output=") for one in arguments):
        arguments = [*arguments, "--output", options.output]
    program = ["keras-patchmix"]
    if shutil.which(program[0]) is None:
        program = [sys.executable or "python", "-m", "keras_patchmix"]
    return f". To resume: {shlex.join([*program, options.COMMAND, *arguments])}"
