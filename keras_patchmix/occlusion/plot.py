"""Pictures of accuracy against information loss, for one report or several models side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_patchmix.base.types import FilePath
from keras_patchmix.occlusion.panels import draw
from keras_patchmix.occlusion.report import as_dict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_patchmix.occlusion.report import Report


def plot_reports(
    reports: "Report | Mapping[str, Report]", path: FilePath | None = None
) -> "Figure":
    """Draws top-1 accuracy against information loss, the true share of pixels affected.

    One report: one panel with a line per corruption and grid (one panel per family of corruptions
    where there are more than five), and one for permutations against the number of tiles. Several:
    one panel per corruption and grid, with a line per model. Bands are Wilson's 95 % intervals.
    Sets of occluded images have a separate panel, as dots with intervals. Where a row has no score,
    since no output was finite, the line has a gap.

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
    return draw(as_dict(reports), path)
