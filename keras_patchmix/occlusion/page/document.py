"""The page as a whole: sections, head, and what a browser may load (nothing)."""

import base64
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_patchmix import _atomic
from keras_patchmix._types import FilePath
from keras_patchmix._version import __version__
from keras_patchmix.occlusion.dots import dots
from keras_patchmix.occlusion.page.classes import class_tables
from keras_patchmix.occlusion.page.curves import curves
from keras_patchmix.occlusion.page.dots import dot_figure
from keras_patchmix.occlusion.page.examples import examples_section
from keras_patchmix.occlusion.page.headline import header, sentences, title
from keras_patchmix.occlusion.page.line import line_section
from keras_patchmix.occlusion.page.markup import Markup, join, tag
from keras_patchmix.occlusion.page.notes import grid_note, warnings_box
from keras_patchmix.occlusion.page.scores import comparison_table, rows_tables, summary_table
from keras_patchmix.occlusion.page.selectivity import as_selectivity, selectivity_section
from keras_patchmix.occlusion.page.settings import settings_section
from keras_patchmix.occlusion.page.style import STYLE
from keras_patchmix.occlusion.panels import as_dict, panels
from keras_patchmix.occlusion.report import Report

if TYPE_CHECKING:
    from keras_patchmix.explain.selectivity_report import SelectivityReport
    from keras_patchmix.occlusion.comparison import Comparison


def write_page(
    reports: "Report | Mapping[str, Report]",
    path: FilePath | None = None,
    examples: Sequence[Mapping[str, Any]] | None = None,
    comparisons: "Mapping[tuple[str, str], Comparison] | None" = None,
    selectivity: "SelectivityReport | Mapping[str, SelectivityReport] | None" = None,
    line: Sequence[Any] | None = None,
    line_figure: Any = None,
) -> str:
    """Puts one report, or several models side by side, on one HTML page that stands alone.

    The page asks for nothing from any host, holds no script, follows the reader's light or dark
    colours, and reads well on a phone and on paper. All text that came with the data or the models
    is escaped. The same reports give the same bytes. It needs no other package.

    Args:
        reports: A `Report`, or a dict from a model's name to its report.
        path: File to write atomically, or None.
        examples: What `Benchmark.examples` returned: a list of dicts with "label", "index" and
            "images", a dict from a row's name to an array of shape (H, W, C) in the data's own
            range. A clean picture and one or two of each corruption are shown, shrunk. None
            leaves them out.
        comparisons: Dict from pairs of names in `reports` to `Comparison`s. Two models are compared
            without it; of more, none are.
        selectivity: `keras_patchmix.explain.SelectivityReport` of a single report's model, or a
            dict from names in `reports` to them; not all need one. Those that were just measured
            have images and maps to show, those that were loaded have not. None leaves the section
            out.
        line: List of `keras_patchmix.training.weight_line.LinePoint`, where a model was hardened;
            None leaves the section out.
        line_figure: The picture of it, a `matplotlib.figure.Figure`, or None.

    Returns:
        The page as text, to be written as UTF-8.

    Raises:
        ValueError: No report, or a comparison or selectivity of names that are not in `reports`.
    """
    named = as_dict(reports)
    compared = _comparisons(named, comparisons)
    selective = as_selectivity(selectivity, named)
    sections = [
        ("summary", "Summary", _summary(named)),
        ("curves", "Curves", _curves(named)),
        ("differences", "Differences", _differences(named, compared)),
        ("line", "The line of weights", line_section(line, line_figure)),
        ("examples", "Examples", examples_section(named, examples)),
        ("selectivity", "Patch selectivity", selectivity_section(selective, named)),
        ("rows", "All conditions", rows_tables(named)),
        ("classes", "Classes", class_tables(named)),
        ("settings", "Settings", settings_section(named)),
    ]
    sections = [section for section in sections if section[2] is not None]
    body = [
        header(named),
        _contents(sections),
        tag("main", [_section(*section) for section in sections]),
        tag("footer", tag("p", f"Made by keras-patchmix {__version__}.")),
    ]
    page = f"<!DOCTYPE html>\n{tag('html', _head(named), tag('body', body), lang='en')}\n"
    if path is not None:
        _atomic.write_text(path, page)
    return page


def _head(reports):
    style = f"\n{STYLE}"
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    # Only this style sheet and pictures within the page: even a name that got through unescaped
    # could load nothing, run nothing, and style nothing.
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=f"keras-patchmix {__version__}"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title(reports)),
        tag("style", Markup(style)),
    )


def _contents(sections):
    links = [tag("li", tag("a", text, href=f"#{name}")) for name, text, _ in sections]
    return tag("nav", tag("ul", links), aria_label="Contents")


def _section(name, text, content):
    heading = f"{name}-heading"
    parts = (tag("h2", text, id=heading), content)
    return join([Markup("\n"), tag("section", parts, id=name, aria_labelledby=heading)])


def _summary(reports):
    return join([sentences(reports), warnings_box(reports), summary_table(reports)])


def _curves(reports):
    text = (
        "Accuracy against information loss: the true share of pixels affected, not the level asked "
        "for. Bands are Wilson’s 95 % intervals."
    )
    drawn, several = panels(reports), len(reports) > 1
    sets = dot_figure(dots(reports, drawn), several)
    return join([tag("p", text), curves(drawn, several), grid_note(reports), sets])


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


def _differences(reports, comparisons):
    rows = {row.name: row for report in reports.values() for row in report.rows}
    parts = [comparison_table(names, each, rows) for names, each in comparisons.items()]
    return join(parts) if parts else None
