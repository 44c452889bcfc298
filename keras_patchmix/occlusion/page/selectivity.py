"""Patch selectivity on the page: how much the models look at what does not belong."""

import json

from keras_patchmix.occlusion.page import maps, png
from keras_patchmix.occlusion.page.markup import column, given, join, percent, row_head, table, tag
from keras_patchmix.occlusion.page.strips import strip_figure
from keras_patchmix.occlusion.text import class_text

_MOST = 4  # images
_BUDGET = 1_000_000  # characters that all pictures may take
_WHAT = (
    "How much of a saliency map lies on what belongs to an image, where patches or objects that do "
    "not belong were put into it: with the map scaled to 0..1, its mean over the image’s own "
    "pixels, divided by the sum of that and its mean over the foreign ones. 0.5 is blind to what "
    "belongs, 1 rests on it alone, below 0.5 prefers what does not. The number is our definition; "
    "Lee et al. (2023, arXiv 2306.17848) show such maps without one."
)
_NOTE = (
    "Interval: of the mean over further images, by the bootstrap. Right: images that are given "
    "their own class in spite of the foreign parts. Map noise: a map’s greatest standard error in "
    "parts of its range, the median over the images; noise draws the number towards 0.5."
)
_MAPS = (
    "Contrastive RISE: what speaks for the image’s own class rather than for that of the foreign "
    "parts, which are outlined. Colours go from a map’s lowest value to its highest, as the number "
    "does: between maps only the places compare."
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
    # By what it holds: corruptions and reports know nothing of saliency.
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


def selectivity_section(found, reports):
    """The numbers of each model, the images one by one, the paired difference, and some maps.

    Args:
        found: Of `as_selectivity`.
        reports: Dict from names to reports, for the names of classes and the colours.

    Returns:
        `Markup`, or None where there is nothing.
    """
    if not found:
        return None
    numbers = {name: number for number, name in enumerate(reports)}
    class_names = next(iter(reports.values())).settings.get("class_names")
    return join(
        [
            tag("p", _WHAT),
            _table(found),
            strip_figure(found, numbers),
            _difference(found),
            [tag("p", text, class_="small note") for text in _settings(found)],
            _examples(found, class_names),
        ]
    )


def _table(found):
    cells = {
        "Mean": lambda one: _number(one.mean),
        "95 % interval": lambda one: f"{_number(one.interval[0])} to {_number(one.interval[1])}",
        "Images": lambda one: f"{len(one.rows):,}",
        "Right, %": lambda one: percent(one.accuracy, 1),
        "Map noise": lambda one: f"{one.noise:.2f}",
    }
    head = [column("Model"), *map(column, cells)]
    body = [
        tag("tr", row_head(given(name)), [tag("td", cell(one)) for cell in cells.values()])
        for name, one in found.items()
    ]
    return table("Patch selectivity", _NOTE, [head], [body])


def _difference(found):
    """The paired difference of two models, or why there is none."""
    if len(found) != 2:
        return None
    (first, one), (second, other) = found.items()
    try:
        difference, low, high = one.compare(other)
    except ValueError as error:
        return tag("p", f"Not compared image by image: {error}.", class_="small")
    return tag(
        "p",
        tag("strong", given(first)),
        " minus ",
        tag("strong", given(second)),
        ", image by image: ",
        tag("strong", _number(difference, "+")),
        f" (95 % interval {_number(low, '+')} to {_number(high, '+')}).",
    )


def _settings(found):
    """How it was measured: once, or for each model where they differ."""
    told = {name: _told(one.settings) for name, one in found.items()}
    if len(set(told.values())) == 1:
        return [next(iter(told.values()))]
    return [join([given(name), f": {text}"]) for name, text in told.items()]


def _told(settings):
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
    """The first images, with the maps of all models that are of the same images."""
    first = next(iter(found.values()))
    alike = {name: one for name, one in found.items() if one.examples and _same(one, first)}
    if not alike or not first.examples:
        return None
    parts, size = [], 0
    for number in range(min(_MOST, *(len(one.examples["maps"]) for one in alike.values()))):
        part = _example(number, alike, class_names)
        size += len(part)
        if parts and size > _BUDGET:
            break
        parts.append(part)
    bar = tag("img", src=png.data_uri(maps.colour_bar()), alt="Colours from blue to orange")
    key = tag(
        "p", "foreign class ", tag("span", bar, class_="bar"), " own class", class_="small scale"
    )
    # Side by side as long as all pictures of an image stand in one line.
    cases = tag("div", parts, class_="cases" if len(alike) <= 2 else None)
    return join([tag("h3", "Maps"), tag("p", _MAPS, class_="small"), key, cases])


def _same(one, other):
    """Whether two reports are of the same images with the same foreign parts."""
    rows = zip(one.rows, other.rows, strict=False)
    return all(a["index"] == b["index"] and a["contrast"] == b["contrast"] for a, b in rows) and (
        one.settings["corruption"] == other.settings["corruption"]
        and one.settings["seed"] == other.settings["seed"]
    )


def _example(number, found, class_names):
    first = next(iter(found.values()))
    row, value_range = first.rows[number], first.settings["value_range"]
    image, mask = (first.examples[name][number] for name in ("images", "masks"))
    own, foreign = (class_text(row[key], class_names) for key in ("label", "contrast"))
    alt = f"{own}, image {row['index']}"
    figures = [
        _figure(
            maps.outlined(image, mask, value_range),
            f"{alt}, with foreign parts outlined",
            f"{100 * row['share']:.0f} % foreign",
        )
    ]
    for name, one in found.items():
        value = f"{one.rows[number]['selectivity']:.2f}"
        picture = maps.overlaid(image, one.examples["maps"][number], mask, value_range)
        figures.append(
            _figure(
                picture,
                f"{alt}, saliency map of {name}, patch selectivity {value}",
                [given(name), tag("span", value, class_="verdict")],
            )
        )
    return tag(
        "section",
        tag("h4", given(own), tag("small", " against ", given(foreign), f", image {row['index']}")),
        tag("div", figures, class_="strip maps"),
        class_="example",
    )


def _figure(picture, alt, caption):
    height, width = picture.shape[:2]
    image = tag("img", src=png.data_uri(picture), alt=alt, width=width, height=height)
    return tag("figure", image, tag("figcaption", caption))


def _number(value, sign=""):
    return f"{value:{sign}.3f}".replace("-", "−")
