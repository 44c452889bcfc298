"""Occlusion scores in every epoch's logs."""

import inspect
import json
import math
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_patchmix import _atomic
from keras_patchmix.occlusion.benchmark import CLEAN, Benchmark

_READERS = (
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.EarlyStopping,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.CSVLogger,
    keras.callbacks.TensorBoard,
)


class OcclusionBenchmark(keras.callbacks.Callback):
    """Scores the model under occlusion at the end of epochs and writes the scores into `logs`.

    Each row of `keras_patchmix.occlusion.evaluate` becomes a value such as
    `val_patch_drop_14x14_50`, the top-1 accuracy, higher being better; beside them stand
    `val_occlusion_clean`, the same images unharmed; `val_occlusion_mean`, the mean over the
    corruptions and grids of the mean over each one's levels; and `val_occlusion_epoch`, the epoch
    in which all these were measured. Epochs that are not scored repeat the last values, because a
    missing value would drop a column of `CSVLogger` and a nan would freeze `EarlyStopping` and
    `ModelCheckpoint`.

    Callbacks see what those before them wrote, so this one stands before `ModelCheckpoint`,
    `EarlyStopping`, `ReduceLROnPlateau`, `CSVLogger` and `TensorBoard` in the list; it warns where
    it does not. Those that monitor one of its values need `mode="max"`: Keras cannot tell from the
    name.

    Scoring changes nothing in training: it uses a compiled forward function of its own and draws
    no random numbers. Apart from the bank of foreign images, no data is kept between epochs.

    Args:
        dataset: Validation data in any of the forms that `keras_patchmix.occlusion.evaluate` takes,
            in the same order in every epoch.
        suite: List of corruptions. `keras_patchmix.occlusion.default_suite` of the image size when
            None.
        frequency: Score every so many epochs; the first one always. Defaults to `1`.
        max_examples: Score the first so many examples only; all when None. Defaults to `2000`.
        seed: Integer that decides the bank, the pairs, the patches. Defaults to `0`.
        directory: Where to keep `occlusion.jsonl`, one line an epoch, written atomically. A run
            that resumes there takes up its last values; epochs that are run again replace their
            lines and those after them. None keeps no file.
        preprocess: Function applied to the corrupted batch, before the model, or None.
        value_range: (black, white) of the data set's images, before `preprocess`.
        batch_size: Images a forward pass. The data set's own batch size when None.
        bank_size: Most images that the bank holds in memory.
        verbose: Whether to show a progress bar, see `evaluate`. Defaults to `False`.

    Attributes:
        report: The last `keras_patchmix.occlusion.Report`, or None.

    Example:
        >>> benchmark = OcclusionBenchmark(val, directory="run")
        >>> best = keras.callbacks.ModelCheckpoint(
        ...     "best.keras", monitor="val_occlusion_mean", mode="max", save_best_only=True
        ... )
        >>> model.fit(train, validation_data=val, callbacks=[benchmark, best])
    """

    def __init__(
        self,
        dataset,
        suite=None,
        frequency=1,
        max_examples=2000,
        seed=0,
        directory=None,
        preprocess=None,
        *,
        value_range=(0, 255),
        batch_size=None,
        bank_size=256,
        verbose=False,
    ):
        super().__init__()
        if not isinstance(frequency, int | np.integer) or frequency < 1:
            raise ValueError(
                f"`frequency` must be a positive integer. Received: frequency={frequency!r}"
            )
        self.frequency = int(frequency)
        self.verbose = verbose
        self.report = None
        self._benchmark = Benchmark(
            dataset, suite, seed, max_examples, preprocess, value_range, batch_size, bank_size
        )
        self._file = None if directory is None else Path(directory) / "occlusion.jsonl"
        self._values = None
        self._warned = set()

    def on_train_begin(self, logs=None):
        """Checks the place in the list of callbacks."""
        # A new fit starts from the file, if there is one: it may be another run of the model.
        self._values = None
        early = [type(c).__name__ for c in _callbacks_before(self) if isinstance(c, _READERS)]
        if early:
            self._warn_once(
                "order",
                "OcclusionBenchmark stands after "
                f"{', '.join(early)} in `callbacks`, so its values come too late for them: "
                "put it first in the list.",
            )

    def on_epoch_begin(self, epoch, logs=None):
        """Takes up the last values of an interrupted run."""
        if self._values is None and self._file is not None and self._file.exists():
            self._values = self._reload(epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Scores the model, or repeats the last scores, and writes them into `logs`."""
        if self._values is None or epoch % self.frequency == 0:
            self._score(epoch)
        if logs is not None:
            logs.update(self._values)

    def _score(self, epoch):
        previous, self.report = self.report, self._benchmark.run(self.model, self.verbose)
        settings = self.report.settings
        if previous is not None and previous.settings["labels_sha256"] != settings["labels_sha256"]:
            self._warn_once(
                "digest",
                "The data set of OcclusionBenchmark came with other labels, or in another order, "
                "than in the epoch before, so the scores are not of the same images: do not "
                "shuffle it, or give its examples an index under the key 'index'.",
            )
        self._values = {_log_name(row.corruption, row.name): row.top1 for row in self.report.rows}
        means = [entry["mean"] for entry in self.report.summary]
        self._values["val_occlusion_mean"] = math.fsum(means) / len(means)
        self._values["val_occlusion_epoch"] = epoch
        if self._file is not None:
            line = {
                "epoch": epoch,
                "n": settings["n"],
                "seed": settings["seed"],
                "labels_sha256": settings["labels_sha256"],
                "values": self._values,
            }
            # Lines from this epoch on are of a time line that was given up.
            lines = [entry for entry in self._lines() if entry["epoch"] < epoch]
            text = "".join(json.dumps(entry) + "\n" for entry in [*lines, line])
            _atomic.write_text(self._file, text)

    def _lines(self):
        if not self._file.exists():
            return []
        try:
            lines = [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]
            return sorted(lines, key=lambda entry: entry["epoch"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self._file} is not a file of OcclusionBenchmark: move it away or choose "
                "another `directory`."
            ) from error

    def _reload(self, epoch):
        """Returns the last values from before an epoch, or None where they do not fit."""
        lines = [entry for entry in self._lines() if entry["epoch"] < epoch]
        if not lines:
            return None
        expected = {_log_name(c.corruption, c.name) for c in self._benchmark.prepare(self.verbose)}
        values = lines[-1]["values"]
        names = set(values) - {"val_occlusion_mean", "val_occlusion_epoch"}
        if names != expected or lines[-1]["seed"] != self._benchmark.seed:
            self._warn_once(
                "suite",
                f"The last values in {self._file} are of another suite or seed: the model is "
                "scored anew.",
            )
            return None
        return values

    def _warn_once(self, topic, message):
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(message, UserWarning, stacklevel=3)


def _log_name(corruption, name):
    return "val_occlusion_clean" if corruption == CLEAN.corruption else f"val_{name}"


def _callbacks_before(callback):
    """Returns the callbacks that stand before one in the list that is calling it.

    Keras tells a callback nothing of the others, so the list is looked for among the callers: a
    `keras.callbacks.CallbackList`. Nothing is found where the callback is called by other means.
    """
    frame = inspect.currentframe()
    try:
        while frame is not None:
            owner = frame.f_locals.get("self")
            if isinstance(owner, keras.callbacks.CallbackList):
                members = list(getattr(owner, "callbacks", ()))
                return members[: members.index(callback)] if callback in members else []
            frame = frame.f_back
    finally:
        del frame
    return []
