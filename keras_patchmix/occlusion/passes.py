"""One pass of a model over one data set, under the conditions that its images are scored in."""

import contextlib
from typing import Any

import numpy as np

from keras_patchmix.base.progress import Progress
from keras_patchmix.base.schema import check, conform
from keras_patchmix.occlusion.backup import check_same
from keras_patchmix.occlusion.sharing import SingleWorker
from keras_patchmix.occlusion.tally import Tally, judge
from keras_patchmix.scoring.class_map import check_classes

_DIFFERING = 0.1  # share of outcomes that may differ when a batch is scored again


class Pass:
    """A data set, its conditions, and the counts of them so far.

    Args:
        source: An `ExampleSource`, or what is iterated alike.
        names: Names of the conditions.
        corrupted: Function from a `Batch` to an iterable of tuples of a `Condition`, images, the
            pixels affected, and the index of donors or None.
        title: What stands before the progress bar.
        class_map: A `ClassMap`, or None.
        class_names: List of names of the classes, or None.
        sharing: A `Sharing`, or `SingleWorker`.
        naming: Function that returns a context in which errors say what data they are about.
    """

    def __init__(
        self,
        source,
        names,
        corrupted,
        title,
        class_map=None,
        class_names=None,
        sharing=None,
        naming=contextlib.nullcontext,
    ):
        self.source = source
        self.tally = Tally(names)
        self.title = title
        self._corrupted = corrupted
        self._class_map = class_map
        self._class_names = class_names
        self._sharing = sharing or SingleWorker()
        self._naming = naming

    def counted(self, state):
        """Returns the `Tally` of the counts that an interrupted run left, see `Tally.state`."""
        return Tally.from_state(self.tally.names, state)

    def run(self, forward, verbose, after_batch):
        """Scores all examples that are not counted yet.

        Args:
            forward: A `Scorer`.
            verbose: Whether to show a progress bar.
            after_batch: Function that is called after each batch.
        """
        done, position = self.tally.count, 0
        with self._naming(), Progress(verbose, self.title) as progress:
            for batch in self.source:
                progress.start(self.source.num_examples(), done)
                position += len(batch.labels)
                if position <= done:
                    check_same(self.tally.outcomes(), batch, position)
                    if position == len(batch):
                        self._check_agrees(forward, batch)
                    continue
                if not self._sharing.takes(batch):
                    continue
                self._score(forward, batch)
                progress.add(len(batch.labels))
                after_batch()

    def whole(self):
        """Returns the `Tally` of all examples: of several workers, that of all together."""
        return self._sharing.whole(self.tally)

    def _score(self, forward, batch):
        """Scores one batch under all conditions and takes the counts up."""
        self.tally.add(batch.labels, batch.index, *self._judged(forward, batch))

    def _check_agrees(self, forward, batch):
        """Raises where a batch that was scored before the interruption has other outcomes now.

        Nothing but its scores tells one function from another, or an image from one of the same
        label. A few may differ, as accelerators do not round alike each time.
        """
        _, verdicts, _ = self._judged(forward, batch)
        before = self.tally.outcomes()
        pairs = ((before.top1[name][: len(batch)], one.top1) for name, one in verdicts.items())
        differing = np.concatenate([one != other for one, other in pairs])
        if differing.mean() > _DIFFERING:
            raise ValueError(
                "`backup` must be of the same model and images. Received: a backup with other "
                f"outcomes in {differing.sum()} of {len(differing)} cases of the first examples"
            )

    def _judged(self, forward, batch):
        """Returns donors, a dict from conditions to verdicts, and the number of classes."""
        verdicts, donors, waiting = {}, None, None

        def settle(condition, output, pixels):
            scores = forward.scores(output, len(batch.labels))
            if self._class_map is not None:
                scores = self._class_map.select(scores)
            check_classes(scores.shape[1], self._class_map, batch.columns, self._class_names)
            verdicts[condition.name] = judge(scores, batch.labels, pixels)
            return scores.shape[1]

        for condition, images, pixels, donor in self._corrupted(batch):
            output = forward(images, check=waiting is None)
            # An accelerator computes while the host prepares: scores are read one step later.
            if waiting is not None:
                settle(*waiting)
            waiting = (condition, output, pixels)
            donors = donor if donors is None else donors
        return donors, verdicts, settle(*waiting)


class Passes:
    """The passes of one run, with the file that keeps their counts.

    Args:
        passes: Dict from names to `Pass`es. The first one is of the benchmark's own data.
        backup: A `Backup`.
    """

    def __init__(self, passes, backup):
        self._passes = passes
        self._backup = backup
        for name, tally in (backup.load(self._tallies) or {}).items():
            passes[name].tally = tally
        self._begun = self._count()

    def run(self, forward, verbose):
        """Scores what is not counted yet, pass by pass, and saves the counts now and then."""
        try:
            for one in self._passes.values():
                one.run(forward, verbose, lambda: self._backup.save_now_and_then(self))
        except BaseException:
            if self._count() > self._begun:
                self._backup.save(self)
            raise

    def finish(self, keep_backup):
        """Deletes the file, or leaves it complete."""
        if keep_backup:
            self._backup.save(self)
        else:
            self._backup.remove()

    def state(self):
        """Returns all counts as a dict of JSON values."""
        own, *sets = self._passes.items()
        state = own[1].tally.state()
        if sets:
            state["sets"] = {name: one.tally.state() for name, one in sets}
        return state

    def _tallies(self, state):
        """Returns a dict from names to the `Tally`s of a state."""
        own, *sets = self._passes
        kept = conform(state.get("sets", {}), dict[str, Any], "sets")
        check(sorted(kept) == sorted(sets), "sets", f"must be of {sets}")
        state = {key: value for key, value in state.items() if key != "sets"}
        states = {own: state, **kept}
        return {name: self._passes[name].counted(one) for name, one in states.items()}

    def _count(self):
        return sum(one.tally.count for one in self._passes.values())
