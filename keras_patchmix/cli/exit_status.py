"""How a command ends: signals to stop, the line that says so, the exit status."""

import contextlib
import enum
import os
import signal
import sys
import threading
from collections.abc import Callable

from keras_patchmix.base.printable import say


class Status(enum.IntEnum):
    """Exit statuses of all commands."""

    meaning: str

    DONE = 0, "done"
    FAILED = 1, "error"
    USAGE = 2, "wrong flags"
    DIVERGED = 3, "the loss was not finite"
    INTERRUPTED = 130, "Ctrl-C"
    TERMINATED = 143, "SIGTERM"

    def __new__(cls, value: int, meaning: str) -> "Status":
        """Makes a status of its number and what it means."""
        status = int.__new__(cls, value)
        status._value_, status.meaning = value, meaning
        return status


class CommandError(Exception):
    """Ends a command with a line and a status.

    Attributes:
        status: A `Status`.
    """

    def __init__(self, message: str, status: Status = Status.FAILED):
        super().__init__(message)
        self.status = status


def exit_status(
    work: Callable[[], object],
    program: str,
    notice: str,
    going_on: Callable[[], str],
    named: Callable[[str], str] = str,
) -> Status:
    """Does the work of a command, and says in a line how it ended.

    Args:
        work: Function without arguments.
        program: Such as `"keras-patchmix score"`, which begins the line.
        notice: String, printed at once when a signal to stop comes.
        going_on: Function that says how to go on after an interruption.
        named: Function of an error's message that returns what to print. Defaults to `str`.

    Returns:
        The `Status`. Errors other than of input, files and packages are raised.
    """
    try:
        with _stopped_by_signals(notice):
            work()
    except KeyboardInterrupt as interrupt:
        say(f"\n{program}: interrupted{going_on()}", file=sys.stderr)
        terminated = isinstance(interrupt, _Terminated)
        return Status.TERMINATED if terminated else Status.INTERRUPTED
    except (CommandError, ValueError, OSError, ImportError) as error:
        say(f"{program}: {named(str(error))}", file=sys.stderr)
        return getattr(error, "status", Status.FAILED)
    return Status.DONE


class _Terminated(KeyboardInterrupt):
    """A signal to terminate, which leaves time to write what there is."""


@contextlib.contextmanager
def _stopped_by_signals(notice):
    """Turns SIGTERM and Ctrl-C into exceptions, and prints a notice at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return

    def stop(number, frame):
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
