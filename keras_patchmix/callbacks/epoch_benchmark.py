"""The base of callbacks that score a model at the end of epochs."""

import contextlib
import copy
import inspect
import os
import random
import sys
import time
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_patchmix.callbacks.epoch_files import EpochLines, check_directory
from keras_patchmix.callbacks.tensorboard_figure import TensorBoardFigure
from keras_patchmix.devices.workers import is_chief

# They read logs, or, as BackupAndRestore does, count an epoch as done before it is scored.
_LATER = (
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.EarlyStopping,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.CSVLogger,
    keras.callbacks.TensorBoard,
    keras.callbacks.BackupAndRestore,
)


class EpochBenchmark(keras.callbacks.Callback):
    """Scores a model at the end of epochs and writes the scores into `logs`.

    Subclasses define what is measured: the methods that raise NotImplementedError, and the class
    attributes.

    Args:
        frequency: Runs every `frequency` epochs, including the first.
        directory: Directory of the files, or None.
        verbose: `"auto"`, `True` or `False`.

    Attributes:
        topic: What is measured, in a word: the prefix of the files' names.
        picture: Name of the TensorBoard image of a score, and of the file of the last one.
        report_class: Class of the reports, with `load` and `to_json`.
        report: The last report, or None.
        timeline: List of dicts, one for each epoch that was scored; the lines of the file.
    """

    topic = picture = report_class = None
    # Attributes that a copy shares: they are only read, or cannot be copied.
    _shared: tuple[str, ...] = ("_model",)
    _mismatch = None  # the end of a warning that lines in the file were measured otherwise

    def __init__(self, frequency, directory, verbose):
        super().__init__()
        if not isinstance(frequency, int | np.integer) or frequency < 1:
            raise ValueError(
                f"`frequency` must be a positive integer. Received: frequency={frequency!r}"
            )
        if verbose not in ("auto", True, False):
            raise ValueError(
                f'`verbose` must be "auto", True or False. Received: verbose={verbose!r}'
            )
        self.frequency = int(frequency)
        self.verbose = verbose
        self.report = None
        self.timeline = []
        self._directory = self._file = None
        self._is_copy = False  # whether the files of a first fit belong into a folder of their own
        if directory is not None:
            if not isinstance(directory, str | os.PathLike):
                raise ValueError(
                    f"`directory` must be a path or None. Received: directory={directory!r}"
                )
            self._directory = Path(directory)
            self._file = EpochLines(self._directory / f"{self.topic}.jsonl", type(self).__name__)
        self._figure = TensorBoardFigure((), self.topic, self.picture)
        self._values = None
        self._begun, self._epoch_begun = time.perf_counter(), None
        self._epochs = self._scored = 0
        self._warned = set()

    def __deepcopy__(self, memo):
        # KerasTuner gives each trial copies of its callbacks.
        copied = copy.copy(self)
        memo[id(self)] = copied
        for name, value in vars(self).items():
            if name not in (*self._shared, "_figure"):
                setattr(copied, name, copy.deepcopy(value, memo))
        copied._is_copy = True
        # The original's event files are open.
        copied._figure = TensorBoardFigure((), self.topic, self.picture)
        return copied

    def _check(self):
        """Raises if the data are malformed, or do not fit the model."""
        raise NotImplementedError

    def _measure(self):
        """Returns the report of the model as it is, or None if it cannot be scored."""
        raise NotImplementedError

    def _values_of(self, report, epoch):
        """Returns a dict of finite numbers: what was measured."""
        raise NotImplementedError

    def _logged(self, values):
        """Returns those of the values that are written into `logs`."""
        return values

    def _details(self, report):
        """Returns the entries of a line besides epoch, values and seconds."""
        raise NotImplementedError

    def _compare(self, report, entry, earlier):
        """Warns of what is suspicious in a report, or differs from earlier lines."""
        raise NotImplementedError

    def _is_ours(self, entry):
        """Whether a line of the file was measured with the settings of this object."""
        raise NotImplementedError

    def _plot_report(self, report, path=None):
        """Returns the figure of a report, or None if there is nothing to draw."""
        raise NotImplementedError

    def plot(self, path=None):
        """Draws the values over the epochs that were scored."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        """Checks the order of callbacks, the directory and the data."""
        # A new fit starts from the file, if there is one: it may be another run of the model.
        self._values = None
        self._begun, self._epochs, self._scored = time.perf_counter(), 0, 0
        others = callbacks_around(self)
        self._check_order(others)
        if self._directory is not None:
            files = (self.topic + suffix for suffix in (".jsonl", ".json", ".png"))
            files = (*files, f"{self.picture}.png")
            check_directory(self._directory, files, to_write=is_chief(self.model))
            if self._is_copy and is_chief(self.model):
                self._directory = self._file.claim()
                self._is_copy = False
        with unchanged_random_state():
            self._check()
        boards = [one for one in others if isinstance(one, keras.callbacks.TensorBoard)]
        boards = boards if is_chief(self.model) else ()
        self._figure = TensorBoardFigure(boards, self.topic, self.picture)

    def _check_order(self, others):
        """Warns of callbacks that stand before this one and may need its values."""
        before = others[: next((i for i, one in enumerate(others) if one is self), 0)]
        early = [type(one).__name__ for one in before if isinstance(one, _LATER)]
        if early:
            self._warn_once(
                "order",
                f"{type(self).__name__} comes after {', '.join(early)} in `callbacks`: its values "
                "come too late for them, and an epoch that is interrupted while it is scored is "
                "left out after a restart. Put it first in the list.",
                stacklevel=4,
            )
        foreign = [type(one).__name__ for one in before if _may_read_logs(one)]
        if foreign:
            self._warn_once(
                "order of others",
                f"{type(self).__name__} comes after {', '.join(foreign)} in `callbacks`: if these "
                "log or follow its values, put it before them: now their logs lack these.",
                stacklevel=4,
            )

    def on_epoch_begin(self, epoch, logs=None):
        """Loads the last values of an interrupted run."""
        self._epoch_begun = time.perf_counter()
        if self._values is None and self._file is not None:
            self._reload(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Scores the model, or repeats the last scores, and writes them into `logs`."""
        self._epochs += 1
        if self._values is None or epoch % self.frequency == 0:
            self._score(epoch)
        if logs is not None:
            logs.update(self._logged(self._values))

    def on_train_end(self, logs=None):
        """Writes the pictures, and prints the last report and the cost of scoring."""
        self._figure.close()
        if not self.timeline or not is_chief(self.model):
            return
        if self._directory is not None:
            self._draw(self.plot, self._directory / f"{self.topic}.png")
            if self.report is not None:
                path = self._directory / f"{self.picture}.png"
                self._draw(self._plot_report, self.report, path)
        shown = (self.params or {}).get("verbose", 0) if self.verbose == "auto" else self.verbose
        if shown and self._scored:
            print(f"\nAfter epoch {self.timeline[-1]['epoch']}, counted from 0:\n{self.report}\n")
            print(self._cost())

    def _score(self, epoch):
        begun = time.perf_counter()
        try:
            with unchanged_random_state():
                report = self._measure()
        except Exception as error:
            # Keras drops the cause on its way through `fit`, so the message tells the place.
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise RuntimeError(
                f"{type(self).__name__} could not score the model after epoch {epoch}, counted "
                f"from 0: {type(error).__name__}: {error} "
                f"({place.name}, {place.filename}, line {place.lineno})"
            ) from error
        values = self._values_of(report, epoch)
        if report is not None:
            report.settings["epoch"] = epoch
        entry = {"epoch": epoch, **self._details(report), "values": values}
        if self._file is None:
            earlier = [line for line in self.timeline if line["epoch"] < epoch]
        else:
            earlier = self._file.before(epoch)
        self._compare(report, entry, earlier)
        if report is not None:
            self._draw(self._figure.write, lambda: self._plot_report(report), epoch)
        now, share = time.perf_counter(), None
        if self._epoch_begun is not None:
            share = round((now - begun) / (now - self._epoch_begun), 4)
        entry |= {"seconds": round(now - begun, 3), "share_of_epoch": share}
        if self._file is not None and is_chief(self.model):
            # The report first, so that every line of the file has its report.
            if report is not None:
                report.to_json(self._directory / f"{self.topic}.json")
            self._file.write([*earlier, entry])
        self.report, self.timeline, self._values = report, [*earlier, entry], values
        self._scored += 1

    def _reload(self, epoch):
        """Loads the lines before an epoch, and the last values if they were measured alike."""
        self.timeline = self._file.before(epoch)
        if not self.timeline:
            return
        last = self.timeline[-1]
        with unchanged_random_state():
            ours = self._is_ours(last)
        if not ours:
            self._warn_once(
                "suite",
                f"The last values in {self._file.path} {self._mismatch}: scored again.",
            )
            return
        self._values, self.report = last["values"], None
        path = self._directory / f"{self.topic}.json"
        if not path.exists():
            return
        try:
            report = self.report_class.load(path)
        except (OSError, ValueError) as error:
            self._warn_once("report", f"The last report is left out. {error}")
            return
        if report.settings.get("epoch") == last["epoch"]:
            self.report = report

    def _draw(self, draw, *arguments):
        """Draws a picture; warns if matplotlib, which training does not need, is missing."""
        try:
            draw(*arguments)
        except ImportError as error:
            self._warn_once("matplotlib", f"{type(self).__name__} draws no pictures: {error}")

    def _progress(self):
        """Returns `verbose` for scoring: `"auto"` shows a progress bar only if `fit` does."""
        if not is_chief(self.model):
            return False
        if self.verbose == "auto":
            return "auto" if (self.params or {}).get("verbose", 0) == 1 else False
        return self.verbose

    def _cost(self):
        seconds = sum(line["seconds"] for line in self.timeline[-self._scored :])
        total = time.perf_counter() - self._begun
        return (
            f"{self.topic}: {seconds:.1f} s of {total:.1f} s of training ({seconds / total:.0%}), "
            f"{self._scored} of {self._epochs} epochs scored"
        )

    def _warn_once(self, topic, message, stacklevel=3):
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(message, UserWarning, stacklevel=stacklevel)


def _may_read_logs(callback):
    """Whether a callback is of another package, and does something when an epoch has ended."""
    cls = type(callback)
    is_known = isinstance(callback, (*_LATER, EpochBenchmark))
    is_ours = cls.__module__.partition(".")[0] in ("keras", "keras_patchmix")
    overrides = cls.on_epoch_end is not keras.callbacks.Callback.on_epoch_end
    return overrides and not (is_known or is_ours)


def callbacks_around(callback):
    """Returns all callbacks of the `CallbackList` that is calling one, in their order.

    Keras tells a callback nothing of the other callbacks, and the model does not hold the list
    either. So the list is found among the callers' frames. The result is empty if there is none.

    Args:
        callback: A `keras.callbacks.Callback`, in one of whose methods this is called.
    """
    frame = inspect.currentframe()
    try:
        while frame is not None:
            owner = frame.f_locals.get("self")
            if isinstance(owner, keras.callbacks.CallbackList):
                members = list(getattr(owner, "callbacks", ()))
                return members if any(member is callback for member in members) else []
            frame = frame.f_back
    finally:
        del frame  # a reference to a frame keeps all its local variables alive
    return []


@contextlib.contextmanager
def unchanged_random_state():
    """Restores the states of the global generators of Python, NumPy and PyTorch at the end.

    Scoring draws from none of them, but a data set may: every pass over a
    `torch.utils.data.DataLoader` draws one number of PyTorch's.
    """
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    try:
        # The CPU's only: data sets do not draw from those of accelerators.
        with contextlib.nullcontext() if torch is None else torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
