"""The command: options in, exit status out."""

import contextlib
import dataclasses
import os
import shlex
import signal
import sys
import threading

from keras_patchmix.evaluation.options import parse_options
from keras_patchmix.evaluation.running import run

INTERRUPTED, TERMINATED = 130, 143


def main(argv=None, description=None):
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


def status_of(work, options, argv=None):
    """Does the work of a command, and says in a line how it ended.

    Args:
        work: Function of the options, with the directory of the results settled.
        options: A dataclass with a field `output` and a method `directory`.
        argv: List of strings that the options were read from; None is the arguments of the process.

    Returns:
        The exit status, as `main` does.
    """
    options = dataclasses.replace(options, output=options.directory())
    arguments = sys.argv[1:] if argv is None else list(argv)
    program = os.path.basename(sys.argv[0])
    try:
        with _stopped_with_a_word():
            work(options)
    except KeyboardInterrupt as interrupt:
        print(f"\n{program}: interrupted. To go on: {_again(arguments, options)}", file=sys.stderr)
        return TERMINATED if isinstance(interrupt, _Terminated) else INTERRUPTED
    except (ValueError, OSError, ImportError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


class _Terminated(KeyboardInterrupt):
    """A signal to terminate, which leaves time to write what there is."""


@contextlib.contextmanager
def _stopped_with_a_word():
    """Answers Ctrl-C and a signal to terminate at once, and raises for both."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return

    def stop(number, frame):
        # Not `print`, in the midst of which the signal may have come.
        os.write(2, b"\nstopping; what has been scored is saved\n")
        raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)  # else whoever started this wants Ctrl-C for something else
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _again(arguments, options):
    """Returns the command that goes on where this one was interrupted."""
    if not any(part == "--output" or part.startswith("--output=") for part in arguments):
        arguments = [*arguments, "--output", options.output]
    return shlex.join([sys.executable or "python", sys.argv[0], *arguments])
