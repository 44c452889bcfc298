"""Warnings of the page: what was left out, what is not comparable; and notes on grids."""

import numpy as np

from keras_patchmix.corruptions.grid import borders
from keras_patchmix.occlusion.chance import at_chance
from keras_patchmix.occlusion.panels import row_title
from keras_patchmix.occlusion.report_text import skipped_of
from keras_patchmix.report.page import Warnings

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


def warnings(reports):
    """Returns the `Warnings` about reports."""
    first, *others = [report.settings for report in reports.values()]
    # They took the same images in the same order, as far as they went.
    sequential = any("sequential" in settings for settings in (first, *others))
    images = ("labels_sha256", "index_sha256") if sequential else ()
    return Warnings(
        differing=[
            text
            for key, text in _SAME.items()
            if key not in images and any(other.get(key) != first.get(key) for other in others)
        ],
        other_images=_other_images(reports),
        at_chance=list(_chance(reports)),
        doubts=[r.settings["doubt"] for r in reports.values() if r.settings.get("doubt")],
        skipped=skipped_of(reports.values()),
        nonfinite=list(_nonfinite(reports)),
    )


def grid_notes(reports):
    """How the grids of corruptions align with the models' own patches.

    Returns:
        List of tuples (names of models, sentence).
    """
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
        lines.setdefault(sentence, []).append(name)
    return [(names, sentence) for sentence, names in lines.items()]


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


def _other_images(reports):
    """Names of the sets of which reports hold different images."""
    seen = {}
    for report in reports.values():
        for name, each in report.datasets.items():
            keys = _SAME_SET[-1:] if "sequential" in each.settings else _SAME_SET
            seen.setdefault(name, set()).add(tuple(str(each.settings.get(k)) for k in keys))
    return [name for name, found in seen.items() if len(found) > 1]


def _chance(reports):
    for name, report in reports.items():
        chance, clean = at_chance(report), report.rows[0]
        if chance is not None:
            by_command = report.settings.get("command")
            flags = ("--class-map", "--preprocess") if by_command else ("class_map", "preprocess")
            yield name, clean.top1, clean.n, chance, *flags


def _nonfinite(reports):
    for name, report in reports.items():
        shown = [
            f"{row_title(row)}: {row.n_nonfinite:,} of {row.n + row.n_nonfinite:,}"
            for row in report.rows
            if row.n_nonfinite
        ]
        if shown:
            yield name, "; ".join(shown)
