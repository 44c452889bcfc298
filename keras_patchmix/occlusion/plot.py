"""Pictures of accuracy against information loss, for one report or several models side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_patchmix import _atomic
from keras_patchmix._types import FilePath
from keras_patchmix.occlusion.panels import as_dict, curves_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.occlusion.report import Report


def plot_reports(
    reports: "Report | Mapping[str, Report]", path: FilePath | None = None
) -> "Figure":
    """Draws top-1 accuracy against information loss, the true share of pixels affected.

    One report: one panel with a line per corruption and grid (one panel per kind of corruption
    where there are more than five), and one for permutations against the number of tiles. Several:
    one panel per corruption and grid, with a line per model. Bands are Wilson's 95 % intervals.
    Sets of occluded images stand in a panel of their own, as dots with intervals. Where a row has
    no score, as no output was finite, the line has a gap.

    Args:
        reports: A `Report`, or a dict from a model's name to its report. A dict of one report is
            drawn as that report, under its name there.
        path: File to write atomically; its ending decides the format: PNG, PDF or SVG.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state changed.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: No report.
    """
    named = as_dict(reports)
    figure = curves_of(named).draw(_title(named))
    if path is not None:
        _atomic.write_figure(path, figure)
    return figure


def _title(named):
    """Says what was scored, and on how many images."""
    counts = {report.rows[0].n + report.rows[0].n_nonfinite for report in named.values()}
    sets = any(report.datasets for report in named.values())
    images = f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,} to {max(counts):,}"
    text = f"{images} image{'' if counts == {1} else 's'}"
    text += ", and those of the sets" if sets else ""
    return f"{next(iter(named))}: {text}" if len(named) == 1 else text
