"""The file report.json: its content, and checks that its numbers agree."""

import dataclasses
import math
from typing import Any, TypedDict

import numpy as np

from keras_patchmix.base import state_files
from keras_patchmix.base.printable import printable, printable_values
from keras_patchmix.base.schema import check, conform
from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT, WRONG, OccludedSet, unpacked
from keras_patchmix.occlusion.rows import Row
from keras_patchmix.occlusion.settings import digest

SCHEMA_VERSION = 5
_KIND = "a report of keras-patchmix"
_TOLERANCE = 1e-6  # another machine may round otherwise


class Skipped(TypedDict):
    """An image that could not be read."""

    name: str
    reason: str


class _Stopping(TypedDict, total=False):
    compared_to: str


class Sequential(_Stopping):
    """Settings of a sequential evaluation.

    "precision" is in points, "population" the number of all images, "looks" the numbers of images
    after which rows might stop, "compared_to" the name of the model that they were compared to.
    """

    precision: float
    population: int
    looks: list[int]


class _Images(TypedDict):
    image_size: list[int]


class Settings(_Images, total=False):
    """Settings that reports and sets share. Other keys are allowed."""

    n: int
    num_classes: int
    max_examples: int | None
    choice: str | None
    class_map: list[list[int]] | None
    labels_sha256: str
    index_sha256: str
    coverage_sha256: str | None
    dataset: str | None
    split: str | None
    version: str | None
    sequential: Sequential


class _OfModel(TypedDict):
    model: str | None


class ReportSettings(_OfModel, Settings, total=False):
    """Settings of a report."""

    class_names: list[str] | None
    model_patch_size: list[int] | None
    channels: int
    image_dtype: str
    value_range: list[float]
    preprocess: str | None
    own_preprocess: bool
    saliency: str | None
    one_output: str
    left_out: str
    seed: int
    batch_size: int
    bank_images: int
    bank_sha256: str | None
    bank_rows: list[str]
    suite: list[dict[str, Any]]
    versions: dict[str, str | None]
    command: str | None
    epoch: int


class _OfClasses(TypedDict):
    class_names: list[str] | None


class SetSettings(_OfClasses, Settings, total=False):
    """Settings of a set of occluded images."""


@dataclasses.dataclass(frozen=True)
class SetContent:
    """The part of the file about a set of occluded images."""

    settings: SetSettings
    skipped: list[Skipped]
    outcomes: Any


@dataclasses.dataclass(frozen=True)
class Content:
    """The content of the file. The summary is ignored, since it follows from the rows."""

    schema_version: int
    settings: ReportSettings
    rows: list[Row]
    summary: Any = None
    skipped: list[Skipped] = dataclasses.field(default_factory=list)
    outcomes: Any = None
    datasets: dict[str, SetContent] = dataclasses.field(default_factory=dict)


def load(path):
    """Reads and checks the file.

    Args:
        path: The file.

    Returns:
        Dict with the arguments of `keras_patchmix.occlusion.Report`.

    Raises:
        keras_patchmix.base.state_files.DamagedFile: It is not a report, or its parts do not agree.
        ValueError: It is a report of a later version of this package.
        OSError: It cannot be read.
    """
    values = state_files.read_json(path, _KIND)
    with state_files.named(path, _KIND):
        version = values.get("schema_version") if isinstance(values, dict) else None
        check(type(version) is int and version > 0, "schema_version", "must be a whole number")
        if version > SCHEMA_VERSION:
            raise ValueError(
                f"`path` must be a report of schema version 1 to {SCHEMA_VERSION}; a later one "
                f"needs a later keras-patchmix. Received: version {version} in "
                f"'{printable(path)}'"
            )
        content = conform(printable_values(state_files.unsealed(values)), Content)
        return _arguments(content)


def _arguments(content):
    rows = content.rows
    names = [row.name for row in rows]
    check(len(rows) > 0 and rows[0].data is None, "rows", "the first one must be the clean one")
    check(len(set(names)) == len(names), "rows", "two have one name")
    _check_size(content.settings, "settings")
    for number, row in enumerate(rows):
        _check_row(row, f"rows[{number}]")
    own = [row for row in rows if row.data is None]
    sets = {row.name: row for row in rows if row.data is not None}
    check(set(sets) == set(content.datasets), "datasets", "must be those that rows are about")
    outcomes = None
    if content.outcomes is not None:
        outcomes = _outcomes(content.outcomes, own, content.settings)
    _check_settings(content.settings, outcomes, "settings")
    datasets = {}
    for name, each in content.datasets.items():
        _check_size(each.settings, f"datasets.{name}.settings")
        own = _outcomes(each.outcomes, [sets[name]], each.settings, shares=False)
        _check_settings(each.settings, own, f"datasets.{name}.settings")
        datasets[name] = OccludedSet(each.settings, own, each.skipped)
    return {
        "rows": rows,
        "settings": content.settings,
        "outcomes": outcomes,
        "skipped": content.skipped,
        "datasets": datasets,
    }


def _check_row(row, place):
    check(row.n >= 0 and row.n_nonfinite >= 0, place, "counts must be 0 or more")
    check(row.grid is None or min(row.grid) > 0, f"{place}.grid", "must be of positive numbers")
    check(row.severity is None or row.severity > 0, f"{place}.severity", "must be above 0")
    check(row.share is not None or row.data is not None, f"{place}.share", "must be a number")
    for field in ("share", "top1", "top5", "standard_error"):
        value = getattr(row, field)
        check(value is None or 0 <= value <= 1, f"{place}.{field}", "must be from 0 to 1")
    if row.interval is not None:
        low, high = row.interval
        check(0 <= low <= high <= 1, f"{place}.interval", "must ascend from 0 to 1")
    scored = [value is not None for value in (row.top1, row.standard_error)]
    check(scored == [row.n > 0] * 2, place, "must have a score where n is above 0, and only there")
    check(row.top5 is None or row.n > 0, f"{place}.top5", "must be null where n is 0")
    if row.n:
        error = math.sqrt(row.top1 * (1 - row.top1) / row.n)
        check(_close(row.standard_error, error), f"{place}.standard_error", "must follow from top1")
        check(row.top5 is None or row.top5 >= row.top1, f"{place}.top5", "must not be below top1")


def _outcomes(packed, rows, settings, shares=True):
    """Returns `Outcomes`, which must agree with the rows."""
    sequential, counts = "sequential" in settings, [row.n + row.n_nonfinite for row in rows]
    examples = max(counts) if sequential else counts[0]
    outcomes = unpacked(packed, examples)
    names = [row.name for row in rows]
    check(sorted(outcomes.top1) == sorted(names), "outcomes.top1", f"must be of {names}")
    wanted = (names,) if shares else (names, [])
    check(sorted(outcomes.pixels) in map(sorted, wanted), "outcomes.pixels", f"must be of {names}")
    area = math.prod(settings["image_size"])
    for row in rows:
        top1, place = outcomes.top1[row.name], f"the row {row.name!r}"
        n, right, nonfinite = (
            int(np.sum(one)) for one in (top1 >= WRONG, top1 == RIGHT, top1 == NOT_SCORED)
        )
        stopped = n + nonfinite < examples
        check((row.n, row.n_nonfinite) == (n, nonfinite), place, "n is not that of outcomes")
        check(not stopped or sequential, place, "has stopped without a precision")
        check(
            (row.interval is not None) == (sequential and n > 0),
            place,
            "must have an interval if rows stop",
        )
        check(not n or row.top1 == right / n, place, "top1 is not that of outcomes")
        if shares and n + nonfinite:
            share = int(np.sum(outcomes.pixels[row.name])) / ((n + nonfinite) * area)
            check(_close(row.share, share), place, "share is not that of outcomes")
    return outcomes


def _check_size(settings, place):
    size = settings["image_size"]
    check(len(size) == 2 and min(size) > 0, f"{place}.image_size", "must be two positive numbers")


def _check_settings(settings, outcomes, place):
    if outcomes is None:
        return
    check(settings.get("n", len(outcomes)) == len(outcomes), f"{place}.n", "not that of outcomes")
    for key in ("labels", "index"):
        is_same = settings.get(f"{key}_sha256") in (None, digest(getattr(outcomes, key)))
        check(is_same, f"{place}.{key}_sha256", "not that of outcomes")
    if "sequential" in settings:
        _check_sequential(settings["sequential"], len(outcomes), f"{place}.sequential")
    classes = [settings.get("num_classes"), settings.get("class_names")]
    classes = [len(one) if isinstance(one, list) else one for one in classes if one is not None]
    highest = int(outcomes.labels.max(initial=-1))
    check(all(highest < count for count in classes), place, "a label is beyond the classes")


def _check_sequential(sequential, examples, place):
    looks = sequential["looks"]
    check(0 < sequential["precision"] < 50, f"{place}.precision", "must be from 0 to 50")
    rising = looks == sorted(set(looks)) and looks[:1] > [0]
    check(rising and looks[-1] == examples, f"{place}.looks", "must rise to those scored")
    check(sequential["population"] >= examples, f"{place}.population", "must not be below n")


def _close(value, other):
    return math.isclose(value, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
