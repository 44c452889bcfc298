"""When a row of a sequential evaluation stops, alone or against another model's report."""

import dataclasses
import hashlib

import numpy as np

from keras_patchmix.occlusion.outcomes import (
    NOT_SCORED,
    RIGHT,
    WRONG,
    Outcomes,
    common_examples,
    same_pixels,
)
from keras_patchmix.occlusion.rows import row_interval
from keras_patchmix.occlusion.sequential import difference_interval

# Settings that determine the images of the rows, besides the data set.
_SAME_IMAGES = ("seed", "image_size", "value_range", "bank_sha256")


@dataclasses.dataclass(frozen=True)
class StoppingRule:
    """When a row needs no more images.

    Args:
        precision: In points, above 0 and below 50. Without a baseline a row stops once its interval
            is at most that wide to either side of its middle.
        baseline: `Outcomes` of another model. A row that it has stops once the interval of the
            difference lies on one side of 0, or within `precision` of it.
        compared_to: Name of the other model.
        population: Number of all images of the baseline.
    """

    precision: float
    baseline: Outcomes | None = None
    compared_to: str | None = None
    population: int | None = None

    def is_met(self, name, outcomes, population):
        """Whether a row needs no more images.

        Args:
            name: Name of the row.
            outcomes: `Outcomes` so far.
            population: Number of all images.

        Raises:
            ValueError: The examples of the baseline are others.
        """
        width = self.precision / 100
        if self.baseline is None or name not in self.baseline.top1:
            sequential = {"precision": self.precision, "population": population}
            interval = row_interval(outcomes.top1[name], sequential)
            return interval is not None and interval[1] - interval[0] <= 2 * width
        if self.population != population:
            raise ValueError(
                "`compare_to` must be a report of the same images. Received: one of "
                f"{self.population} images, here are {population}"
            )
        places = common_examples(outcomes, self.baseline)
        if places is None:
            raise ValueError(
                "`compare_to` must be a report of the same images, with one index each. Received: "
                "one with other labels"
            )
        if not same_pixels(outcomes, self.baseline, name, places):
            raise ValueError(
                "`compare_to` must be a report of the same corruptions. Received: one with other "
                f"pixels affected in {name!r}"
            )
        a, b, population = sequential_pairs(outcomes, self.baseline, name, population, places)
        low, high = difference_interval(a, b, population, width)
        is_known = low > 0 or high < 0 or (low > -width and high < width)
        return is_known or len(a) >= np.sum(self.baseline.top1[name] >= WRONG)


def sequential_pairs(a, b, name, population, places):
    """Returns the outcomes that two models have in common in a row.

    Args:
        a: `Outcomes` of a sequential evaluation.
        b: `Outcomes` of another, or of all images.
        name: Name of the row.
        population: Number of all images.
        places: What `common_examples` returned.

    Returns:
        A tuple of two boolean arrays, which images each model has right, in the order of `a`, and
        the number of all images that both may score.
    """
    a, b = (each.top1[name][place] for each, place in zip((a, b), places, strict=True))
    unscored = int(np.sum((a == NOT_SCORED) | (b == NOT_SCORED)))
    both = (a >= WRONG) & (b >= WRONG)
    return a[both] == RIGHT, b[both] == RIGHT, population - unscored


def stopping_rule(precision, compare_to, name):
    """Returns the `StoppingRule` of a pass.

    Args:
        precision: In points.
        compare_to: A `Report`, or None.
        name: Name of the first row of the pass, which may be that of a set of occluded images.
    """
    if compare_to is None:
        return StoppingRule(precision)
    scored = compare_to.datasets.get(name, compare_to)
    sequential = scored.settings.get("sequential") or {}
    population = sequential.get("population", len(scored.outcomes))
    return StoppingRule(precision, scored.outcomes, compare_to.model_name, population)


def check_baseline(compare_to, precision):
    """Raises a ValueError unless a report can be compared to at a precision, or is None."""
    if compare_to is None:
        return
    if precision is None:
        raise ValueError(
            "`precision` must be the difference in points that matters where `compare_to` is "
            "given. Received: precision=None"
        )
    if getattr(compare_to, "outcomes", None) is None:
        raise ValueError(
            "`compare_to` must be a Report that holds the outcomes of its images, or None. "
            f"Received: compare_to={compare_to!r}"
        )


def check_same_images(compare_to, settings):
    """Raises a ValueError if the images of a report, or None, are made otherwise.

    Args:
        compare_to: A `Report`, or None.
        settings: Dict of the settings of the evaluation, of `settings.describe`.
    """
    if compare_to is None:
        return
    differing = [
        f"{key}={compare_to.settings.get(key)!r} there, {settings[key]!r} here"
        for key in _SAME_IMAGES
        if None not in (compare_to.settings.get(key), settings[key])
        and compare_to.settings[key] != settings[key]
    ]
    if differing:
        raise ValueError(
            f"`compare_to` must be a report of the same images. Received: {'; '.join(differing)}"
        )


def stopping_settings(precision, compare_to):
    """Returns a dict of what decides when rows stop: a backup goes on with the same alone."""
    if precision is None:
        return {}
    known = hashlib.sha256()
    for each in () if compare_to is None else (compare_to, *compare_to.datasets.values()):
        for values in (each.outcomes.index, *each.outcomes.top1.values()):
            known.update(values.tobytes())
    return {"precision": precision, "compare_to_sha256": known.hexdigest()}
