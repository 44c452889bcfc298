"""Running counts of a benchmark: the outcome of each condition for each example so far."""

import dataclasses
from typing import Any

import numpy as np

from keras_patchmix.base.schema import check, conform
from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT, WRONG, Outcomes, unpacked
from keras_patchmix.scoring.class_map import check_classes


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of one condition for a batch of B examples.

    Attributes:
        top1: int8 array of shape (B,), see `Outcomes`.
        top5: Number of examples whose class is among the five highest scores.
        pixels: int64 array of shape (B,): the number of pixels affected.
    """

    top1: np.ndarray
    top5: int
    pixels: np.ndarray


def judge(scores, labels, pixels):
    """Compares scores with labels.

    Args:
        scores: float32 array of shape (B, K).
        labels: int array of shape (B,), below K.
        pixels: int array of shape (B,): the number of pixels affected.

    Returns:
        A `Verdict`. Examples with a score that is not finite are not scored.

    Raises:
        ValueError: A label is K or above.
    """
    classes = scores.shape[1]
    check_classes(classes, labels=labels)
    finite = np.all(np.isfinite(scores), axis=1)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    # Of equal scores the lowest class id comes first, as with argmax.
    ahead = (scores > own) | ((scores == own) & (np.arange(classes) < labels[:, None]))
    rank = np.sum(ahead, axis=1)
    return Verdict(
        np.where(finite, rank == 0, NOT_SCORED).astype(np.int8),
        int(np.sum(finite & (rank < 5))),
        np.array(pixels, np.int64),
    )


class Tally:
    """Counts of all conditions over the examples scored so far.

    It holds nine bytes for each example and condition, and nothing else that grows.

    Args:
        names: Names of the conditions.
        outcomes: `Outcomes` to start from, or None.
        top5: Dict from names to numbers of examples, of these outcomes.
        classes: Number of scores an image, of these outcomes.

    Attributes:
        sequential: Dict of the settings of a sequential evaluation that is complete; else None.
    """

    def __init__(self, names, outcomes=None, top5=None, classes=None):
        self.names = tuple(names)
        self.classes = classes
        self.sequential = None
        self.count = 0 if outcomes is None else len(outcomes)
        self.top5 = dict(top5 or dict.fromkeys(self.names, 0))
        self._parts = [] if outcomes is None else [outcomes]

    def add(self, labels, index, donors, verdicts, classes):
        """Adds a batch of examples, after every condition has been scored on it.

        Args:
            labels: int array of shape (B,).
            index: int array of shape (B,).
            donors: int array of shape (B,), or None.
            verdicts: Dict from each condition's name to its `Verdict`.
            classes: Number of scores an image.
        """
        part = Outcomes(
            np.array(labels),
            np.array(index),
            {name: verdicts[name].top1 for name in self.names},
            {name: verdicts[name].pixels for name in self.names},
            None if donors is None else np.array(donors),
        )
        self.extend(part, {name: verdicts[name].top5 for name in self.names}, classes)

    def extend(self, outcomes, top5, classes):
        """Adds the outcomes of further examples.

        Args:
            outcomes: `Outcomes`.
            top5: Dict from names of conditions to numbers of examples; 0 for a name that is not in
                it.
            classes: Number of scores an image.
        """
        total = {name: self.top5[name] + top5.get(name, 0) for name in self.names}
        self.classes, self.top5, self.count = classes, total, self.count + len(outcomes)
        self._parts.append(outcomes)

    def outcomes(self):
        """Returns the `Outcomes` so far."""
        if not self._parts:
            empty = np.zeros(0, np.int64)
            return Outcomes(
                empty,
                empty,
                dict.fromkeys(self.names, empty.astype(np.int8)),
                dict.fromkeys(self.names, empty),
            )
        parts = self._parts
        donors = [part.donors for part in parts if part.donors is not None]
        joined = Outcomes(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.index for part in parts]),
            {name: np.concatenate([part.top1[name] for part in parts]) for name in self.names},
            {name: np.concatenate([part.pixels[name] for part in parts]) for name in self.names},
            np.concatenate(donors) if donors else None,
        )
        self._parts = [joined]
        return joined

    def state(self):
        """Returns the counts as a dict of JSON values."""
        return {
            "count": self.count,
            "classes": self.classes,
            "top5": self.top5,
            "outcomes": self.outcomes().to_dict(),
        }

    @classmethod
    def from_state(cls, names, state):
        """Makes a tally from the dict that `state` returned.

        Raises:
            keras_patchmix.base.schema.Mismatch: The values are something else, are of other
                conditions, or do not agree.
        """
        counts = conform(state, _Counts)
        check(counts.count >= 0, "count", "must be 0 or more")
        outcomes = unpacked(counts.outcomes, counts.count)
        for place, values in (
            ("top5", counts.top5),
            ("outcomes.top1", outcomes.top1),
            ("outcomes.pixels", outcomes.pixels),
        ):
            check(sorted(values) == sorted(names), place, f"must be of {list(names)}")
        for name, top1 in outcomes.top1.items():
            right, scored = int(np.sum(top1 == RIGHT)), int(np.sum(top1 >= WRONG))
            is_possible = right <= counts.top5[name] <= scored
            check(is_possible, f"top5.{name}", f"must be from {right} to {scored}")
        is_empty, highest = counts.count == 0, int(outcomes.labels.max(initial=-1))
        check((counts.classes is None) == is_empty, "classes", "must be null without counts")
        is_possible = counts.classes is None or highest < counts.classes
        check(is_possible, "classes", "a label is beyond them")
        return cls(names, outcomes, counts.top5, counts.classes)


@dataclasses.dataclass(frozen=True)
class _Counts:
    """The JSON values of `Tally.state`."""

    count: int
    classes: int | None
    top5: dict[str, int]
    outcomes: Any
