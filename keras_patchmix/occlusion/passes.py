"""The passes of a model over data sets: one for the benchmark's images, one for each split."""

import contextlib
from typing import Any

import numpy as np

from keras_patchmix.base.progress import Progress
from keras_patchmix.base.schema import check, conform
from keras_patchmix.occlusion.tally import Tally, judge
from keras_patchmix.scoring.class_map import check_classes

MOST_DIFFERING = 0.1  # share of outcomes; accelerators do not round alike each time


class SingleWorker:
    """The worker that scores all batches, as `workers.WorkerShare` scores some."""

    def takes(self, batch):
        """Returns whether this worker scores a batch."""
        return True

    def all_or_none(self):
        """Returns a context in which an error of one worker is raised on all."""
        return contextlib.nullcontext()

    def whole(self, tally):
        """Returns the `Tally` of all workers."""
        return tally


class Pass:
    """A data set, its conditions, and the counts so far.

    Args:
        source: An `ExampleSource`, or another iterable of `Batch`es with a method `num_examples`.
        names: Names of the conditions.
        corrupted: Function from a `Batch` to an iterable of tuples of a `Condition`, images, the
            number of pixels affected, and the index of donors or None.
        title: Title of the progress bar.
        class_map: A `ClassMap`, or None.
        class_names: List of names of the classes, or None.
        worker: A `workers.WorkerShare`, or `SingleWorker`.
        naming: Function that returns a context in which errors name the data set.
    """

    def __init__(
        self,
        source,
        names,
        corrupted,
        title,
        class_map=None,
        class_names=None,
        worker=None,
        naming=contextlib.nullcontext,
    ):
        self.source = source
        self.tally = Tally(names)
        self.title = title
        self._corrupted = corrupted
        self._class_map = class_map
        self._class_names = class_names
        self.worker = worker or SingleWorker()
        self._naming = naming

    def run(self, forward, verbose, after_batch):
        """Scores the examples that are not counted yet.

        Args:
            forward: A `Scorer`.
            verbose: Whether to show a progress bar.
            after_batch: Function called after each batch.
        """
        done, position = self.tally.count, 0
        with self._naming(), Progress(verbose, self.title) as progress:
            for batch in self.source:
                progress.start(self.source.num_examples(), done)
                position += len(batch)
                if position <= done:
                    self._check_same_examples(batch, slice(position - len(batch), position))
                    if position == len(batch):
                        self._check_same_outcomes(forward, batch)
                    continue
                if not self.worker.takes(batch):
                    continue
                self.tally.add(batch.labels, batch.index, *self._judged(forward, batch))
                progress.add(len(batch))
                after_batch()

    def whole(self):
        """Returns the `Tally` of all examples, those of other workers included."""
        return self.worker.whole(self.tally)

    @property
    def count(self):
        """Number of examples scored so far."""
        return self.tally.count

    def state(self):
        """Returns the counts as a dict of JSON values."""
        return self.tally.state()

    def read(self, state):
        """Returns the `Tally` in a dict that `state` returned; raises `Mismatch` for others."""
        return Tally.from_state(self.tally.names, state)

    def resume(self, tally):
        """Goes on from what `read` returned."""
        self.tally = tally

    def _check_same_examples(self, batch, part):
        outcomes = self.tally.outcomes()
        same_labels = np.array_equal(outcomes.labels[part], batch.labels)
        if not (same_labels and np.array_equal(outcomes.index[part], batch.index)):
            raise ValueError(
                "`dataset` must come in the order in which it came before the interruption. "
                "Received: other labels or indices among the examples "
                f"{part.start} to {part.stop - 1}"
            )

    def _check_same_outcomes(self, forward, batch):
        """Raises if a batch that was scored before the interruption has other outcomes now.

        Only its scores distinguish one function from another, and images of the same labels.
        """
        _, verdicts, _ = self._judged(forward, batch)
        before = self.tally.outcomes()
        part = slice(len(batch))
        differing = np.concatenate(
            [before.top1[name][part] != one.top1 for name, one in verdicts.items()]
        )
        if differing.mean() > MOST_DIFFERING:
            raise ValueError(
                "`backup` must be of the same model and images. Received: a backup with other "
                f"outcomes in {differing.sum()} of {len(differing)} cases of the first examples"
            )
        changed = [
            name
            for name, one in verdicts.items()
            if not np.array_equal(before.pixels[name][part], one.pixels)
        ]
        if changed:
            raise ValueError(
                "`backup` must be of the same suite. Received: a backup with other numbers of "
                f"pixels affected in {', '.join(changed)}"
            )

    def _judged(self, forward, batch):
        """Returns donors, a dict from conditions to verdicts, and the number of classes."""
        verdicts, donors, pending = {}, None, None

        def settle(condition, output, pixels):
            scores = forward.scores(output, len(batch))
            if self._class_map is not None:
                scores = self._class_map.select(scores)
            check_classes(scores.shape[1], self._class_map, batch.columns, self._class_names)
            verdicts[condition.name] = judge(scores, batch.labels, pixels)
            return scores.shape[1]

        for condition, images, pixels, donor in self._corrupted(batch):
            output = forward(images, check=pending is None)
            # An accelerator computes while the host prepares: scores are read one step later.
            if pending is not None:
                settle(*pending)
            pending = (condition, output, pixels)
            donors = donor if donors is None else donors
        return donors, verdicts, settle(*pending)


class Passes:
    """The passes of one run, with the file that keeps their counts.

    Args:
        passes: Dict from names to `Pass`es or `StagedPass`es. The first one is of the benchmark's
            own data.
        backup: A `Backup`.
    """

    def __init__(self, passes, backup):
        self._passes = passes
        self._backup = backup
        for name, counts in (backup.load(self._counts) or {}).items():
            passes[name].resume(counts)
        self._loaded = self._count()

    def run(self, forward, verbose):
        """Scores what is not counted yet, pass by pass, and saves the counts periodically."""
        try:
            for one in self._passes.values():
                one.run(forward, verbose, lambda: self._backup.save_now_and_then(self))
        except BaseException:
            if self._count() > self._loaded:
                self._backup.save(self)
            raise

    def state(self):
        """Returns all counts as a dict of JSON values."""
        own, *sets = self._passes.items()
        state = own[1].state()
        if sets:
            state["sets"] = {name: one.state() for name, one in sets}
        return state

    def _counts(self, state):
        """Returns a dict from names to the counts of a state."""
        own, *sets = self._passes
        kept = conform(state.get("sets", {}), dict[str, Any], "sets")
        check(sorted(kept) == sorted(sets), "sets", f"must be of {sets}")
        state = {key: value for key, value in state.items() if key != "sets"}
        return {name: self._passes[name].read(one) for name, one in {own: state, **kept}.items()}

    def _count(self):
        return sum(one.count for one in self._passes.values())
