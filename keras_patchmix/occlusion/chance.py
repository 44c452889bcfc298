"""Whether a model does better than chance, without which nothing else in a report means much."""

from keras_patchmix.occlusion.panels import interval

_ENOUGH = 50  # images; with fewer the interval tells nothing apart


def at_chance(report):
    """Returns chance, if a model is not surely above it on clean images.

    That is where Wilson's 95 % interval of the clean top-1 reaches down to one in the number of
    classes: as when the classes are in another order than the model's outputs, or the images are
    not in the range that it was trained with.

    Args:
        report: A `Report`.

    Returns:
        The share that chance has right, in (0, 1); None where the model is above that, or fewer
        than 50 images, or their classes, are known.
    """
    clean, classes = report.rows[0], report.settings.get("num_classes")
    if not classes or clean.top1 is None or clean.n < _ENOUGH:
        return None
    return 1 / classes if interval(clean.top1, clean.n)[0] <= 1 / classes else None
