"""The command: options in, exit status out."""

import contextlib
import os
import signal
import sys
import threading

from keras_patchmix.datasets.superimposing.naming import one_line
from keras_patchmix.datasets.superimposing.options import parse_options, with_flags
from keras_patchmix.datasets.superimposing.running import run

INTERRUPTED, TERMINATED = 130, 143


def main(argv=None, description=None):
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
    program = os.path.basename(sys.argv[0])
    try:
        with _terminated_as_interrupted():
            run(options)
    except KeyboardInterrupt as interrupt:
        print(
            f"\n{program}: interrupted; files that are whole are kept. The same command goes on",
            file=sys.stderr,
        )
        return TERMINATED if isinstance(interrupt, _Terminated) else INTERRUPTED
    except (ValueError, OSError, ImportError) as error:
        print(f"{program}: {one_line(with_flags(' '.join(str(error).split())))}", file=sys.stderr)
        return 1
    return 0


class _Terminated(KeyboardInterrupt):
    """A signal to terminate, which leaves time to remove what is half written."""


@contextlib.contextmanager
def _terminated_as_interrupted():
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return

    def stop(number, frame):
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
