"""The command: options in, exit status out."""

import dataclasses
import sys
from collections.abc import Sequence

from keras_patchmix.cli.command_line import again
from keras_patchmix.cli.exit_status import exit_status
from keras_patchmix.cli.score.options import parse_options
from keras_patchmix.cli.score.running import run


def main(argv: Sequence[str] | None = None, description: str | None = None) -> int:
    """Runs the command line of `recipes/evaluate_occlusion.py`.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        The exit status: 0; 1 after an error, which is printed in a line; 130 after Ctrl-C and 143
        after a signal to terminate, after a line that says how to go on.

    Raises:
        SystemExit: With status 2, where the flags are wrong.
    """
    return status_of(lambda options: run(options), parse_options(argv, description), argv)


def status_of(
    work, options, argv=None, notice="stopping; what has been scored is saved", named=str
):
    """Does the work of a command, and says in a line how it ended.

    Args:
        work: Function of the options, with the directory of the results settled.
        options: A dataclass with a field `output` and a method `directory`.
        argv: List of strings that the options were read from; None is the arguments of the process.
        notice: As of `keras_patchmix.cli.exit_status.exit_status`.
        named: As there.

    Returns:
        The exit status, as `main` does.
    """
    options = dataclasses.replace(options, output=options.directory())
    arguments = sys.argv[1:] if argv is None else list(argv)
    return exit_status(
        lambda: work(options),
        f". To go on: {again(arguments, options.output)}",
        notice=notice,
        named=named,
    )
