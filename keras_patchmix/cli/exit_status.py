"""How a command ends: signals to stop, the line that says so, the exit status."""

import contextlib
import os
import signal
import sys
import threading

from keras_patchmix.base.printable import say

FAILED, INTERRUPTED, TERMINATED = 1, 130, 143


def exit_status(work, going_on, notice=None, named=str):
    """Does the work of a command, and says in a line how it ended.

    Args:
        work: Function without arguments.
        going_on: String, how to go on after an interruption.
        notice: String, printed at once when a signal to stop comes, for work that takes a moment to
            end. Defaults to `None`, nothing.
        named: Function from an error's message to what is printed of it. Defaults to all of it.

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
    """A signal to terminate, which leaves time to write what there is."""


@contextlib.contextmanager
def _stopped_by_signals(notice):
    """Raises where a signal to terminate comes; answers it and Ctrl-C at once with a notice."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return

    def stop(number, frame):
        if notice is not None:
            # Not `print`, in the midst of which the signal may have come.
            os.write(2, f"\n{notice}\n".encode())
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
