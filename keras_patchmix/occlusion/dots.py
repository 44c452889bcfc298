"""Accuracy on sets of occluded images as dots: the same on the page and in pictures."""

import dataclasses

from keras_patchmix.occlusion.panels import as_dict, interval

TITLE = "Sets of occluded images"


@dataclasses.dataclass(frozen=True)
class Dot:
    """The score of one model on one set.

    Attributes:
        label: The model's name.
        number: From 0, decides colour and mark, as of a `Line` of the same model.
        y: Top-1 accuracy in per cent; None where no image was scored.
        low: Low end of Wilson's 95 % interval, in per cent; None where `y` is.
        high: High end.
    """

    label: str
    number: int
    y: float | None
    low: float | None
    high: float | None


def dots(reports, drawn=()):
    """Lays out the dots of all rows that are about a set of occluded images.

    Args:
        reports: A `Report`, or a dict from names to reports.
        drawn: The `Panel`s of the same reports, whose colours are taken up.

    Returns:
        Dict from the name of a row to a list of `Dot`, one for each report that has the row; empty
        where no report has any.
    """
    named = as_dict(reports)
    numbers = {line.label: line.number for panel in drawn for line in panel.lines}
    found = {}
    for place, (label, report) in enumerate(named.items()):
        number = numbers.get(label, place) if len(named) > 1 else 0
        for row in report.rows:
            if row.data is not None:
                found.setdefault(row.name, []).append(_dot(label, number, row))
    return found


def words(name):
    """Returns the name of a row as it stands beside its dots."""
    return name.replace("_", " ")


def _dot(label, number, row):
    if row.top1 is None or not row.n:
        return Dot(label, number, None, None, None)
    low, high = interval(row.top1, row.n)
    return Dot(label, number, 100 * row.top1, 100 * low, 100 * high)
