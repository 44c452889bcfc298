"""The rows of a report, class by class."""

import dataclasses
import math

import numpy as np

from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """The score of one class under one condition.

    Attributes:
        name: Name of the report's row, such as `"patch_drop_14x14_50"`.
        label: Class id.
        class_name: Name of the class, or None where it was not given.
        n: Number of the class's images that were scored.
        top1: Share of them that were right, in [0, 1]; None where n is 0.
        standard_error: That of `top1`, sqrt(p (1 - p) / n).
        drop: The class's accuracy on clean images minus `top1`; None where one of them is, or the
            row is of a set without clean images.
    """

    name: str
    label: int
    class_name: str | None
    n: int
    top1: float | None
    standard_error: float | None
    drop: float | None


def class_rows(outcomes, class_names=None, clean_first=True):
    """Counts outcomes class by class.

    Args:
        outcomes: `Outcomes`.
        class_names: Sequence of names, label `i` being `class_names[i]`, or None.
        clean_first: Whether the first row is the clean one.

    Returns:
        List of `ClassRow`: for every row of the report all classes there are, in rising order.
    """
    labels, where = np.unique(outcomes.labels, return_inverse=True)
    rows, clean = [], None
    for name, top1 in outcomes.top1.items():
        scored = np.bincount(where[top1 != NOT_SCORED], minlength=len(labels))
        right = np.bincount(where[top1 == RIGHT], minlength=len(labels))
        accuracy = [
            r / n if n else None for r, n in zip(right.tolist(), scored.tolist(), strict=True)
        ]
        clean = clean or (accuracy if clean_first else [None] * len(accuracy))
        for i, label in enumerate(labels.tolist()):
            p, n = accuracy[i], int(scored[i])
            rows.append(
                ClassRow(
                    name,
                    label,
                    None if class_names is None else class_names[label],
                    n,
                    p,
                    None if p is None else math.sqrt(p * (1 - p) / n),
                    None if p is None or clean[i] is None else clean[i] - p,
                )
            )
    return rows
