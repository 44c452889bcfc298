"""Occlusion scores in every epoch's logs."""

import time
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_patchmix.callbacks.epoch_lines import EpochLines
from keras_patchmix.callbacks.epoch_plot import epoch_curves, plot_epochs
from keras_patchmix.callbacks.epoch_scores import log_name, log_values
from keras_patchmix.callbacks.neighbours import callbacks_around
from keras_patchmix.callbacks.random_state import unchanged_random_state
from keras_patchmix.callbacks.tensorboard_figure import TensorBoardFigure
from keras_patchmix.callbacks.workers import is_chief
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.outcomes import examples_digest
from keras_patchmix.occlusion.report import Report

_REPORT = "occlusion.json"
# They read logs, or, as BackupAndRestore does, count an epoch as done before it was scored.
_LATER = (
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.EarlyStopping,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.CSVLogger,
    keras.callbacks.TensorBoard,
    keras.callbacks.BackupAndRestore,
)


class OcclusionBenchmark(keras.callbacks.Callback):
    """Scores the model under occlusion at the end of epochs and writes the scores into `logs`.

    Each row of `keras_patchmix.occlusion.evaluate` becomes a value such as
    `val_patch_drop_14x14_50`, the top-1 accuracy, higher being better; beside them stand
    `val_occlusion_clean`, the same images unharmed; `val_occlusion_mean`, the mean over the
    corruptions and grids of the mean over each one's levels (and over sets of occluded images, of
    the mean over each one's splits); and `val_occlusion_epoch`, the epoch in which all these were
    measured. Epochs that are not scored repeat the last values, because a missing value would drop
    a column of `CSVLogger` and a nan would freeze `EarlyStopping` and `ModelCheckpoint`. For the
    same reason a row is logged as 0 where no output was finite.

    Callbacks see what those before them wrote, so this one stands before `ModelCheckpoint`,
    `EarlyStopping`, `ReduceLROnPlateau`, `CSVLogger`, `TensorBoard` and `BackupAndRestore` in the
    list; it warns where it does not. Those that monitor one of its values need `mode="max"`: Keras
    cannot tell from the name. Their `patience` counts epochs, so that `n` scores without an
    improvement are a patience of `n * frequency`; epochs between scores are no improvement, and
    `save_best_only` never saves one.

    Scoring changes nothing in training: it uses a compiled forward function of its own, draws no
    random numbers, and puts global generators that the data set draws from back as they were.
    Apart from the bank of foreign images, no data is kept between epochs. Sets of occluded images
    are opened, and checked against the model's outputs, before training begins. An error while
    scoring stops training with a `RuntimeError` that names the epoch; what was written before stays
    as it was. Of several workers that train together by `tf.distribute` each scores its share of
    the batches, and all get the whole report; only the chief writes files, and all must see the
    same `directory`.

    With a `keras.callbacks.TensorBoard` in the list the values are scalars there, and the curves of
    each report an image, in the run "occlusion".

    Args:
        dataset: Validation data in any of the forms that `keras_patchmix.occlusion.evaluate` takes,
            in the same order in every epoch.
        suite: List of corruptions and `DatasetOcclusion`s, see `evaluate`.
            `keras_patchmix.occlusion.default_suite` of the image size when None.
        frequency: Score every so many epochs; the first one always. Defaults to `1`.
        max_examples: Score the first so many examples only, of each set too that does not say
            otherwise; all when None. Defaults to `2000`.
        seed: Integer that decides the bank, the pairs, the patches.
        directory: Where to keep `occlusion.jsonl`, one line an epoch, `occlusion.json`, the last
            report, with its epoch in the settings, and, once training has ended, `occlusion.png`,
            the values over the epochs, and `occlusion_curves.png`, those of the last report; all
            written atomically. A run that resumes there takes up its last values; epochs that are
            run again replace their lines and those after them. None keeps no files.
        preprocess: Function applied to the corrupted batch, before the model, or None.
        value_range: (black, white) of the data set's images, before `preprocess`.
        batch_size: Images a forward pass. The data set's own batch size when None.
        bank_size: Most images that the bank holds in memory.
        saliency: Function from images to saliency maps, or None, see `evaluate`.
        class_map: Outputs of the model for each class of the data set, or None, see `evaluate`.
        class_names: Names of the data set's classes, or None.
        verbose: Whether to show a progress bar, and at the end the last report's table and what
            scoring took. `"auto"` does as `fit` does: no bar unless it shows one, and nothing
            where it is silent.

    Attributes:
        report: The last `keras_patchmix.occlusion.Report`, or None.
        timeline: List of dicts, one for each epoch that was scored: "epoch"; "values", as in the
            logs; "seconds" that scoring took; "share_of_epoch", in [0, 1], with training and
            validation; "n"; "n_nonfinite", over all rows; "seed"; digests of the "labels_sha256"
            and "examples_sha256". The same as the lines of `occlusion.jsonl`.

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
        saliency=None,
        class_map=None,
        class_names=None,
        verbose="auto",
    ):
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
        self._benchmark = Benchmark(
            dataset,
            suite,
            seed,
            max_examples,
            preprocess,
            value_range,
            batch_size,
            bank_size,
            saliency,
            class_map,
            class_names,
        )
        self._directory = None if directory is None else Path(directory)
        self._file = None if directory is None else EpochLines(self._directory / "occlusion.jsonl")
        self._figure = TensorBoardFigure(())
        self._values = None
        self._begun, self._epoch_begun = time.perf_counter(), None
        self._epochs = self._scored = 0
        self._warned = set()

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
                f"OcclusionBenchmark stands after {', '.join(early)} in `callbacks`: its values "
                "come too late for them, and an epoch that is interrupted while it is scored is "
                "left out after a restart. Put it first in the list.",
            )
        with unchanged_random_state():
            # What is wrong with the data is said now, not after the first epoch.
            if self._benchmark.has_sets():
                self._benchmark.check(self.model, self._progress(), share=True)
            else:
                self._benchmark.prepare(self._progress())
        boards = [c for c in others if isinstance(c, keras.callbacks.TensorBoard)]
        self._figure = TensorBoardFigure(boards if is_chief(self.model) else ())

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
        """Writes the pictures and the last report, and says what scoring took."""
        self._figure.close()
        if not self.timeline or not is_chief(self.model):
            return
        if self._directory is not None:
            self._drawn(self.plot, self._directory / "occlusion.png")
            if self.report is not None:
                self._drawn(self.report.plot, self._directory / "occlusion_curves.png")
        if self._is_talkative() and self._scored:
            print(f"\nAfter epoch {self.timeline[-1]['epoch']}, counted from 0:\n{self.report}\n")
            print(self._cost())

    def plot(self, path=None):
        """Draws the values over the epochs that were scored, see `plot_epochs`.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        curves = epoch_curves(self._benchmark.prepare(), log_name)
        return plot_epochs(self.timeline, curves, path)

    def _score(self, epoch):
        begun = time.perf_counter()
        try:
            with unchanged_random_state():
                report = self._benchmark.run(
                    self.model, self._progress(), share=True, title=self._title()
                )
        except Exception as error:
            # Keras drops the cause on its way through `fit`, so the message says where it was.
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise RuntimeError(
                f"OcclusionBenchmark could not score the model after epoch {epoch}, counted from "
                f"0: {type(error).__name__}: {error} "
                f"({place.name}, {place.filename}, line {place.lineno})"
            ) from error
        report.settings["epoch"] = epoch
        values = log_values(report, epoch)
        entry = {
            "epoch": epoch,
            "n": report.settings["n"],
            "n_nonfinite": sum(row.n_nonfinite for row in report.rows),
            "seed": self._benchmark.seed,
            "labels_sha256": report.settings["labels_sha256"],
            "examples_sha256": examples_digest(report.outcomes.labels, report.outcomes.index),
            "values": values,
        }
        if report.datasets:
            entry["sets_sha256"] = {
                name: examples_digest(each.outcomes.labels, each.outcomes.index)
                for name, each in report.datasets.items()
            }
        if self._file is None:
            earlier = [line for line in self.timeline if line["epoch"] < epoch]
        else:
            earlier = self._file.before(epoch)
        self._check(report, entry, earlier)
        self._drawn(self._figure.write, report, epoch)
        now = time.perf_counter()
        entry["seconds"] = round(now - begun, 3)
        entry["share_of_epoch"] = (
            None
            if self._epoch_begun is None
            else round((now - begun) / (now - self._epoch_begun), 4)
        )
        if self._file is not None and is_chief(self.model):
            # First: the time line knows no epoch whose report would be lacking.
            report.to_json(self._directory / _REPORT)
            self._file.write([*earlier, entry])
        self.report, self.timeline, self._values = report, [*earlier, entry], values
        self._scored += 1

    def _check(self, report, entry, earlier):
        """Warns of rows without a score, and of other examples than in the epoch before."""
        empty = [log_name(row) for row in report.rows if row.top1 is None]
        if empty:
            self._warn_once(
                "nonfinite",
                f"After epoch {entry['epoch']}, counted from 0, no output of the model was finite "
                f"for {', '.join(empty)}: logged as 0. The model may have diverged; "
                "keras.callbacks.TerminateOnNaN stops training then.",
            )
        changed = _changed(earlier[-1], entry) if earlier else []
        if changed:
            self._warn_once(
                "digest",
                f"{' and '.join(changed)} of OcclusionBenchmark came with other labels, or in "
                f"another order, after epoch {entry['epoch']} than after epoch "
                f"{earlier[-1]['epoch']}, counted from 0, so the scores are not of the same "
                "images. Do not shuffle it (in tf.data: no `shuffle`, or "
                "`shuffle(..., reshuffle_each_iteration=False)` with a seed), or make its elements "
                "dicts that hold each example's number under the key 'index'.",
            )

    def _reload(self, epoch):
        """Takes up the time line before an epoch, and its last values where they fit."""
        self.timeline = self._file.before(epoch)
        if not self.timeline:
            return
        last = self.timeline[-1]
        with unchanged_random_state():
            conditions = self._benchmark.prepare(self._progress())
        expected = {log_name(condition) for condition in conditions}
        names = set(last["values"]) - {"val_occlusion_mean", "val_occlusion_epoch"}
        if names != expected or last["seed"] != self._benchmark.seed:
            self._warn_once(
                "suite",
                f"The last values in {self._file.path} are of another suite or seed: the model is "
                "scored anew.",
            )
            return
        self._values = last["values"]
        self.report = self._last_report(last["epoch"])

    def _last_report(self, epoch):
        """Returns the report in the directory, if it is that of an epoch, else None."""
        try:
            report = Report.load(self._directory / _REPORT)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return report if report.settings.get("epoch") == epoch else None

    def _drawn(self, draw, *arguments):
        """Draws a picture; warns where matplotlib, which training does not need, is missing."""
        try:
            draw(*arguments)
        except ImportError as error:
            self._warn_once("matplotlib", f"OcclusionBenchmark draws no pictures: {error}")

    def _is_talkative(self):
        shown = (self.params or {}).get("verbose", 0) if self.verbose == "auto" else self.verbose
        return bool(shown)

    def _progress(self):
        """Returns `verbose` for the benchmark: under "auto" a bar only where `fit` shows one."""
        if self.verbose == "auto":
            return "auto" if (self.params or {}).get("verbose", 0) == 1 else False
        return self.verbose

    def _title(self):
        return f"occlusion of {self.model.name}"

    def _cost(self):
        seconds = sum(line["seconds"] for line in self.timeline[-self._scored :])
        total = time.perf_counter() - self._begun
        return (
            f"occlusion: {seconds:.1f} s of {total:.1f} s of training ({seconds / total:.0%}), "
            f"{self._scored} of {self._epochs} epochs scored"
        )

    def _warn_once(self, topic, message):
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(message, UserWarning, stacklevel=3)


def _changed(before, now):
    """Returns which data is not that of another line of the time line."""
    changed = []
    if before.get("examples_sha256", now["examples_sha256"]) != now["examples_sha256"]:
        changed.append("The data set")
    digests = before.get("sets_sha256") or {}
    for name, digest in now.get("sets_sha256", {}).items():
        if digests.get(name, digest) != digest:
            changed.append(f"The set {name!r}")
    return changed


def _before(callback, callbacks):
    """Returns those of a list of callbacks that stand before one."""
    places = [place for place, other in enumerate(callbacks) if other is callback]
    return callbacks[: places[0]] if places else []
