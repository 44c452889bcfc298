"""Running counts of a benchmark: what each condition did to each example so far."""

import dataclasses

import numpy as np

from keras_patchmix.occlusion.counts import counts_of
from keras_patchmix.occlusion.outcomes import NOT_SCORED, Outcomes
from keras_patchmix.scoring.class_map import check_classes


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of one condition on one batch of B examples.

    Attributes:
        top1: int8 array of shape (B,), see `Outcomes`.
        top5: Number of examples whose class is among the five highest scores.
        pixels: int64 array of shape (B,): the pixels affected.
    """

    top1: np.ndarray
    top5: int
    pixels: np.ndarray


def judge(scores, labels, pixels):
    """Compares scores with labels.

    Args:
        scores: float32 array of shape (B, K).
        labels: int array of shape (B,), below K.
        pixels: int array of shape (B,): the pixels affected.

    Returns:
        A `Verdict`. An example with a score that is not finite is not scored.

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
    """

    def __init__(self, names):
        self.names = tuple(names)
        self.classes = None
        self.count = 0
        self.top5 = dict.fromkeys(self.names, 0)
        self._parts = []

    def add(self, labels, index, donors, verdicts, classes):
        """Takes up a batch of examples, once every condition has been scored on it.

        Args:
            labels: int array of shape (B,).
            index: int array of shape (B,).
            donors: int array of shape (B,), or None.
            verdicts: Dict from each condition's name to its `Verdict`.
            classes: Number of scores the model returned for an image.
        """
        part = Outcomes(
            np.array(labels),
            np.array(index),
            {name: verdicts[name].top1 for name in self.names},
            {name: verdicts[name].pixels for name in self.names},
            None if donors is None else np.array(donors),
        )
        top5 = {name: self.top5[name] + verdicts[name].top5 for name in self.names}
        self.classes, self.top5, self.count = classes, top5, self.count + len(part)
        self._parts.append(part)

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
        whole = Outcomes(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.index for part in parts]),
            {name: np.concatenate([part.top1[name] for part in parts]) for name in self.names},
            {name: np.concatenate([part.pixels[name] for part in parts]) for name in self.names},
            np.concatenate(donors) if donors else None,
        )
        self._parts = [whole]
        return whole

    def state(self):
        """Returns all counts as a dict of JSON values."""
        return {
            "count": self.count,
            "classes": self.classes,
            "top5": self.top5,
            "outcomes": self.outcomes().to_dict(),
        }

    @classmethod
    def from_state(cls, names, state):
        """Takes up the counts that `state` returned.

        Raises:
            keras_patchmix.base.schema.Mismatch: They are something else, or of other conditions.
        """
        return cls.of(names, *counts_of(state, names))

    @classmethod
    def of(cls, names, outcomes, top5, classes):
        """Takes up counts that were made elsewhere.

        Args:
            names: Names of the conditions.
            outcomes: `Outcomes`.
            top5: Dict from names to numbers of examples.
            classes: Number of scores the model returned for an image.
        """
        tally = cls(names)
        tally.classes, tally.count, tally.top5 = classes, len(outcomes), dict(top5)
        tally._parts = [outcomes]
        return tally
