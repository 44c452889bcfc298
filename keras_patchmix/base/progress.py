"""Keras' progress bar, with a title, where it is wanted."""

import contextlib
import sys

import keras

from keras_patchmix.base.printable import printable, say


class Progress:
    """A bar with the time left in a terminal or notebook, two lines in a log.

    Args:
        verbose: `True`, `False`, 0, 1, 2, or `"auto"`: in a terminal or notebook only. As in Keras'
            `fit`, 2 is for logs: no bar, but the title, and a line for each `note`.
        title: Line above the bar.

    Raises:
        ValueError: Another `verbose`.
    """

    def __init__(self, verbose, title):
        if verbose not in ("auto", True, False, 0, 1, 2):
            raise ValueError(
                f'`verbose` must be "auto", True or False. Received: verbose={verbose!r}'
            )
        self._is_live, self._is_log = is_live(), verbose == 2
        self._is_wanted = self._is_live if verbose == "auto" else bool(verbose)
        self._title, self._bar, self._count = title, None, 0
        self._has_begun = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._bar is not None and self._count != self._bar.target:
            self._bar.update(self._count, finalize=True)  # ends the line

    def start(self, total, done=0):
        """Shows the bar, unless it is shown already.

        Args:
            total: Number of images, or None if unknown.
            done: Images that an interrupted run has done, which the bar leaves out.
        """
        if self._is_log and not self._has_begun:
            say(printable(self._title))
        elif self._is_wanted and not self._has_begun:
            say(f"\n{printable(self._title)}")
            self._bar = keras.utils.Progbar(
                None if total is None else total - done,
                verbose=1 if self._is_live else 2,
                unit_name="image",
            )
        self._has_begun = True

    def add(self, count):
        """Moves the bar on by a number of images."""
        if self._bar is not None:
            self._count += count
            self._bar.update(self._count)

    def note(self, line):
        """Prints a line, such as that of an epoch, where there is a log in place of the bar."""
        if self._is_log:
            say(printable(line))


def is_live():
    """Whether a bar can be redrawn: in a terminal or notebook."""
    return sys.stdout.isatty() or _in_notebook()


def spanning(verbose, title):
    """Returns the bar of a call that may be part of a longer one.

    Args:
        verbose: The `Progress` of the longer call; or as `Progress` takes it.
        title: Title of a bar of its own.

    Returns:
        A context manager of a `Progress`.
    """
    if isinstance(verbose, Progress):
        return contextlib.nullcontext(verbose)
    return Progress(verbose, title)


def _in_notebook():
    """Whether this process is the kernel of a notebook, not one that merely starts kernels."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and kernel.IPKernelApp.initialized()
