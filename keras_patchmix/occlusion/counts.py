"""The counts of a pass as a backup keeps them, and whether they agree with one another."""

import dataclasses
from typing import Any

import numpy as np

from keras_patchmix.base.schema import check, conform
from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT, unpacked


@dataclasses.dataclass(frozen=True)
class Counts:
    """What `Tally.state` returns."""

    count: int
    classes: int | None
    top5: dict[str, int]
    outcomes: Any


def counts_of(state, names):
    """Reads the counts of a pass.

    Args:
        state: JSON values.
        names: Names of the pass's conditions.

    Returns:
        Tuple of the `Outcomes`, a dict from names to numbers of examples among the five highest,
        and the number of classes, or None.

    Raises:
        keras_patchmix.base.schema.Mismatch: The values are something else, or do not agree.
    """
    counts = conform(state, Counts)
    check(counts.count >= 0, "count", "must be 0 or more")
    outcomes = unpacked(counts.outcomes, counts.count)
    for place, found in (
        ("top5", counts.top5),
        ("outcomes.top1", outcomes.top1),
        ("outcomes.pixels", outcomes.pixels),
    ):
        check(sorted(found) == sorted(names), place, f"must be of {list(names)}")
    for name, top1 in outcomes.top1.items():
        right, scored = int(np.sum(top1 == RIGHT)), int(np.sum(top1 != NOT_SCORED))
        within = right <= counts.top5[name] <= scored
        check(within, f"top5.{name}", f"must be from {right} to {scored}")
    highest = int(outcomes.labels.max(initial=-1))
    check((counts.classes is None) == (counts.count == 0), "classes", "must be null without counts")
    check(counts.classes is None or highest < counts.classes, "classes", "a label is beyond them")
    return outcomes, counts.top5, counts.classes
