"""Two models on the same images: differences of accuracy, with intervals and p-values."""

import dataclasses
import math
from typing import Any

import numpy as np

from keras_patchmix.base.printable import printable
from keras_patchmix.occlusion.outcomes import RIGHT, WRONG, common_examples, same_pixels
from keras_patchmix.occlusion.rows import row_named
from keras_patchmix.occlusion.sequential import difference_interval
from keras_patchmix.occlusion.stopping import sequential_pairs
from keras_patchmix.report import text

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
# Settings that determine the images of the rows.
_SAME_IMAGES = {
    "labels_sha256": "the order of the images, or the images",
    "index_sha256": "the indices of the images",
    "seed": "seed",
    "image_size": "image size",
    "value_range": "value range",
    "coverage_sha256": "the coverage of the images",
}


@dataclasses.dataclass(frozen=True)
class Difference:
    """One row of a comparison.

    Attributes:
        name: Name of the row, such as `"patch_drop_14x14_50"`.
        top1_a: Accuracy of the first model on the images compared, in [0, 1].
        top1_b: Accuracy of the second model.
        difference: `top1_a - top1_b`.
        low: Low end of its 95 % interval.
        high: High end.
        p_value: p-value of McNemar's exact test; None if the rows are not paired, or a report is of
            a sequential evaluation.
        n: Number of images compared; the lower one of both if the rows are not paired.
        paired: Whether both models were scored on the same images.
    """

    name: str
    top1_a: float
    top1_b: float
    difference: float
    low: float
    high: float
    p_value: float | None
    n: int
    paired: bool

    def cells(self, digits=2):
        """Returns the difference and its interval as text, in points."""
        low, high = (f"{100 * value:+.{digits}f}" for value in (self.low, self.high))
        return f"{100 * self.difference:+.{digits}f}", f"{low} to {high}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The difference of two reports, row by row.

    Attributes:
        names: Pair of the models' names.
        rows: List of `Difference`.
        notes: List of sentences: why rows are not paired, and the rows of only one report.
    """

    names: tuple
    rows: list
    notes: list

    def row(self, name: str) -> Any:
        """Returns the row of a name; raises KeyError if there is none."""
        return row_named(self.rows, name)

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as a dict of JSON values."""
        return {
            "names": list(self.names),
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "notes": self.notes,
        }

    def table(self) -> str:
        """Returns the rows as a text table."""
        head = ("top-1 %", *self.names, "difference", "95 % interval", "p")
        lines = [
            (
                row.name,
                f"{100 * row.top1_a:.2f}",
                f"{100 * row.top1_b:.2f}",
                *row.cells(),
                "" if row.p_value is None else f"{row.p_value:.2g}",
            )
            for row in self.rows
        ]
        return "\n".join([text.aligned(head, lines, left=1), *self.notes])

    def __str__(self):
        return self.table()


def compare(a, b):
    """Compares two reports row by row, and image by image if they are of the same images.

    For paired rows the interval is that of Agresti and Min for the difference of two dependent
    proportions ("Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24, 2005: half an image added to each of the four cells), and the p-value
    is that of McNemar's test in its exact, binomial and two-sided form (McNemar, Psychometrika 12,
    1947). For others the interval is Agresti and Caffo's (The American Statistician 54, 2000).

    If a report is of a sequential evaluation, the images that both have scored are paired by their
    index, and the interval is the one that holds at every look, of the difference on all images of
    the data set (`keras_patchmix.occlusion.sequential`).

    Args:
        a: A `Report`.
        b: A `Report`. Images without a finite output of either model are left out.

    Returns:
        A `Comparison` of the rows in common.

    Raises:
        TypeError: An argument is not a report.
        ValueError: The reports have no scored row in common.
    """
    for name, value in (("a", a), ("b", b)):
        if not hasattr(value, "rows") or not hasattr(value, "outcomes"):
            raise TypeError(f"`{name}` must be a Report. Received: {name}={value!r}")
    notes = []
    paired = _is_paired(a, b, notes)
    unpaired = _rows_of_other_banks(a, b, notes) if paired else set()
    if paired:
        unpaired |= _rows_of_other_corruptions(a, b, notes)
    others = {row.name: row for row in b.rows}
    rows = []
    for row in a.rows:
        other = others.get(row.name)
        if other is None or (row.data is None) != (other.data is None):
            continue
        if row.data is not None:
            difference = _of_sets(row, other, a, b, notes)
        elif paired and row.name not in unpaired:
            difference = _paired(row.name, a, b)
        else:
            difference = _unpaired(row, other)
        if difference is None:
            notes.append(f"{row.name}: no image was scored by both models.")
        else:
            rows.append(difference)
    if not rows:
        raise ValueError("`a` and `b` must have rows in common. Received: reports without any")
    single = sorted(set(others) ^ {row.name for row in a.rows})
    if single:
        notes.append(f"Only one report has the rows {', '.join(single)}.")
    names = [
        printable(report.settings.get("model") or letter) for letter, report in (("a", a), ("b", b))
    ]
    if names[0] == names[1]:
        names = [f"{names[0]} ({letter})" for letter in "ab"]
    return Comparison(tuple(names), rows, notes)


def _of_sets(row, other, a, b, notes):
    """Returns the difference on a set of occluded images, paired if possible."""
    name, own_notes = row.name, []
    sets = a.datasets[name], b.datasets[name]
    if _is_paired(*sets, own_notes):
        return _paired(name, *sets)
    notes += [f"{name}: {note[0].lower()}{note[1:]}" for note in own_notes]
    return _unpaired(row, other)


def _is_paired(a, b, notes):
    """Whether the images are the same; if not, adds the reason to the notes."""
    is_sequential = _is_sequential(a, b)
    differing = [
        text
        for key, text in _SAME_IMAGES.items()
        if a.settings.get(key) != b.settings.get(key)
        and not (is_sequential and key.endswith("sha256"))
    ]
    if differing:
        notes.append(f"Not paired image by image, since these differ: {', '.join(differing)}.")
    elif a.outcomes is None or b.outcomes is None:
        notes.append("Not paired image by image: a report does not hold the single outcomes.")
    elif is_sequential and common_examples(a.outcomes, b.outcomes) is None:
        notes.append("Not paired image by image: images of the same index have other labels.")
    else:
        return True
    return False


def _rows_of_other_banks(a, b, notes):
    """Returns the names of rows whose foreign patches come from other images."""
    if a.settings.get("bank_sha256") == b.settings.get("bank_sha256"):
        return set()
    rows = set(a.settings.get("bank_rows") or ()) & set(b.settings.get("bank_rows") or ())
    if rows:
        notes.append(
            "Rows with foreign patches are not paired, since these come from other images (the "
            "bank): was the data set the same, and `bank_size`?"
        )
    return rows


def _rows_of_other_corruptions(a, b, notes):
    """Returns the names of rows in which other numbers of pixels are affected."""
    pixels = a.outcomes.pixels, b.outcomes.pixels
    places = slice(None), slice(None)
    if _is_sequential(a, b):
        places = common_examples(a.outcomes, b.outcomes)
    rows = {
        name
        for name in set(pixels[0]).intersection(pixels[1])
        if not same_pixels(a.outcomes, b.outcomes, name, places)
    }
    if rows:
        notes.append(
            f"Not paired, since other pixels are affected: {', '.join(sorted(rows))}. Were the "
            "corruptions the same?"
        )
    return rows


def _is_sequential(*reports):
    return any("sequential" in report.settings for report in reports)


def _paired(name, a, b):
    """Returns the difference of two reports, or sets, of the same images."""
    if _is_sequential(a, b):
        right_a, right_b, interval = _sequential(name, a, b)
    else:
        top1 = [each.outcomes.top1[name] for each in (a, b)]
        both = (top1[0] >= WRONG) & (top1[1] >= WRONG)
        right_a, right_b = (values[both] == RIGHT for values in top1)
        interval = None
    n = len(right_a)
    if not n:
        return None
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    low, high = interval or paired_interval(only_a, only_b, n)
    top1 = float(np.mean(right_a)), float(np.mean(right_b))
    p_value = mcnemar(only_a, only_b) if interval is None else None
    return Difference(name, *top1, (only_a - only_b) / n, low, high, p_value, n, True)


def _sequential(name, a, b):
    """Returns which images each model has right, in random order, and the interval."""
    first, second = (a, b) if _is_sequential(a) else (b, a)
    settings = first.settings["sequential"]
    outcomes = first.outcomes, second.outcomes
    places = common_examples(*outcomes)
    pairs = sequential_pairs(*outcomes, name, settings["population"], places)
    rights, population = pairs[:2] if first is a else pairs[1::-1], pairs[2]
    interval = difference_interval(*rights, population, settings["precision"] / 100)
    return *rights, tuple(map(float, interval))


def _unpaired(a, b):
    if not a.n or not b.n:
        return None
    (p, n), (q, m) = (((row.top1 * row.n + 1) / (row.n + 2), row.n + 2) for row in (a, b))
    half = _Z * math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    low, high = max(p - q - half, -1.0), min(p - q + half, 1.0)
    n = min(a.n, b.n)
    return Difference(a.name, a.top1, b.top1, a.top1 - b.top1, low, high, None, n, False)


def paired_interval(only_a, only_b, n):
    """Returns the 95 % interval of Agresti and Min (2005) for a difference of paired accuracies.

    Args:
        only_a: Number of images that only the first model has right.
        only_b: Number of images that only the second model has right.
        n: Number of images.

    Returns:
        Two floats in [-1, 1].
    """
    only_a, only_b, n = only_a + 0.5, only_b + 0.5, n + 2
    middle = (only_a - only_b) / n
    half = _Z * math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / n) / n
    return max(middle - half, -1.0), min(middle + half, 1.0)


def mcnemar(only_a, only_b):
    """Returns the two-sided p-value of McNemar's exact test.

    Under the null hypothesis an image that only one model has right is equally likely either's.

    Args:
        only_a: Number of images that only the first model has right.
        only_b: Number of images that only the second model has right.
    """
    total, least = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        return 1.0
    # The tail of the binomial distribution, in logarithms: the terms overflow a float.
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        for k in range(least + 1)
    ]
    largest = max(logs)
    tail = math.fsum(math.exp(value - largest) for value in logs)
    return min(1.0, 2 * tail * math.exp(largest - total * math.log(2)))
