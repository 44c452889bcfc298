"""What a reader must know before quoting a number: what was left out, what is not comparable."""

import numpy as np

from keras_patchmix.occlusion.describing import skipped_of
from keras_patchmix.occlusion.grid import borders
from keras_patchmix.occlusion.page.chance import at_chance
from keras_patchmix.occlusion.page.markup import escape, given, join, percent, plural, tag
from keras_patchmix.occlusion.panels import row_title

_LISTED = 20
_MOST = 500  # names of skipped files that the page holds at most
_ARGUMENTS = ("class_map", "preprocess")
_SAME = {
    "labels_sha256": "labels or their order",
    "index_sha256": "indices",
    "seed": "seed",
    "image_size": "image size",
    "suite": "suite",
    "value_range": "value range",
    "bank_sha256": "bank of foreign patches",
    "class_map": "class map",
}
_SAME_SET = ("labels_sha256", "index_sha256", "coverage_sha256", "image_size")


def warnings_box(reports):
    """Models at chance, files that could not be read, outputs not finite, reports of other data.

    Returns:
        `Markup`, or None where there is nothing to warn of.
    """
    notes = [*_differences(reports), *_chance(reports), *_skipped(reports), *_nonfinite(reports)]
    if not notes:
        return None
    return tag(
        "aside",
        tag("h2", "Before quoting these numbers", id="warnings"),
        notes,
        class_="warning",
        aria_labelledby="warnings",
    )


def grid_note(reports):
    """Says how the grids lie on the patches that the models themselves work on, or None."""
    lines = {}
    for name, report in reports.items():
        patch, size = (report.settings.get(key) for key in ("model_patch_size", "image_size"))
        if not patch or not size:
            continue
        grids = sorted({row.grid for row in report.rows if row.grid is not None})
        sentence = f"{patch[0]}×{patch[1]} pixels. " + " ".join(
            f"{_alignment(grid, size, patch)}." for grid in grids
        )
        if report.settings.get("preprocess"):
            sentence += " All this holds if preprocessing keeps the size."
        lines.setdefault(sentence, []).append(given(name))
    if not lines:
        return None
    return join(
        [
            tag("p", "Own patches of ", join(names, ", "), f": {sentence}", class_="small")
            for sentence, names in lines.items()
        ]
    )


def _alignment(grid, size, patch):
    text = f"A grid of {grid[0]}×{grid[1]}"
    across = [borders(side, cells) for side, cells in zip(size, grid, strict=True)]
    fits = [np.all(edges[1:-1] % step == 0) for edges, step in zip(across, patch, strict=True)]
    if not all(fits):
        return f"{text} cuts through them"
    whole = [side / cells / step for side, cells, step in zip(size, grid, patch, strict=True)]
    if whole == [1.0, 1.0]:
        return f"{text} coincides with them: a cell is one patch"
    if all(value.is_integer() for value in whole):
        return f"{text} follows their borders: a cell is {whole[0]:.0f}×{whole[1]:.0f} patches"
    return f"{text} follows their borders"


def _differences(reports):
    if len(reports) < 2:
        return
    settings = [report.settings for report in reports.values()]
    differing = [
        text
        for key, text in _SAME.items()
        if any(other.get(key) != settings[0].get(key) for other in settings[1:])
    ]
    if differing:
        yield tag(
            "p",
            tag("strong", "The models were not scored on the same terms. "),
            f"These differ: {', '.join(differing)}. Do not compare the columns as they stand.",
        )
    for name in _other_images(reports):
        yield tag(
            "p",
            tag("strong", "The models were not scored on the same images of "),
            given(name),
            ". Do not compare its columns as they stand.",
        )


def _other_images(reports):
    """The names of sets that several reports have, and of which they have other images."""
    seen = {}
    for report in reports.values():
        for name, each in report.datasets.items():
            seen.setdefault(name, set()).add(tuple(str(each.settings.get(k)) for k in _SAME_SET))
    return [name for name, found in seen.items() if len(found) > 1]


def _chance(reports):
    for name, report in reports.items():
        chance = at_chance(report)
        if chance is None:
            continue
        clean, by_command = report.rows[0], bool(report.settings.get("command"))
        order, range_ = ("--class-map", "--preprocess") if by_command else _ARGUMENTS
        yield tag(
            "p",
            tag("strong", "Clean accuracy is not above chance"),
            [escape(" for "), given(name)] if len(reports) > 1 else None,
            f": {percent(clean.top1, 1)} % of {plural(clean.n, 'image')}, where guessing has "
            f"{percent(chance, 1)} %. Check that the model’s outputs are the classes in the data "
            "set’s order (",
            tag("code", order),
            ") and that it gets images as it was trained with (",
            tag("code", range_),
            ").",
        )


def _skipped(reports):
    entries = skipped_of(reports.values())
    if not entries:
        return
    items = [
        tag("li", tag("code", given(name)), escape(": "), given(reason)) for name, reason in entries
    ]
    title = tag("strong", f"{plural(len(items), 'file')} could not be read")
    yield tag("p", title, escape(" and were left out." if len(items) > 1 else " and was left out."))
    if len(items) <= _LISTED:
        yield tag("ul", items)
        return
    rest = len(items) - _MOST
    yield tag("ul", items[: _LISTED // 2])
    yield tag(
        "details",
        tag("summary", f"{min(len(items), _MOST) - _LISTED // 2:,} more"),
        tag("ul", items[_LISTED // 2 : _MOST]),
        tag("p", f"And {rest:,} more, which report.json names.") if rest > 0 else None,
        class_="long",
    )


def _nonfinite(reports):
    for name, report in reports.items():
        rows = [row for row in report.rows if row.n_nonfinite]
        if not rows:
            continue
        shown = [
            f"{row_title(row)}: {row.n_nonfinite:,} of {row.n + row.n_nonfinite:,}" for row in rows
        ]
        yield tag(
            "p",
            tag("strong", "Outputs that were not finite"),
            [escape(" of "), given(name)] if len(reports) > 1 else None,
            " are not scored; top-1 and top-5 are those of the other images. ",
            "; ".join(shown) + ".",
        )
