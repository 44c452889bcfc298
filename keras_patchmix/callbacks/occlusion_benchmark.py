"""Occlusion scores in every epoch's logs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from keras_patchmix.base.types import FilePath
from keras_patchmix.callbacks.epoch_benchmark import EpochBenchmark
from keras_patchmix.callbacks.epoch_plot import epoch_curves, plot_epochs
from keras_patchmix.occlusion.benchmark import CLEAN, Benchmark
from keras_patchmix.occlusion.outcomes import examples_digest
from keras_patchmix.occlusion.report import Report
from keras_patchmix.occlusion.rows import overall_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class OcclusionBenchmark(EpochBenchmark):
    """Scores the model under occlusion at the end of epochs and writes the scores into `logs`.

    Each row of `keras_patchmix.occlusion.evaluate` becomes a value such as
    `val_patch_drop_14x14_50`, a top-1 accuracy. The others are `val_occlusion_clean`, of the same
    images unharmed; `val_occlusion_mean`, the mean over the corruptions and grids of the mean over
    their levels (and over sets of occluded images of the mean over their splits); and
    `val_occlusion_epoch`, the epoch in which all these were measured. Epochs that are not scored
    repeat the last values, since a missing value would drop a column of `CSVLogger` and a nan would
    freeze `EarlyStopping` and `ModelCheckpoint`. For the same reason a row is logged as 0 if no
    output was finite.

    Put it before `ModelCheckpoint`, `EarlyStopping`, `ReduceLROnPlateau`, `CSVLogger`,
    `TensorBoard` and `BackupAndRestore` in the list, and before those of other packages: callbacks
    see what those before them wrote. It warns otherwise. Callbacks that monitor one of its values
    need `mode="max"`, which Keras cannot tell from the name. Their `patience` counts epochs, so `n`
    scores without an improvement are a patience of `n * frequency`. Epochs between scores are no
    improvement, and `save_best_only` never saves one.

    Scoring changes nothing in training: it has a compiled forward function of its own, draws no
    random numbers, and restores the global generators that the data set draws from. Only the bank
    of foreign images is kept between epochs. The size of the images is checked before training
    (unless there is a `preprocess`), and sets of occluded images are opened and checked against the
    model's outputs. An error while scoring stops training with a `RuntimeError` that names the
    epoch; files stay as they were. If several hosts train together, each scores a share of the
    batches, and all get the whole report; only the chief writes files, and all must see the same
    `directory`.

    A copy (`copy.deepcopy`, as KerasTuner makes for each trial) shares the data set, the bank and
    the functions, and has logs and a time line of its own. Its files are in a folder `copy_1`,
    `copy_2`, ... of the directory, the first that is free when its first fit begins, so that trials
    do not overwrite each other.

    With a `keras.callbacks.TensorBoard` in the list, TensorBoard shows the values as scalars, and
    the curves of each report as an image in the run "occlusion".

    Args:
        dataset: Validation data, as `x` of `keras_patchmix.occlusion.evaluate`.
        suite: As in `evaluate`.
        frequency: Runs every `frequency` epochs, including the first. Defaults to `1`.
        max_examples: As in `evaluate`, and also for sets without a number of their own. None scores
            all. Defaults to `2000`.
        seed: As in `evaluate`.
        directory: Directory of `occlusion.jsonl`, one line an epoch; `occlusion.json`, the last
            report, with its epoch in the settings; and, after training, `occlusion.png`, the values
            over the epochs, and `occlusion_curves.png`, the last report. All are written
            atomically. A run that resumes loads its last values; epochs that are run again replace
            their lines and later ones. None writes no files.
        preprocess: As in `evaluate`.
        value_range: As in `evaluate`.
        batch_size: As in `evaluate`.
        bank_size: As in `evaluate`.
        saliency: As in `evaluate`.
        class_map: As in `evaluate`.
        class_names: As in `evaluate`.
        from_logits: As in `evaluate`.
        precision: As in `evaluate`, of the `max_examples` images. Epochs take as many images as
            that needs, the same ones first.
        verbose: Whether to show a progress bar and, at the end, the table of the last report and
            the cost of scoring. `"auto"` follows `fit`: no bar unless it shows one, and no output
            if it is silent.
        log: `"all"` writes every value into the logs, `"mean"` only `val_occlusion_mean`, so that
            the progress line stays short; the time line and the files hold all. Defaults to
            `"all"`.

    Attributes:
        report: The last `keras_patchmix.occlusion.Report`, or None.
        timeline: List of dicts, one for each epoch that was scored, as the lines of
            `occlusion.jsonl`: "epoch"; "values", as in the logs; "seconds" of scoring;
            "share_of_epoch", in [0, 1], of the time with training and validation; "n";
            "n_nonfinite", over all rows; "seed"; digests "labels_sha256" and "examples_sha256".

    Example:
        >>> benchmark = OcclusionBenchmark(val, directory="run")
        >>> best = keras.callbacks.ModelCheckpoint(
        ...     "best.keras", monitor="val_occlusion_mean", mode="max", save_best_only=True
        ... )
        >>> model.fit(train, validation_data=val, callbacks=[benchmark, best])
    """

    topic, picture, report_class = "occlusion", "occlusion_curves", Report
    _shared = ("_model", "_benchmark")
    _mismatch = "are of another suite, seed or precision"

    def __init__(
        self,
        dataset: Any,
        suite: str | Sequence[Any] | None = None,
        frequency: int = 1,
        max_examples: int | None = 2000,
        seed: int = 0,
        directory: FilePath | None = None,
        preprocess: Callable[[Any], Any] | None = None,
        *,
        value_range: Sequence[float] = (0, 255),
        batch_size: int | None = None,
        bank_size: int = 256,
        saliency: Callable[[Any], Any] | None = None,
        class_map: Sequence[int | Sequence[int]] | None = None,
        class_names: Sequence[str] | None = None,
        from_logits: bool | None = None,
        precision: float | None = None,
        verbose: bool | Literal["auto"] = "auto",
        log: Literal["all", "mean"] = "all",
    ):
        super().__init__(frequency, directory, verbose)
        if log not in ("all", "mean"):
            raise ValueError(f'`log` must be "all" or "mean". Received: log={log!r}')
        self.log = log
        self._benchmark = Benchmark(
            dataset,
            suite,
            seed,
            max_examples,
            preprocess,
            value_range,
            batch_size=batch_size,
            bank_size=bank_size,
            saliency=saliency,
            class_map=class_map,
            class_names=class_names,
            from_logits=from_logits,
            precision=precision,
        )

    def plot(self, path: FilePath | None = None) -> "Figure":
        """Draws the values over the epochs that were scored.

        Args:
            path: PNG, PDF or SVG file to write, atomically.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        curves = epoch_curves(self._benchmark.prepare(), log_name)
        return plot_epochs(self.timeline, curves, path)

    def _check(self):
        self._benchmark.check(self.model, self._progress(), share=True)

    def _measure(self):
        title = f"occlusion of {self.model.name}"
        return self._benchmark.run(self.model, self._progress(), share=True, title=title)

    def _values_of(self, report, epoch):
        return log_values(report, epoch)

    def _logged(self, values):
        mean = "val_occlusion_mean"
        return values if self.log == "all" else {mean: values[mean]}

    def _details(self, report):
        details = {
            "n": report.settings["n"],
            "n_nonfinite": sum(row.n_nonfinite for row in report.rows),
            "seed": self._benchmark.settings.seed,
            "labels_sha256": report.settings["labels_sha256"],
            "examples_sha256": _first_examples(report),
        }
        if self._benchmark.settings.precision is not None:
            details["precision"] = self._benchmark.settings.precision
        if report.datasets:
            details["sets_sha256"] = {
                name: _first_examples(each) for name, each in report.datasets.items()
            }
        return details

    def _compare(self, report, entry, earlier):
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

    def _is_ours(self, entry):
        conditions = self._benchmark.prepare(self._progress())
        names = set(entry["values"]) - {"val_occlusion_mean", "val_occlusion_epoch"}
        return (
            names == {log_name(condition) for condition in conditions}
            and entry.get("seed") == self._benchmark.settings.seed
            and entry.get("precision") == self._benchmark.settings.precision
        )

    def _plot_report(self, report, path=None):
        return report.plot(path)


def log_name(condition):
    """Returns the name in the logs of a `Condition`, or of a row of a report."""
    is_clean = condition.corruption == CLEAN.corruption
    return "val_occlusion_clean" if is_clean else f"val_{condition.name}"


def log_values(report, epoch):
    """Returns the values of an epoch for the logs.

    Rows without a score count as 0, which is worse than any other value, and finite.

    Args:
        report: A `keras_patchmix.occlusion.Report`.
        epoch: The epoch, counted from 0.

    Returns:
        Dict of top-1 accuracies in [0, 1], named by `log_name`; of their mean over corruptions and
        grids, and sets of occluded images ("val_occlusion_mean"); and of the epoch
        ("val_occlusion_epoch").
    """
    rows = [dataclasses.replace(row, top1=row.top1 or 0.0) for row in report.rows]
    values = {log_name(row): row.top1 for row in rows}
    values["val_occlusion_mean"] = overall_mean(rows)
    values["val_occlusion_epoch"] = epoch
    return values


def _first_examples(scored):
    """Returns a digest of the examples that every epoch scores.

    Args:
        scored: A `Report`, or an `OccludedSet` of one.
    """
    outcomes = scored.outcomes
    sequential = scored.settings.get("sequential")
    count = len(outcomes) if sequential is None else sequential["looks"][0]
    return examples_digest(outcomes.labels[:count], outcomes.index[:count])


def _changed(before, now):
    """Returns the data sets whose examples differ from those of an earlier line."""
    changed = []
    if before.get("precision") != now.get("precision"):
        return changed
    if before.get("examples_sha256", now["examples_sha256"]) != now["examples_sha256"]:
        changed.append("The data set")
    digests = before.get("sets_sha256") or {}
    for name, digest in now.get("sets_sha256", {}).items():
        if digests.get(name, digest) != digest:
            changed.append(f"The set {name!r}")
    return changed
