"""Runs a model over a data set under every corruption of a suite."""

import functools
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_patchmix.base.progress import Progress
from keras_patchmix.base.types import FilePath
from keras_patchmix.corruptions.bank import Bank, BankBuilder
from keras_patchmix.occlusion.backup import Backup, digest_of
from keras_patchmix.occlusion.choice import warn_of_missing_classes
from keras_patchmix.occlusion.corrupted import CLEAN, corrupted_images, example_images
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.dataset_occlusion import DatasetOcclusion
from keras_patchmix.occlusion.outcomes import examples_digest
from keras_patchmix.occlusion.passes import Pass, Passes, SingleWorker
from keras_patchmix.occlusion.report import Report
from keras_patchmix.occlusion.rows import make_rows, warn_of_nonfinite
from keras_patchmix.occlusion.settings import BenchmarkSettings, describe, digest, range_mismatch
from keras_patchmix.occlusion.staged import StagedPass
from keras_patchmix.occlusion.stopping import (
    check_baseline,
    check_same_images,
    stopping_rule,
    stopping_settings,
)
from keras_patchmix.occlusion.suite import check_suite, suite_by_name
from keras_patchmix.scoring.class_map import check_classes
from keras_patchmix.scoring.forward import check_inputs, forward_function, num_outputs
from keras_patchmix.scoring.scorer import Scorer


class Benchmark:
    """A data set, a suite and a seed, to run one or more models through.

    The bank is drawn in the first run and kept in memory; other images are read again in each run.
    Sets of occluded images are opened in the first run. The arguments are those of `evaluate`.

    Attributes:
        settings: `BenchmarkSettings`.
        suite: Tuple of the members, or None before the size of the images is known.
        bank: `Bank`, or None.
    """

    def __init__(
        self,
        dataset: Any,
        suite: str | Sequence[Any] | None = None,
        seed: int = 0,
        max_examples: int | None = None,
        preprocess: Callable[[Any], Any] | None = None,
        value_range: Sequence[float] = (0, 255),
        *,
        batch_size: int | None = None,
        bank_size: int = 256,
        saliency: Callable[[Any], Any] | None = None,
        class_map: Sequence[int | Sequence[int]] | None = None,
        class_names: Sequence[str] | None = None,
        from_logits: bool | None = None,
        precision: float | None = None,
    ):
        self.settings = BenchmarkSettings(
            seed,
            max_examples,
            preprocess,
            value_range,
            batch_size,
            bank_size,
            saliency,
            class_map,
            class_names,
            from_logits,
            precision,
        )
        self._source = ExampleSource(dataset, batch_size, max_examples)
        self._suite_of_size = suite_by_name(suite)
        self.suite = None if self._suite_of_size else check_suite(suite)
        self.bank: Bank | None = None
        self._input_shape: Any = None  # known from the first batch on
        self._dtype = self._labels = self._columns = None
        self._index = None  # in the pass that drew the bank
        self._splits: list | None = None
        self._maps_of = weakref.WeakKeyDictionary()

    def prepare(self, verbose: bool | Literal["auto", 2] = False) -> tuple:
        """Settles the suite, draws the bank and opens the sets, unless that is done.

        Returns:
            Tuple of the `Condition`s of the rows, the clean one first, those of sets last.
        """
        needs_bank = self.suite is None or any(member.needs_bank for member in self.suite)
        if self._input_shape is None:
            builder, read = BankBuilder(self.settings.bank_size, self.settings.seed), []
            with Progress(verbose, "reading foreign images") as progress:
                for batch in self._source.population():
                    if self._input_shape is None:
                        self._set_form(batch)
                        progress.start(self._source.num_examples(everything=True))
                    if not needs_bank:
                        break
                    builder.add(batch.images, batch.labels, batch.index)
                    read.append((batch.labels, batch.index))
                    progress.add(len(batch))
            if needs_bank:
                self.bank = builder.build()
                self.bank.check_classes()
                self._labels, self._index = map(np.concatenate, zip(*read, strict=True))
        if self._splits is None:
            self._splits = self._open_splits() if self.has_sets() else []
        return (*self._own_conditions(), *(split.condition for split in self._splits))

    def has_sets(self) -> bool:
        """Whether the suite holds sets of occluded images."""
        return any(isinstance(member, DatasetOcclusion) for member in self.suite or ())

    def _own_conditions(self):
        return (CLEAN, *(c for member in self._corruptions() for c in member.conditions))

    def _corruptions(self):
        return [member for member in self.suite if not isinstance(member, DatasetOcclusion)]

    def _open_splits(self):
        from keras_patchmix.occlusion.occluded_split import OccludedSplit, names_of_outputs

        class_names = self.settings.class_names or self._source.class_names
        like = {
            "image_size": self._input_shape[:2],
            "dtype": self._dtype,
            "value_range": self.settings.value_range,
            "outputs": names_of_outputs(class_names, self.settings.class_map),
        }
        sizes = self._source.batch_size, self._source.max_examples
        return [
            OccludedSplit(member, condition, split, like, *sizes)
            for member in self.suite
            if isinstance(member, DatasetOcclusion)
            for condition, split in zip(member.conditions, member.splits, strict=True)
        ]

    def check(
        self, model: Any, verbose: bool | Literal["auto", 2] = False, share: bool = False
    ) -> None:
        """Raises if a model does not fit the images, or the suite's sets of occluded images.

        `run` checks that too, before it scores anything. The output of a `preprocess` is checked
        only there.

        Args:
            model: A Keras model or a function.
            verbose: Whether to show a progress bar, as `prepare` does.
            share: Whether all workers that train the model together call this. Then it raises on
                all of them.

        Raises:
            ValueError: The message names the sizes; or the set, its classes, and the model's
                outputs.
        """
        with self._worker(model, share).all_or_none():
            forward = self._forward(model, verbose)
            if forward.preprocess is None:
                check_inputs(model, np.empty((0, *self._input_shape), self._dtype))
            class_map, names = self.settings.class_map, self.settings.class_names
            count = num_outputs(model) if class_map is None else len(class_map.outputs)
            if count is not None:
                check_classes(max(count, 2), class_map, self._columns, names, self._labels)
            self._maps(model, forward)

    def _worker(self, model, share, backup=None):
        if not share:
            return SingleWorker()
        from keras_patchmix.occlusion.workers import worker_of

        return worker_of(model, backup)

    def _forward(self, model, verbose):
        forward_function(model)  # raises if it is no classifier, before any data is read
        self.prepare(verbose)
        settings = self.settings
        return Scorer(model, self._source.batch_size, settings.preprocess, settings.from_logits)

    def _maps(self, model, forward):
        """Returns a dict from sets to their class maps, cached for each Keras model."""
        is_layer = isinstance(model, keras.Layer)
        if is_layer and model in self._maps_of:
            return self._maps_of[model]
        maps = {split.condition.name: split.map_for(forward) for split in self._splits}
        if is_layer:
            self._maps_of[model] = maps
        return maps

    def _set_form(self, batch):
        images = batch.images
        self._labels, self._columns = batch.labels, batch.columns
        self._input_shape = images.shape[1:]
        self._dtype = images.dtype
        if self.suite is None:
            self.suite = tuple(self._suite_of_size(images.shape[1:3]))
        mismatch = range_mismatch(images, self.settings.value_range)
        if mismatch:
            warnings.warn(
                f"The images of the first batch {mismatch}: black and mean will not be what they "
                "are called. Set `value_range`, and pass normalisation as `preprocess`.",
                UserWarning,
                stacklevel=6,
            )

    def run(
        self,
        model: Any,
        verbose: bool | Literal["auto", 2] = "auto",
        backup: FilePath | None = None,
        keep_backup: bool = False,
        share: bool = False,
        title: str = "occlusion",
        compare_to: Report | None = None,
    ) -> Report:
        """Scores a model; see `evaluate`.

        Args:
            model: A Keras model or a function.
            verbose: Whether to show a progress bar.
            backup: Path of the backup.
            keep_backup: Whether to leave the file, complete, for the caller to delete after the
                report is saved.
            share: Whether the workers that train the model together score a share of the batches
                each. All of them must call this, and all get the whole report.
            title: Title of the progress bar.
            compare_to: As in `evaluate`.

        Returns:
            A `Report`.
        """
        check_baseline(compare_to, self.settings.precision)
        with self._worker(model, share, backup).all_or_none():
            forward = self._forward(model, verbose)
            images = self._source, self._input_shape, self._dtype
            settings = describe(self.settings, model, *images, self.bank, self.suite)
            maps = self._maps(model, forward)
            check_same_images(compare_to, settings)
            new_worker = functools.partial(self._worker, model, share, backup)
            passes = self._passes(maps, title, new_worker, compare_to)
            kept = Backup(backup, self._decisive(backup, settings, model, maps, compare_to))
            counts = Passes(passes, kept)
            counts.run(forward, verbose)
        if forward.one_output is not None:
            settings["one_output"] = forward.one_output
        report = self._report(passes, maps, settings)
        kept.save(counts) if keep_backup else kept.remove()
        warn_of_nonfinite(report.rows)
        self._warn_of_first_examples(report)
        return report

    def _passes(self, maps, title, new_worker, compare_to):
        """Returns a dict from names to the passes, that over the benchmark's own data first."""

        def own(source, names, title):
            corrupted = functools.partial(self._corrupted, names=set(names))
            classes = self.settings.class_map, self.settings.class_names
            return Pass(source, names, corrupted, title, *classes, new_worker())

        def of(split, source, names, title):
            return split.pass_with(maps[split.condition.name], source, title, new_worker())

        def passing(make, source, names, title):
            precision = self.settings.precision
            if precision is None:
                return make(source, names, title)
            rule = stopping_rule(precision, compare_to, names[0])
            return StagedPass(source, names, make, title, rule)

        names = [condition.name for condition in self._own_conditions()]
        passes = {CLEAN.name: passing(own, self._source, names, title)}
        for split in self._splits:
            name, make = split.condition.name, functools.partial(of, split)
            passes[name] = passing(make, split, [name], f"{title}: {name}")
        return passes

    def _decisive(self, path, settings, model, maps, compare_to):
        """Returns the settings that the counts in a backup depend on."""
        sets = {}
        for split in self._splits:
            name = split.condition.name
            sets[name] = {**split.settings, "class_map": getattr(maps[name], "outputs", None)}
        return {
            **settings,
            "weights_sha256": None if path is None else digest_of(model),
            "from_logits": self.settings.from_logits,
            "sets": sets,
            **stopping_settings(self.settings.precision, compare_to),
        }

    def _warn_of_first_examples(self, report):
        scored = [(self._source, report)]
        scored += [(split.source, report.datasets[split.condition.name]) for split in self._splits]
        for source, part in scored:
            if source.choice == "first" and len(part.outcomes) == source.max_examples:
                classes = part.settings["num_classes"], part.settings["class_names"]
                warn_of_missing_classes(part.outcomes.labels, *classes, stacklevel=4)

    def is_of_the_same_examples(self, report: "Report", read_again: bool = False) -> bool:
        """Whether a report's examples are those of another pass over the data set.

        Args:
            report: A `Report` of this benchmark.
            read_again: Whether to make that pass if there is no bank, which was drawn in one.
        """
        outcomes = report.outcomes
        if self._index is not None:
            count = None if self.settings.precision is None else len(outcomes)
            then = (self._source.chosen(each, count) for each in (self._labels, self._index))
        elif read_again:
            passes = ((batch.labels, batch.index) for batch in self._source)
            then = map(np.concatenate, zip(*passes, strict=True))
        else:
            return True
        return examples_digest(*then) == examples_digest(outcomes.labels, outcomes.index)

    def examples(self, count: int = 4) -> list[dict[str, Any]]:
        """Corrupts a few examples, for pictures.

        Args:
            count: Number of examples, at most a batch: the first ones of different classes.

        Returns:
            List of dicts with the "label", the "index", and under "images" a dict from each row's
            name, clean first, to an array of shape (H, W, C) in the data set's dtype and range.
        """
        self.prepare()
        return example_images(next(iter(self._source)), count, self._corrupted)

    def _corrupted(self, batch, names=None):
        return corrupted_images(batch, self._corruptions(), self.bank, self.settings, names)

    def _report(self, passes, maps, settings):
        tally = passes[CLEAN.name].whole()
        outcomes = tally.outcomes()
        settings = {
            **settings,
            "num_classes": tally.classes,
            "n": len(outcomes),
            "labels_sha256": digest(outcomes.labels),
            "index_sha256": digest(outcomes.index),
        }
        if settings["class_names"] is None and len(self._source.class_names or ()) == tally.classes:
            settings["class_names"] = list(self._source.class_names)
        if tally.sequential is not None:
            settings["sequential"] = tally.sequential
        if self._source.left_out:
            settings["left_out"] = self._source.left_out
        rows = make_rows(self._own_conditions(), tally, self._input_shape)
        datasets = {}
        for split in self._splits:
            name = split.condition.name
            row, datasets[name] = split.result(passes[name].whole(), maps[name])
            rows.append(row)
        return Report(rows, settings, outcomes, self._source.skipped, datasets)
