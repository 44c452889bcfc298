"""How a command ends: signals, the last line, the exit status."""

import contextlib
import os
import signal
import sys
import threading

from keras_patchmix.base.printable import say

FAILED, INTERRUPTED, TERMINATED = 1, 130, 143


def exit_status(work, going_on, notice=None, named=str):
    """Does the work of a command, and prints a line if it fails or is interrupted.

    Args:
        work: Function without arguments.
        going_on: String, how to resume after an interruption.
        notice: String, printed at once when a signal comes, for work that takes a moment to end.
            Defaults to `None`, nothing.
        named: Function of an error's message that returns what to print. Defaults to `str`.

    Returns:
        0; 1 after an error, which is printed in a line; 130 after Ctrl-C and 143 after a signal to
        terminate, after a line that says how to go on.
    """
    program = os.path.basename(sys.argv[0])
    try:
        with _stopped_by_signals(notice):
            work()
    except KeyboardInterrupt as interrupt:
        say(f"\n{program}: interrupted{going_on}", file=sys.stderr)
        return TERMINATED if isinstance(interrupt, _Terminated) else INTERRUPTED
    except (ValueError, OSError, ImportError) as error:
        say(f"{program}: {named(str(error))}", file=sys.stderr)
        return FAILED
    return 0


class _Terminated(KeyboardInterrupt):
    """A signal to terminate, which leaves time to write results."""


@contextlib.contextmanager
def _stopped_by_signals(notice):
    """Raises at a signal to terminate; prints the notice at once, for Ctrl-C too."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return

    def stop(number, frame):
        if notice is not None:
            # Not `print`, which the signal may have interrupted.
            os.write(2, f"\n{notice}\n".encode())
        raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)  # else the caller handles Ctrl-C
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
