"""What a report says of one epoch, as values for Keras' logs."""

import math

from keras_patchmix.occlusion.benchmark import CLEAN
from keras_patchmix.occlusion.rows import occluded_sets, sweeps


def log_name(condition):
    """Returns the name in the logs of a `Condition`, or of a row of a report."""
    return (
        "val_occlusion_clean"
        if condition.corruption == CLEAN.corruption
        else f"val_{condition.name}"
    )


def log_values(report, epoch):
    """Returns the values of an epoch, all of them finite numbers.

    Rows without a score, because no output of the model was finite, count as 0: the value stays in
    the logs and is worse than any other.

    Args:
        report: A `keras_patchmix.occlusion.Report`.
        epoch: The epoch, counted from 0.

    Returns:
        Dict of top-1 accuracies in [0, 1] with the names that `log_name` gives, of their mean over
        corruptions and grids, and sets of occluded images ("val_occlusion_mean"), and of the epoch
        ("val_occlusion_epoch").
    """
    values = {log_name(row): _top1(row) for row in report.rows}
    groups = [*sweeps(report.rows).values(), *occluded_sets(report.rows).values()]
    means = [math.fsum(map(_top1, rows)) / len(rows) for rows in groups]
    values["val_occlusion_mean"] = math.fsum(means) / len(means)
    values["val_occlusion_epoch"] = epoch
    return values


def _top1(row):
    return 0.0 if row.top1 is None else row.top1
