"""Models that are not better than chance on clean images."""

from keras_patchmix.occlusion.intervals import wilson

_LEAST_IMAGES = 50  # with fewer the interval is too wide


def at_chance(report):
    """Returns the accuracy of chance if a model is not significantly better on clean images.

    The criterion is Wilson's 95 % interval of the clean top-1. Typical causes are classes in
    another order than the model's outputs, and images in another range than in training.

    Args:
        report: A `Report`.

    Returns:
        The accuracy of chance, in (0, 1); None if the model is better, for fewer than 50 images, or
        if the number of classes is unknown.
    """
    clean, classes = report.rows[0], report.settings.get("num_classes")
    if not classes or clean.top1 is None or clean.n < _LEAST_IMAGES:
        return None
    return 1 / classes if wilson(clean.top1, clean.n)[0] <= 1 / classes else None
