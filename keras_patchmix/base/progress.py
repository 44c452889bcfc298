"""A progress bar with the time left, where it is wanted."""

import contextlib
import importlib.util
import sys

from keras_patchmix.base.optional import require
from keras_patchmix.base.printable import printable


class Progress:
    """A tqdm bar where it is wanted and installed, else nothing.

    Args:
        verbose: `True`, `False`, 0, 1, 2, or `"auto"`: in a terminal or notebook only.
        title: What stands before the bar.

    Raises:
        ValueError: Another `verbose`.
    """

    def __init__(self, verbose, title):
        if verbose not in ("auto", True, False, 0, 1, 2):
            raise ValueError(
                f'`verbose` must be "auto", True or False. Received: verbose={verbose!r}'
            )
        if verbose == "auto":
            verbose = sys.stderr.isatty() or _in_notebook()
        self._title = title
        self._wanted = bool(verbose) and importlib.util.find_spec("tqdm") is not None
        self._stack = contextlib.ExitStack()
        self._bar = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def start(self, total, done=0):
        """Shows the bar, if it is not there yet.

        Args:
            total: Number of images, or None where it is unknown.
            done: How many of them an interrupted run had done.
        """
        if self._wanted and self._bar is None:
            bar = require("tqdm", "the progress bar").tqdm(
                total=total, initial=done, desc=printable(self._title), unit="image", leave=False
            )
            self._bar = self._stack.enter_context(bar)

    def add(self, count):
        """Moves the bar on by a number of images."""
        if self._bar is not None:
            self._bar.update(count)


def spanning(verbose, title):
    """Returns the bar of a call that may be a part of a longer one.

    Args:
        verbose: A `Progress` that is entered and started, which goes on; or as `Progress` takes it.
        title: What stands before a bar of its own.

    Returns:
        A context manager of a `Progress`.
    """
    if isinstance(verbose, Progress):
        return contextlib.nullcontext(verbose)
    return Progress(verbose, title)


def _in_notebook():
    """Whether this process is a notebook's kernel; one that merely starts kernels is none."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and kernel.IPKernelApp.initialized()
