"""What benchmarks at the end of epochs have in common."""

import copy
import os
import time
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_patchmix.callbacks.epoch_directory import check_directory
from keras_patchmix.callbacks.epoch_lines import EpochLines
from keras_patchmix.callbacks.neighbours import callbacks_around
from keras_patchmix.callbacks.random_state import unchanged_random_state
from keras_patchmix.callbacks.tensorboard_figure import TensorBoardFigure
from keras_patchmix.devices.workers import is_chief

# They read logs, or, as BackupAndRestore does, count an epoch as done before it was scored.
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

    Epochs, files, other callbacks, and what training must not notice are seen to here. What is
    measured is said by the methods that raise NotImplementedError, and by the attributes of the
    class.

    Args:
        frequency: Score every so many epochs; the first one always.
        directory: Where to keep the files, or None.
        verbose: `"auto"`, `True` or `False`.

    Raises:
        ValueError: `frequency`, `directory` or `verbose` is something else.

    Attributes:
        topic: What is measured, in a word: the beginning of the files' names.
        picture: Name of the TensorBoard image of a score, and of the file of the last one.
        report: The last report, or None.
        timeline: List of dicts, one for each epoch that was scored; the lines of the file.
    """

    topic = picture = None
    # What a copy has in common with the original: it is only read, or, as data sets and models
    # may be, cannot be copied.
    _shared: tuple[str, ...] = ("_model",)
    _other_kind = None  # what is said of lines in the file that are not of such an object

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
        if directory is not None:
            if not isinstance(directory, str | os.PathLike):
                raise ValueError(
                    f"`directory` must be a path or None. Received: directory={directory!r}"
                )
            self._directory = Path(directory)
            self._file = EpochLines(self._directory / f"{self.topic}.jsonl", type(self).__name__)
        self._figure = self._tensorboard(())
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
        copied._figure = copied._tensorboard(())  # the files of events that are open
        return copied

    def _check(self):
        """Raises for what is wrong with the data, or with the model for them."""
        raise NotImplementedError

    def _measure(self):
        """Returns the report of the model as it is, or None where it cannot be scored at all."""
        raise NotImplementedError

    def _values_of(self, report, epoch):
        """Returns the values for the logs: all are finite numbers."""
        raise NotImplementedError

    def _details(self, report):
        """Returns what a line of the time line holds beside epoch, values and seconds."""
        raise NotImplementedError

    def _compare(self, report, entry, earlier):
        """Warns of what is odd in a report, or not as in earlier lines."""
        raise NotImplementedError

    def _is_ours(self, entry):
        """Whether a line of the file was measured as this object measures."""
        raise NotImplementedError

    def _load(self, path):
        """Reads a report; OSError or ValueError where it cannot be read."""
        raise NotImplementedError

    def _plot_report(self, report, path=None):
        """Returns the figure of one report, or None where it has nothing to draw."""
        raise NotImplementedError

    def plot(self, path=None):
        """Draws the values over the epochs that were scored."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        """Checks the place in the list of callbacks, and finds TensorBoard's folders."""
        # A new fit starts from the file, if there is one: it may be another run of the model.
        self._values = None
        self._begun, self._epochs, self._scored = time.perf_counter(), 0, 0
        others = callbacks_around(self)
        early = [type(c).__name__ for c in _before(self, others) if isinstance(c, _LATER)]
        if early:
            self._warn_once(
                "order",
                f"{type(self).__name__} stands after {', '.join(early)} in `callbacks`: its values "
                "come too late for them, and an epoch that is interrupted while it is scored is "
                "left out after a restart. Put it first in the list.",
            )
        # What is wrong with files or data is said now, not after the first epoch.
        if self._directory is not None:
            files = (self.topic + suffix for suffix in (".jsonl", ".json", ".png"))
            files = (*files, f"{self.picture}.png")
            check_directory(self._directory, files, to_write=is_chief(self.model))
        with unchanged_random_state():
            self._check()
        boards = [c for c in others if isinstance(c, keras.callbacks.TensorBoard)]
        self._figure = self._tensorboard(boards if is_chief(self.model) else ())

    def on_epoch_begin(self, epoch, logs=None):
        """Takes up the last values of an interrupted run."""
        self._epoch_begun = time.perf_counter()
        if self._values is None and self._file is not None:
            self._reload(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Scores the model, or repeats the last scores, and writes them into `logs`."""
        self._epochs += 1
        if self._values is None or epoch % self.frequency == 0:
            self._score(epoch)
        if logs is not None:
            logs.update(self._values)

    def on_train_end(self, logs=None):
        """Writes the pictures, and says what scoring took."""
        self._figure.close()
        if not self.timeline or not is_chief(self.model):
            return
        if self._directory is not None:
            self._drawn(self.plot, self._directory / f"{self.topic}.png")
            if self.report is not None:
                path = self._directory / f"{self.picture}.png"
                self._drawn(self._plot_report, self.report, path)
        if self._is_talkative() and self._scored:
            print(f"\nAfter epoch {self.timeline[-1]['epoch']}, counted from 0:\n{self.report}\n")
            print(self._cost())

    def _score(self, epoch):
        begun = time.perf_counter()
        try:
            with unchanged_random_state():
                report = self._measure()
        except Exception as error:
            # Keras drops the cause on its way through `fit`, so the message says where it was.
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
            self._drawn(self._figure.write, lambda: self._plot_report(report), epoch)
        now = time.perf_counter()
        entry["seconds"] = round(now - begun, 3)
        entry["share_of_epoch"] = (
            None
            if self._epoch_begun is None
            else round((now - begun) / (now - self._epoch_begun), 4)
        )
        if self._file is not None and is_chief(self.model):
            # First: the time line knows no epoch whose report would be lacking.
            if report is not None:
                report.to_json(self._directory / f"{self.topic}.json")
            self._file.write([*earlier, entry])
        self.report, self.timeline, self._values = report, [*earlier, entry], values
        self._scored += 1

    def _reload(self, epoch):
        """Takes up the time line before an epoch, and its last values where they fit."""
        self.timeline = self._file.before(epoch)
        if not self.timeline:
            return
        last = self.timeline[-1]
        with unchanged_random_state():
            ours = self._is_ours(last)
        if not ours:
            self._warn_once(
                "suite",
                f"The last values in {self._file.path} {self._other_kind}: the model is scored "
                "anew.",
            )
            return
        self._values = last["values"]
        self.report = self._last_report(last["epoch"])

    def _last_report(self, epoch):
        """Returns the report in the directory, if it is that of an epoch, else None."""
        path = self._directory / f"{self.topic}.json"
        if not path.exists():
            return None
        try:
            report = self._load(path)
        except (OSError, ValueError) as error:
            self._warn_once("report", f"The last report is left out. {error}")
            return None
        return report if report.settings.get("epoch") == epoch else None

    def _drawn(self, draw, *arguments):
        """Draws a picture; warns where matplotlib, which training does not need, is missing."""
        try:
            draw(*arguments)
        except ImportError as error:
            self._warn_once("matplotlib", f"{type(self).__name__} draws no pictures: {error}")

    def _tensorboard(self, boards):
        return TensorBoardFigure(boards, self.topic, self.picture)

    def _is_talkative(self):
        shown = (self.params or {}).get("verbose", 0) if self.verbose == "auto" else self.verbose
        return bool(shown)

    def _progress(self):
        """Returns `verbose` for what is run: under "auto" a bar only where `fit` shows one."""
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

    def _warn_once(self, topic, message):
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(message, UserWarning, stacklevel=3)


def _before(callback, callbacks):
    """Returns those of a list of callbacks that stand before one."""
    places = [place for place, other in enumerate(callbacks) if other is callback]
    return callbacks[: places[0]] if places else []
