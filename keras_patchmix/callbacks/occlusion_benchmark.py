"""Occlusion scores in every epoch's logs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from keras_patchmix.base.types import FilePath
from keras_patchmix.callbacks.epoch_benchmark import EpochBenchmark
from keras_patchmix.callbacks.epoch_plot import epoch_curves, plot_epochs
from keras_patchmix.callbacks.epoch_scores import log_name, log_values
from keras_patchmix.occlusion.benchmark import Benchmark
from keras_patchmix.occlusion.outcomes import examples_digest
from keras_patchmix.occlusion.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class OcclusionBenchmark(EpochBenchmark):
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
    Apart from the bank of foreign images, no data is kept between epochs. The images' size is
    checked before training begins (not where there is a `preprocess`), and sets of occluded images
    are opened then, and checked against the model's outputs. An error while
    scoring stops training with a `RuntimeError` that names the epoch; what was written before stays
    as it was. Of several workers that train together by `tf.distribute` each scores its share of
    the batches, and all get the whole report; only the chief writes files, and all must see the
    same `directory`.

    A copy (`copy.deepcopy`, as KerasTuner makes one for each trial) shares the data set, the bank
    and the functions, and has logs, files and a time line of its own.

    With a `keras.callbacks.TensorBoard` in the list the values are scalars there, and the curves of
    each report an image, in the run "occlusion".

    Args:
        dataset: Validation data in any of the forms that `keras_patchmix.occlusion.evaluate` takes,
            in the same order in every epoch.
        suite: List of corruptions and `DatasetOcclusion`s, see `evaluate`.
            `keras_patchmix.occlusion.default_suite` of the image size when None.
        frequency: Runs every `frequency` epochs, including the first. Defaults to `1`.
        max_examples: Score so many examples only, chosen as in `evaluate`, of each set too that
            does not say otherwise; all when None. Defaults to `2000`.
        seed: Integer that decides the bank, the pairs, the patches.
        directory: Where to keep `occlusion.jsonl`, one line an epoch, `occlusion.json`, the last
            report, with its epoch in the settings, and, once training has ended, `occlusion.png`,
            the values over the epochs, and `occlusion_curves.png`, those of the last report; all
            written atomically. A run that resumes there takes up its last values; epochs that are
            run again replace their lines and those after them. None keeps no files.
        preprocess: Function applied to the corrupted batch, before the model. None is the model's
            own preprocessing, or nothing, see `evaluate`.
        value_range: (black, white) of the data set's images, before `preprocess`.
        batch_size: Images a forward pass. The data set's own batch size when None.
        bank_size: Most images that the bank holds in memory.
        saliency: Function from images to saliency maps, or None, see `evaluate`.
        class_map: Outputs of the model for each class of the data set, or None, see `evaluate`.
        class_names: Names of the data set's classes, or None.
        from_logits: Whether the output of a model that has one output is a logit; None asks the
            model, see `evaluate`.
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

    topic, picture = "occlusion", "occlusion_curves"
    _shared = ("_model", "_benchmark")
    _other_kind = "are of another suite or seed"

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
        verbose: bool | Literal["auto"] = "auto",
    ):
        super().__init__(frequency, directory, verbose)
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
        )

    def plot(self, path: FilePath | None = None) -> "Figure":
        """Draws the values over the epochs that were scored, see `plot_epochs`.

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

    def _details(self, report):
        details = {
            "n": report.settings["n"],
            "n_nonfinite": sum(row.n_nonfinite for row in report.rows),
            "seed": self._benchmark.seed,
            "labels_sha256": report.settings["labels_sha256"],
            "examples_sha256": examples_digest(report.outcomes.labels, report.outcomes.index),
        }
        if report.datasets:
            details["sets_sha256"] = {
                name: examples_digest(each.outcomes.labels, each.outcomes.index)
                for name, each in report.datasets.items()
            }
        return details

    def _compare(self, report, entry, earlier):
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

    def _is_ours(self, entry):
        conditions = self._benchmark.prepare(self._progress())
        names = set(entry["values"]) - {"val_occlusion_mean", "val_occlusion_epoch"}
        return (
            names == {log_name(condition) for condition in conditions}
            and entry.get("seed") == self._benchmark.seed
        )

    def _load(self, path):
        return Report.load(path)

    def _plot_report(self, report, path=None):
        return report.plot(path)


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
