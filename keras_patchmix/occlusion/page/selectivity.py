"""The section on patch selectivity: numbers, their figure, and some maps."""

import json

from keras_patchmix.occlusion.page.settings import once
from keras_patchmix.report.page import Example, Picture, Selectivity
from keras_patchmix.report.pictures import to_unit
from keras_patchmix.report.saliency import picture
from keras_patchmix.report.selectivity import Strip
from keras_patchmix.report.text import Table, TableRow, class_text, typeset

_MOST, _PICTURES = 4, 12  # most images; most pictures of all of them, if one image has fewer
_NOTE = (
    "Interval: of the mean over further images, by the bootstrap. Right: images that are given "
    "their own class in spite of the foreign parts. Map noise: a map’s greatest standard error in "
    "parts of its range, the median over the images; noise draws the number towards 0.5."
)


def as_selectivity(selectivity, reports):
    """Returns a dict from models' names to their reports, in the order of the page's models.

    Args:
        selectivity: None, a `keras_patchmix.explain.SelectivityReport` where there is one model, or
            a dict from names to them.
        reports: Dict from names to reports.

    Raises:
        ValueError: Something else, or a name that is not in `reports`.
    """
    if selectivity is None:
        return {}
    if not isinstance(selectivity, dict):
        selectivity = dict.fromkeys(reports, selectivity) if len(reports) == 1 else None
    # By its attributes, as this room must not import `explain`.
    known = isinstance(selectivity, dict) and all(
        hasattr(one, "rows") and hasattr(one, "interval") for one in selectivity.values()
    )
    if not known or not set(map(str, selectivity)) <= set(reports):
        raise ValueError(
            "`selectivity` must be a dict from names in `reports`, which are "
            f"{', '.join(map(repr, reports))}, to SelectivityReports. "
            f"Received: {selectivity if known else type(selectivity).__name__!r}"
        )
    named = {str(name): one for name, one in selectivity.items()}
    return {name: named[name] for name in reports if name in named}


def selectivity_of(found, reports):
    """Returns the `Selectivity` of a page, or None if nothing was measured.

    Args:
        found: What `as_selectivity` returned.
        reports: Dict from names to reports, for the names of classes and the colors.
    """
    if not found:
        return None
    numbers = {name: number for number, name in enumerate(reports)}
    class_names = next(iter(reports.values())).settings.get("class_names")
    difference, not_compared = _difference(found)
    return Selectivity(
        _table(found),
        [
            Strip(name, numbers[name], one.values, one.mean, *one.interval)
            for name, one in found.items()
        ],
        difference,
        not_compared,
        once({name: _method(one.settings) for name, one in found.items()}),
        _examples(found, class_names),
    )


def _table(found):
    rows = [
        TableRow(
            [
                name,
                _number(one.mean),
                " to ".join(map(_number, one.interval)),
                f"{len(one.rows):,}",
                typeset(one.accuracy, 1),
                f"{one.noise:.2f}",
            ]
        )
        for name, one in found.items()
    ]
    head = ["Model", "Mean", "95 % interval", "Images", "Right, %", "Map noise"]
    return Table("Patch selectivity", head, [rows], _NOTE)


def _difference(found):
    """Returns the paired difference of two models, and the reason if there is none."""
    if len(found) != 2:
        return None, None
    one, other = found.values()
    try:
        values = one.compare(other)
    except ValueError as error:
        return None, str(error)
    return (*found, *(_number(value, "+") for value in values)), None


def _method(settings):
    """How patch selectivity was measured, in a sentence."""
    grid = settings["grid_size"]
    grid = (grid, grid) if isinstance(grid, int) else grid
    corruption = settings["corruption"]
    config = ", ".join(f"{key} {json.dumps(value)}" for key, value in corruption["config"].items())
    scores = "the softmax of logits" if settings["from_logits"] else "probabilities as they are"
    return (
        f"{settings['num_masks']:,} masks of {grid[0]}×{grid[1]} cells an image, each shown with "
        f"probability {settings['keep_probability']:g}; foreign parts: {corruption['class_name']} "
        f"({config}); seed {settings['seed']}; scores: {scores}."
    )


def _examples(found, class_names):
    """The first images, with the maps of all models that were measured on them."""
    first = next(iter(found.values()))
    same = {
        name: one for name, one in found.items() if one.examples and _is_of_same_images(one, first)
    }
    if not same or not first.examples:
        return []
    fewest = min(len(one.examples["maps"]) for one in same.values())
    count = min(fewest, _MOST, max(1, _PICTURES // (1 + len(same))))
    return [_example(number, same, class_names) for number in range(count)]


def _is_of_same_images(one, other):
    """Whether two reports are of the same images with the same foreign parts."""
    rows = zip(one.rows, other.rows, strict=False)
    return all(a["index"] == b["index"] and a["contrast"] == b["contrast"] for a, b in rows) and (
        one.settings["corruption"] == other.settings["corruption"]
        and one.settings["seed"] == other.settings["seed"]
    )


def _example(number, found, class_names):
    first = next(iter(found.values()))
    row = first.rows[number]
    image = to_unit(first.examples["images"][number], first.settings["value_range"])
    mask = first.examples["masks"][number].astype(bool)
    share = f"{100 * row['share']:.0f} % foreign"
    pictures = [Picture(share, picture(image, mask), alt="with foreign parts outlined")]
    for name, one in found.items():
        value = f"{one.rows[number]['selectivity']:.2f}"
        file = picture(image, mask, one.examples["maps"][number])
        alt = f"saliency map of {name}, patch selectivity {value}"
        pictures.append(Picture(name, file, verdicts=[(value, "")], alt=alt))
    own, foreign = (class_text(row[key], class_names) for key in ("label", "contrast"))
    return Example(own, row["index"], pictures, foreign)


def _number(value, sign=""):
    return f"{value:{sign}.3f}".replace("-", "−")
