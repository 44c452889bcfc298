"""The command: options in, exit status out."""

from collections.abc import Sequence

from keras_patchmix._exit_status import exit_status
from keras_patchmix._names import printable
from keras_patchmix.datasets.superimposing.options import parse_options, with_flags
from keras_patchmix.datasets.superimposing.running import run


def main(argv: Sequence[str] | None = None, description: str | None = None) -> int:
    """Runs the command line of `recipes/make_smd.py`.

    Args:
        argv: List of strings. Defaults to `None`, the arguments of the process.
        description: The help's first paragraph.

    Returns:
        The exit status: 0; 1 after an error, which is printed in a line; 130 after Ctrl-C and 143
        after a signal to terminate, after a line that says how to go on.

    Raises:
        SystemExit: With status 2, where the flags are wrong.
    """
    options = parse_options(argv, description)
    return exit_status(
        lambda: run(options),
        "; files that are whole are kept. The same command goes on",
        named=lambda message: printable(with_flags(" ".join(message.split()))),
    )
