"""One report or several, as a dict from names to reports."""

from keras_patchmix.occlusion.report import Report


def as_dict(reports):
    """Returns a dict from names to reports; a single report goes by its model's name.

    Args:
        reports: A `Report`, or a dict from names to reports.

    Raises:
        ValueError: Neither, or an empty dict.
    """
    if isinstance(reports, Report):
        return {reports.model_name: reports}
    is_dict = isinstance(reports, dict) and len(reports) > 0
    if is_dict and all(isinstance(report, Report) for report in reports.values()):
        return {str(name): report for name, report in reports.items()}
    raise ValueError(
        f"`reports` must be a Report or a dict from names to reports. Received: reports={reports!r}"
    )
