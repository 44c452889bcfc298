"""Runs a model over a data set under every corruption of a suite."""

import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.progress import Progress
from keras_patchmix.base.types import FilePath
from keras_patchmix.corruptions.bank import Bank, BankBuilder
from keras_patchmix.corruptions.member import Condition
from keras_patchmix.occlusion.backup import Backup, digest_of
from keras_patchmix.occlusion.choice import warn_of_first
from keras_patchmix.occlusion.data import ExampleSource, unlike_range
from keras_patchmix.occlusion.dataset_occlusion import DatasetOcclusion
from keras_patchmix.occlusion.describing import (
    as_list,
    check_range,
    digest,
    function_name,
    skipped_entries,
)
from keras_patchmix.occlusion.opening import OpenSplit
from keras_patchmix.occlusion.outcomes import examples_digest
from keras_patchmix.occlusion.passes import Pass, Passes
from keras_patchmix.occlusion.report import Report, versions
from keras_patchmix.occlusion.rows import make_rows, warn_of_nonfinite
from keras_patchmix.occlusion.serialization import described
from keras_patchmix.occlusion.set_classes import class_names_of, names_of_outputs
from keras_patchmix.occlusion.sharing import SingleWorker, sharing_of
from keras_patchmix.occlusion.suite import check_suite, suite_by_name
from keras_patchmix.scoring.class_map import ClassMap, check_class_names, check_classes
from keras_patchmix.scoring.forward import check_inputs, forward_function, num_outputs, patch_size
from keras_patchmix.scoring.preprocessing import OwnPreprocessing, preprocessing_of
from keras_patchmix.scoring.scorer import Scorer

CLEAN = Condition("clean")


class Benchmark:
    """A data set, a suite and a seed, to run one or more models through.

    The bank is drawn in the first run and kept; nothing else of the data is. Sets of occluded
    images are opened in the first run. The arguments are those of `evaluate`.
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
    ):
        if not isinstance(seed, int | np.integer):
            raise ValueError(f"`seed` must be an integer. Received: seed={seed!r}")
        for name, value in (("preprocess", preprocess), ("saliency", saliency)):
            if value is not None and not callable(value):
                raise ValueError(
                    f"`{name}` must be a function of a batch of images, or None. "
                    f"Received: {name}={value!r}"
                )
        self._source = ExampleSource(dataset, batch_size, max_examples)
        self._suite_of_size = suite_by_name(suite)
        self.suite = None if self._suite_of_size else check_suite(suite)
        self.seed = int(seed)
        self.preprocess = preprocess
        self.saliency = saliency
        self.from_logits = from_logits
        self.value_range = check_range(value_range)
        self.class_map = None if class_map is None else ClassMap(class_map)
        self.class_names = check_class_names(class_names)
        self._outputs = names_of_outputs(
            self.class_names or class_names_of(dataset), self.class_map
        )
        self.bank: Bank | None = None
        self._bank_size = bank_size
        self._input_shape: Any = None  # known from the first batch on
        self._dtype = self._labels = self._columns = None
        self._seen = None
        self._splits: list | None = None
        self._found = weakref.WeakKeyDictionary()

    def prepare(self, verbose: bool | Literal["auto"] = False) -> tuple:
        """Settles the suite, draws the bank and opens the sets, if that was not done before.

        Returns:
            Tuple of the `Condition`s of the rows, the clean one first, those of sets last.
        """
        needs_bank = self.suite is None or any(member.needs_bank for member in self.suite)
        if self._input_shape is None:
            builder, seen = BankBuilder(self._bank_size, self.seed), []
            with Progress(verbose, "bank") as progress:
                for batch in self._source.population():
                    if self._input_shape is None:
                        self._first(batch)
                        progress.start(self._source.num_examples(everything=True))
                    if not needs_bank:
                        break
                    builder.add(batch.images, batch.labels, batch.index)
                    seen.append((batch.labels, batch.index))
                    progress.add(len(batch.labels))
            if needs_bank:
                self.bank = builder.build()
                self.bank.check_classes()
                self._labels, index = map(np.concatenate, zip(*seen, strict=True))
                self._seen = examples_digest(*map(self._source.chosen, (self._labels, index)))
        if self._splits is None:
            self._splits = self._opened()
        return (*self._own_conditions(), *(split.condition for split in self._splits))

    def has_sets(self) -> bool:
        """Whether the suite holds sets of occluded images."""
        return any(isinstance(member, DatasetOcclusion) for member in self.suite or ())

    def _own_conditions(self):
        return (CLEAN, *(c for member in self._corruptions() for c in member.conditions))

    def _corruptions(self):
        return [member for member in self.suite if not isinstance(member, DatasetOcclusion)]

    def _opened(self):
        """Opens every split of every set of occluded images."""
        like = {
            "image_size": self._input_shape[:2],
            "dtype": self._dtype,
            "value_range": self.value_range,
            "outputs": self._outputs,
        }
        return [
            OpenSplit(
                member, condition, split, like, self._source.batch_size, self._source.max_examples
            )
            for member in self.suite
            if isinstance(member, DatasetOcclusion)
            for condition, split in zip(member.conditions, member.splits, strict=True)
        ]

    def check(
        self, model: Any, verbose: bool | Literal["auto"] = False, share: bool = False
    ) -> None:
        """Raises where a model does not fit the images, or the suite's sets of occluded ones.

        `run` does so too, before it scores anything. What a `preprocess` makes of the images is
        seen only there.

        Args:
            model: A Keras model or a function.
            verbose: Whether to show a progress bar, as `prepare` does.
            share: Whether the workers that train the model together all call this: then it raises
                on all of them.

        Raises:
            ValueError: The message names the sizes; or the set, its classes, and the model's
                outputs.
        """
        with (sharing_of(model) if share else SingleWorker()).all_or_none():
            forward = self._forward(model, verbose)
            if forward.preprocess is None:
                check_inputs(model, np.empty((0, *self._input_shape), self._dtype))
            self._check_classes(model)
            self._maps(model, forward)

    def _check_classes(self, model):
        """Raises where the classes of data and model differ, as far as both are known by now."""
        count = num_outputs(model)
        classes = None if count is None else max(count, 2)
        if self.class_map is not None:
            classes = len(self.class_map.outputs)
        if classes is not None:
            check_classes(classes, self.class_map, self._columns, self.class_names, self._labels)

    def _forward(self, model, verbose):
        forward_function(model)  # refuses what is no classifier, before any data is read
        self.prepare(verbose)
        return Scorer(model, self._source.batch_size, self.preprocess, self.from_logits)

    def _maps(self, model, forward):
        """Returns a dict from sets to their maps, found anew for each model."""
        found = self._found.get(model) if isinstance(model, keras.Layer) else None
        if found is None:
            found = {split.condition.name: split.map_for(forward) for split in self._splits}
        if isinstance(model, keras.Layer):
            self._found[model] = found
        return found

    def _first(self, batch):
        images = batch.images
        self._labels, self._columns = batch.labels, batch.columns
        self._input_shape = images.shape[1:]
        self._dtype = images.dtype
        if self.suite is None:
            self.suite = tuple(self._suite_of_size(images.shape[1:3]))
        unlike = unlike_range(images, self.value_range)
        if unlike:
            warnings.warn(
                f"The images of the first batch {unlike}: black and mean will not be what they are "
                "called. Set `value_range`, and pass normalisation as `preprocess`.",
                UserWarning,
                stacklevel=6,
            )

    def run(
        self,
        model: Any,
        verbose: bool | Literal["auto"] = "auto",
        backup: FilePath | None = None,
        keep_backup: bool = False,
        share: bool = False,
        title: str = "occlusion",
    ) -> Report:
        """Scores a model; see `evaluate`.

        Args:
            model: A Keras model or a function.
            verbose: Whether to show a progress bar.
            backup: File that keeps the state.
            keep_backup: Whether the file, complete, is left for the caller to delete, once the
                report is somewhere safe.
            share: Whether the workers that train the model together score a share of the batches
                each. All of them must call this, and all get the whole report.
            title: What stands before the progress bar: the model's name, say.

        Returns:
            A `Report`.
        """

        def sharing():
            return sharing_of(model, backup) if share else SingleWorker()

        with sharing().all_or_none():
            forward = self._forward(model, verbose)
            settings = self._settings(model)
            maps = self._maps(model, forward)
            passes = self._passes(maps, title, sharing)
            held = Passes(passes, self._backup(backup, settings, model, maps))
            held.run(forward, verbose)
        if forward.one_output is not None:
            settings["one_output"] = forward.one_output
        report = self._report(passes, maps, settings)
        held.finish(keep_backup)
        warn_of_nonfinite(report.rows)
        self._warn_of_first(report)
        return report

    def _passes(self, maps, title, sharing):
        """Returns a dict from names to the `Pass`es, that over the benchmark's own data first."""
        own = Pass(
            self._source,
            [condition.name for condition in self._own_conditions()],
            self._corrupted,
            title,
            self.class_map,
            self.class_names,
            sharing(),
        )
        passes = {CLEAN.name: own}
        for split in self._splits:
            name = split.condition.name
            passes[name] = split.pass_with(maps[name], f"{title}: {name}", sharing())
        return passes

    def _backup(self, path, settings, model, maps):
        sets = {}
        for split in self._splits:
            name = split.condition.name
            sets[name] = {**split.settings, "class_map": getattr(maps[name], "outputs", None)}
        decides = {**settings, "weights_sha256": None if path is None else digest_of(model)}
        if self.from_logits is not None:
            decides["from_logits"] = self.from_logits
        return Backup(path, {**decides, "sets": sets} if sets else decides)

    def _warn_of_first(self, report):
        found = [
            (self._source, report),
            *((s.source, report.datasets[s.condition.name]) for s in self._splits),
        ]
        for source, scored in found:
            outcomes = scored.outcomes
            if source.choice == "first" and len(outcomes) == source.max_examples:
                settings = scored.settings
                warn_of_first(
                    outcomes.labels, settings["num_classes"], settings["class_names"], stacklevel=4
                )

    def is_of_the_same_examples(self, report: "Report") -> bool:
        """Says whether a report's examples are those of the pass that drew the bank, if any did."""
        outcomes = report.outcomes
        return self._seen in (None, examples_digest(outcomes.labels, outcomes.index))

    def examples(self, count: int = 4) -> list[dict[str, Any]]:
        """Corrupts a few examples, for pictures.

        Args:
            count: Number of examples, at most a batch: the first ones of different classes.

        Returns:
            List of dicts with the "label", the "index", and under "images" a dict from each row's
            name, clean first, to an array of shape (H, W, C) in the data set's dtype and range.
        """
        self.prepare()
        batch = next(iter(self._source))
        _, first = np.unique(batch.labels, return_index=True)
        others = np.setdiff1d(np.arange(len(batch.labels)), first)
        chosen = np.concatenate([np.sort(first), others])[:count]
        batch = batch.rows(chosen)
        rows = [(c.name, images) for c, images, _, _ in self._corrupted(batch)]
        return [
            {
                "label": int(label),
                "index": int(index),
                "images": {name: images[i] for name, images in rows},
            }
            for i, (label, index) in enumerate(zip(batch.labels, batch.index, strict=True))
        ]

    def _corrupted(self, batch):
        """Yields condition, images, pixels affected, and the index of donors or None."""
        labels, index, saliency = batch.labels, batch.index, batch.saliency
        # Read-only, as these may be the user's own arrays and corruptions may be the user's too.
        images = batch.images.view()
        images.flags.writeable = False
        yield CLEAN, images, np.zeros(len(images), np.int64), None
        if any(member.needs_saliency for member in self.suite) and self.saliency is not None:
            saliency = to_numpy(self.saliency(np.array(images)))
        for member in self._corruptions():
            plan = member.draw(
                images, labels, index, self.seed, self.bank, self.value_range, saliency
            )
            for condition in member.conditions:
                corrupted, pixels = member.apply(images, plan, condition)
                yield condition, corrupted, pixels, plan.get("donor_index")

    def _settings(self, model):
        """Returns what the counts depend on and is known before the first is made."""
        preprocess = preprocessing_of(model, self.preprocess)
        return {
            "model": getattr(model, "name", None) or getattr(model, "__name__", None),
            "model_patch_size": as_list(patch_size(model)),
            "class_names": self.class_names,
            "class_map": None if self.class_map is None else self.class_map.outputs,
            "image_size": list(self._input_shape[:2]),
            "channels": self._input_shape[2],
            "image_dtype": str(self._dtype),
            "value_range": list(self.value_range),
            "preprocess": function_name(preprocess),
            **({"own_preprocess": True} if isinstance(preprocess, OwnPreprocessing) else {}),
            "saliency": function_name(self.saliency),
            "seed": self.seed,
            "max_examples": self._source.max_examples,
            "choice": self._source.choice,
            "batch_size": self._source.batch_size,
            "bank_images": 0 if self.bank is None else len(self.bank.labels),
            "bank_sha256": None if self.bank is None else self.bank.sha256,
            "bank_rows": [c.name for m in self.suite if m.needs_bank for c in m.conditions],
            "suite": described(self.suite),
            "versions": versions(),
        }

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
        if self._source.left_out:
            settings["left_out"] = self._source.left_out
        skipped = skipped_entries(self._source.skipped)
        rows = make_rows(self._own_conditions(), tally, self._input_shape)
        datasets = {}
        for split in self._splits:
            name = split.condition.name
            row, datasets[name] = split.result(passes[name].whole(), maps[name])
            rows.append(row)
        return Report(rows, settings, outcomes, skipped, datasets)
