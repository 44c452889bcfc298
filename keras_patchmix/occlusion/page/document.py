"""The page of one or several reports."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_patchmix.base.types import FilePath
from keras_patchmix.occlusion.intervals import interval_of
from keras_patchmix.occlusion.page.classes import class_tables
from keras_patchmix.occlusion.page.examples import examples_of
from keras_patchmix.occlusion.page.notes import grid_notes, warnings
from keras_patchmix.occlusion.page.selectivity import as_selectivity, selectivity_of
from keras_patchmix.occlusion.page.settings import settings_of
from keras_patchmix.occlusion.page.tables import comparison, rows_tables, summary_table
from keras_patchmix.occlusion.panels import curves_of, row_title
from keras_patchmix.occlusion.report import Report, as_dict
from keras_patchmix.report import page

if TYPE_CHECKING:
    from keras_patchmix.occlusion.comparison import Comparison
    from keras_patchmix.report.weight_line import WeightLine

_MOST = 3  # most models with a headline, and most sets in one


def write_page(
    reports: "Report | Mapping[str, Report]",
    path: FilePath | None = None,
    examples: Sequence[Mapping[str, Any]] | None = None,
    comparisons: "Mapping[tuple[str, str], Comparison] | None" = None,
    selectivity: Any = None,
    line: "WeightLine | None" = None,
) -> str:
    """Writes one report, or several models side by side, as a self-contained HTML page.

    The page asks for nothing from any host, holds no script, follows the reader's light or dark
    colors, and reads well on a phone and on paper. All text that came with the data or the models
    is escaped. The same reports give the same bytes.

    Args:
        reports: A `Report`, or a dict from a model's name to its report.
        path: File to write atomically, or None.
        examples: What `Benchmark.examples` returned: a list of dicts with "label", "index" and
            "images", a dict from a row's name to an array of shape (H, W, C) in the data's own
            range. The clean image and one or two levels of each corruption are shown, reduced in
            size. None leaves them out.
        comparisons: Dict from pairs of names in `reports` to `Comparison`s. Two models are compared
            without it; of more, none are.
        selectivity: `keras_patchmix.explain.SelectivityReport` of a single report's model, or a
            dict from names in `reports` to them; not all need one. Images and maps are shown of
            those that were measured in this process, not loaded. None leaves the section out.
        line: `keras_patchmix.report.weight_line.WeightLine` of a model that was hardened; None
            leaves the section out.

    Returns:
        The page as text, to be written as UTF-8.

    Raises:
        ImportError: Jinja2, matplotlib or Pillow is not installed.
        ValueError: No report, or a comparison or selectivity of names that are not in `reports`.
    """
    named = as_dict(reports)
    compared = _comparisons(named, comparisons)
    selective = as_selectivity(selectivity, named)
    headlines = [_headline(*pair) for pair in named.items()] if len(named) <= _MOST else []
    judged = any(report.outcomes is not None for report in named.values())
    rows = {row.name: row for report in named.values() for row in report.rows}
    made = page.Page(
        title=_title(named),
        facts=_facts(named),
        several=len(named) > 1,
        judged=judged,
        headlines=headlines,
        warnings=warnings(named),
        grids=grid_notes(named),
        summary=summary_table(named),
        curves=curves_of(named),
        differences=[comparison(names, each, rows) for names, each in compared.items()],
        line=line,
        examples=examples_of(named, examples or ()),
        selectivity=selectivity_of(selective, named),
        rows=rows_tables(named),
        classes=class_tables(named),
        settings=settings_of(named),
    )
    return page.write(made, path)


def _title(reports):
    names = list(reports)
    if len(names) <= 3:
        text = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    else:
        text = f"{len(names)} models"
    return f"{text} under occlusion"


def _facts(reports):
    """Returns facts about the images; values in which reports differ are listed."""
    found = {}
    for report in reports.values():
        settings, clean = report.settings, report.rows[0]
        facts = {
            "Images": _images(settings, clean),
            "Size": " × ".join(map(str, settings.get("image_size") or ())),
            "Classes": settings.get("num_classes"),
            "Seed": settings.get("seed"),
            "Digest of labels": (settings.get("labels_sha256") or "")[:12],
        }
        for key, value in facts.items():
            if value not in (None, ""):
                found.setdefault(key, {})[str(value)] = None
    return {key: ", ".join(values) for key, values in found.items()}


def _images(settings, clean):
    count = f"{settings.get('n') or clean.n + clean.n_nonfinite:,}"
    sequential = settings.get("sequential")
    return count if sequential is None else f"up to {count} of {sequential['population']:,}"


def _headline(name, report):
    clean = report.rows[0]
    if clean.top1 is None:
        return page.Headline(name, clean.n)
    scored = [row for row in report.rows[1:] if row.top1 is not None]
    worst = min((row for row in scored if row.data is None), key=lambda row: row.top1, default=None)
    words = None if worst is None else row_title(worst)
    sets = [(row.name, row.n, row.top1) for row in scored if row.data is not None]
    return page.Headline(
        name,
        clean.n,
        clean.top1,
        *interval_of(clean),
        worst=None if words is None else words[0].lower() + words[1:],
        left=None if worst is None else worst.top1,
        sets=sets if len(sets) <= _MOST else (),
    )


def _comparisons(reports, comparisons):
    if comparisons is None:
        if len(reports) != 2:
            return {}
        with contextlib.suppress(ValueError):  # no row that both have a score for
            return {tuple(reports): Report.compare(*reports.values())}
        return {}
    for names in comparisons:
        if not isinstance(names, tuple) or len(names) != 2 or not set(names) <= set(reports):
            raise ValueError(
                "`comparisons` must be a dict from pairs of names in `reports`, which are "
                f"{', '.join(map(repr, reports))}. Received: {names!r}"
            )
    return comparisons
