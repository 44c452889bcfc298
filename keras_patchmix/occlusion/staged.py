"""The pass of a sequential evaluation: examples in a random order, until each row is known."""

import dataclasses
from typing import Any

import numpy as np

from keras_patchmix.base.schema import check, conform
from keras_patchmix.occlusion.outcomes import STOPPED, Outcomes
from keras_patchmix.occlusion.sequential import looks
from keras_patchmix.occlusion.tally import Tally


class StagedPass:
    """A pass over a data set in stages, after each of which rows may stop.

    Args:
        source: An `ExampleSource`, or another object with `order`, `part` and `batch_size`.
        names: Names of the conditions.
        make_pass: Function from a source, the names of its conditions and a title to a `Pass`.
        title: Title of the progress bars.
        rule: A `StoppingRule`.

    Attributes:
        count: Number of examples scored so far.
    """

    def __init__(self, source, names, make_pass, title, rule):
        self._source, self._names, self._make_pass = source, tuple(names), make_pass
        self._title, self._rule = title, rule
        self._stages, self._kept = [], []
        self._whole = Tally(self._names)

    @property
    def count(self):
        """Number of examples scored so far."""
        return sum(each.count for each in (*self._stages, *self._kept))

    def run(self, forward, verbose, after_batch):
        """Scores examples until every row has stopped; see `Pass.run`."""
        order = self._source.order()
        active, made, begin = self._names, [], 0
        for end in looks(len(order), self._rule.precision / 100, self._source.batch_size):
            positions, begin = order[begin:end], end
            title = f"{self._title}: images to {end:,}, {len(active)} rows"
            stage = self._make_pass(_Part(self._source, np.sort(positions)), active, title)
            if self._kept:
                stage.resume(self._kept.pop(0))
            self._stages.append(stage)
            with stage.worker.all_or_none():  # before `whole`, in which workers wait for others
                stage.run(forward, verbose, after_batch)
            self._add(stage.whole(), positions)
            made.append(end)
            outcomes = self._whole.outcomes()
            active = [n for n in active if not self._rule.is_met(n, outcomes, len(order))]
            if not active:
                break
        self._whole.sequential = {
            "precision": self._rule.precision,
            "population": len(order),
            "looks": made,
            **({} if self._rule.compared_to is None else {"compared_to": self._rule.compared_to}),
        }

    def _add(self, tally, positions):
        """Adds the counts of a stage, in the order in which its examples are drawn."""
        part, whole = tally.outcomes(), self._whole
        if len(part) != len(positions):
            raise ValueError(
                "`dataset` must hold the same examples in every pass. Received: "
                f"{len(part)} of {len(positions)} examples that were there before"
            )
        rank = np.argsort(np.argsort(positions))
        empty = np.full(len(part), STOPPED, np.int8)
        top1 = {name: part.top1[name][rank] if name in part.top1 else empty for name in self._names}
        pixels = {
            name: part.pixels[name][rank] if name in part.pixels else np.zeros(len(part), np.int64)
            for name in self._names
        }
        donors = part.donors
        if donors is None and whole.outcomes().donors is not None:
            donors = np.full(len(part), -1, np.int64)
        donors = None if donors is None else donors[rank]
        whole.extend(
            Outcomes(part.labels[rank], part.index[rank], top1, pixels, donors),
            tally.top5,
            tally.classes,
        )

    def whole(self):
        """Returns the `Tally` of all examples scored."""
        return self._whole

    def state(self):
        """Returns the counts of all stages as a dict of JSON values."""
        return {"stages": [each.state() for each in (*self._stages, *self._kept)]}

    def read(self, state):
        """Returns the `Tally`s of the stages in a dict that `state` returned.

        Raises:
            keras_patchmix.base.schema.Mismatch: The values are something else.
        """
        stages = conform(state, _Stages).stages
        known = set(self._names)
        for stage in stages:
            named = conform(stage.get("top5"), dict[str, int], "top5")
            check(set(named) <= known, "top5", f"must be of {self._names}")
        return [Tally.from_state(tuple(stage["top5"]), stage) for stage in stages]

    def resume(self, tallies):
        """Goes on from what `read` returned."""
        self._kept = tallies


@dataclasses.dataclass(frozen=True)
class _Stages:
    """The JSON values of `StagedPass.state`."""

    stages: list[dict[str, Any]]


class _Part:
    """Some examples of a source.

    Args:
        source: An object with a method `part`.
        positions: Ascending int array.
    """

    def __init__(self, source, positions):
        self._source, self._positions = source, positions

    def __iter__(self):
        return iter(self._source.part(self._positions))

    def num_examples(self):
        """Returns the number of examples."""
        return len(self._positions)
