"""Example images in the page: some conditions of each corruption, small enough to send around."""

import numpy as np

from keras_patchmix.occlusion.outcomes import NOT_SCORED, RIGHT
from keras_patchmix.occlusion.page import png
from keras_patchmix.occlusion.page.markup import given, join, tag
from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.rows import sweeps
from keras_patchmix.occlusion.text import class_text

_SIDE = 128  # pixels of the longest side of a picture, at most
_BUDGET = 1_200_000  # characters that all pictures may take
_NAMED = 3  # models that are told apart under a picture, at most
_TWO_EACH = 5  # up to so many corruptions, each is shown at two levels


def examples_section(reports, examples):
    """Shows example images, clean and corrupted.

    Args:
        reports: Dict from names to reports; the first one says what the images are.
        examples: List of dicts with "label", "index" and "images", a dict from a row's name to an
            array of shape (H, W, C).

    Returns:
        `Markup`, or None where there are no examples.
    """
    if not examples:
        return None
    report = next(iter(reports.values()))
    rows = chosen_rows(report.rows)
    pictures = _pictures(examples, [row.name for row in rows], report.settings)
    return join(
        [
            tag("p", _note(reports)),
            [
                _example(example, rows, addresses, reports)
                for example, addresses in zip(examples, pictures, strict=True)
            ],
        ]
    )


def chosen_rows(rows):
    """Returns the rows worth a picture: clean, and of each corruption a middle and the hardest.

    Of many corruptions only a middle one, so that the pictures can be taken in at a glance.
    """
    groups = list(sweeps(rows).values())
    chosen = [rows[0]]
    for members in groups:
        if len(groups) > _TWO_EACH:
            chosen.append(members[len(members) // 2])
        else:
            chosen += dict.fromkeys((members[(len(members) - 1) // 2], members[-1]))
    return chosen


def _pictures(examples, names, settings):
    """The address of every picture: a list of dicts from row names; shrunk until all fit."""
    value_range = settings.get("value_range") or (0, 255)
    images = [
        {
            name: png.to_bytes(example["images"][name], value_range)
            for name in names
            if name in example["images"]
        }
        for example in examples
    ]
    longest = max((max(i.shape[:2]) for shown in images for i in shown.values()), default=1)
    factor = -(-longest // _SIDE)
    while True:
        addresses = [
            {
                name: (image.shape, png.data_uri(png.shrink(image, factor)))
                for name, image in shown.items()
            }
            for shown in images
        ]
        size = sum(len(address) for shown in addresses for _, address in shown.values())
        if size <= _BUDGET or factor >= longest:
            return addresses
        factor += 1


def _example(example, rows, addresses, reports):
    class_names = next(iter(reports.values())).settings.get("class_names")
    label = class_text(example["label"], class_names)
    return tag(
        "section",
        tag("h3", given(label), tag("small", f" image {example['index']}")),
        tag(
            "div",
            [
                _picture(row, *addresses[row.name], label, example["index"], reports)
                for row in rows
                if row.name in addresses
            ],
            class_="strip",
        ),
        class_="example",
    )


def _picture(row, shape, address, label, index, reports):
    height, width = shape[:2]
    title = "Clean" if row.corruption == "clean" else row_title(row)
    verdict = _verdict(row.name, index, reports)
    return tag(
        "figure",
        tag(
            "img",
            src=address,
            alt=f"{label}, image {index}, {title}",
            width=width,
            height=height,
            class_="coarse" if max(height, width) <= 96 else None,
        ),
        tag("figcaption", title, verdict),
    )


def _verdict(name, index, reports):
    """Which models had the image right, or of many how many; None where nobody knows."""
    found = {}
    for model, report in reports.items():
        outcomes = report.outcomes
        if outcomes is None or name not in outcomes.top1:
            continue
        place = np.flatnonzero(outcomes.index == index)
        if len(place):
            found[model] = int(outcomes.top1[name][place[0]])
    if not found:
        return None
    if len(reports) > _NAMED:
        right = list(found.values()).count(RIGHT)
        return tag("span", f"{right} of {len(found)} right", class_="verdict")
    words = {RIGHT: ("✓", "right", "good"), NOT_SCORED: ("–", "not scored", "none")}
    spans = []
    for model, outcome in found.items():
        sign, word, kind = words.get(outcome, ("✗", "wrong", "bad"))
        text, title = [given(model), f" {sign}"], word
        if len(reports) == 1:
            text, title = word if outcome == NOT_SCORED else f"{sign} {word}", None
        spans.append(tag("span", text, title=title, class_=f"verdict {kind}"))
    return join(spans, " ")


def _note(reports):
    text = "As the images are before preprocessing."
    if any(report.outcomes is not None for report in reports.values()):
        text += " Right (✓) and wrong (✗): whether the class had the highest score."
    return text
