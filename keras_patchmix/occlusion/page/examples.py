"""Example images on the page: some conditions of each corruption."""

import numpy as np

from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT, STOPPED
from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.rows import sweeps
from keras_patchmix.report.page import Example, Picture
from keras_patchmix.report.pictures import encode
from keras_patchmix.report.text import class_text

_NAMED = 3  # most models whose verdicts are shown one by one
_COARSE = 96  # longest side in pixels of a picture that is enlarged without smoothing
_TWO_EACH = 5  # most corruptions of which two levels are shown
_SIGNS = {RIGHT: ("✓", "right", "good"), NOT_SCORED: ("–", "not scored", "none")}


def examples_of(reports, examples):
    """Returns example images, clean and corrupted.

    Args:
        reports: Dict from names to reports; the first one describes the images.
        examples: List of dicts with "label", "index" and "images", a dict from a row's name to an
            array of shape (H, W, C).

    Returns:
        List of `Example`.
    """
    report = next(iter(reports.values()))
    settings, rows = report.settings, chosen_rows(report.rows)
    shown = [[row for row in rows if row.name in one["images"]] for one in examples]
    images = [
        one["images"][row.name] for one, own in zip(examples, shown, strict=True) for row in own
    ]
    files = iter(encode(images, settings.get("value_range") or (0, 255)))
    return [
        Example(
            class_text(one["label"], settings.get("class_names")),
            one["index"],
            [_picture(row, next(files), one, reports) for row in own],
        )
        for one, own in zip(examples, shown, strict=True)
    ]


def _picture(row, file, example, reports):
    coarse = max(np.shape(example["images"][row.name])[:2]) <= _COARSE
    return Picture(row_title(row), file, coarse, _verdicts(row.name, example["index"], reports))


def chosen_rows(rows):
    """Returns the rows to show: clean, and of each corruption a middle and the hardest level.

    If there are many corruptions, only the middle ones.
    """
    groups = list(sweeps(rows).values())
    chosen = [rows[0]]
    for members in groups:
        if len(groups) > _TWO_EACH:
            chosen.append(members[len(members) // 2])
        else:
            chosen += dict.fromkeys((members[(len(members) - 1) // 2], members[-1]))
    return chosen


def _verdicts(name, index, reports):
    """Which models had the image right, or how many of them; empty if no outcomes are known."""
    found = {}
    for model, report in reports.items():
        outcomes = report.outcomes
        if outcomes is None or name not in outcomes.top1:
            continue
        place = np.flatnonzero(outcomes.index == index)
        if len(place) and outcomes.top1[name][place[0]] != STOPPED:
            found[model] = int(outcomes.top1[name][place[0]])
    if found and len(reports) > _NAMED:
        right = list(found.values()).count(RIGHT)
        return [(f"{right} of {len(found)} right", "")]
    verdicts = []
    for model, outcome in found.items():
        sign, word, kind = _SIGNS.get(outcome, ("✗", "wrong", "bad"))
        alone = word if outcome == NOT_SCORED else f"{sign} {word}"
        verdicts.append((alone if len(reports) == 1 else f"{model} {sign}", kind))
    return verdicts
