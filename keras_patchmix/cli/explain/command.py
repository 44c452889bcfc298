"""The command: options in, exit status out."""

from collections.abc import Sequence

from keras_patchmix.cli.explain.options import parse_options
from keras_patchmix.cli.explain.running import run
from keras_patchmix.cli.score.command import status_of


def main(argv: Sequence[str] | None = None, description: str | None = None) -> int:
    """Runs the command line of `recipes/explain.py`.

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
