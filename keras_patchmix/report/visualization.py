"""Pictures of batches with their labels."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.printable import printable
from keras_patchmix.base.types import FilePath
from keras_patchmix.layers.structures import IMAGES, LABELS, key_of
from keras_patchmix.report.pictures import to_unit
from keras_patchmix.report.saliency import draw_image
from keras_patchmix.report.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_LABELS = 3


def visualize(
    data: Any,
    path: FilePath | None = None,
    max_images: int = 16,
    columns: int | None = None,
    class_names: Sequence[str] | None = None,
    value_range: Sequence[float] | None = None,
    data_format: str = "channels_last",
) -> "Figure":
    """Draws images of a batch with the largest weights of their labels.

    Classes that share the smallest weight are not shown: they have it from label smoothing alone,
    or it is zero.

    Args:
        data: A batch, or a data set (any iterable of batches) whose first batch is taken: images,
            `(images, labels)`, or a dict with `"images"` and perhaps `"labels"`. Images are
            `(batch, height, width, channels)` with one, three or four channels; labels class ids
            `(batch,)` or rows `(batch, classes)`.
        path: File to write atomically; its ending decides the format. Defaults to `None`, no file.
        max_images: Integer, largest number of images. Defaults to `16`.
        columns: Integer. Defaults to a nearly square arrangement.
        class_names: List of names; without it classes are numbers.
        value_range: `(low, high)` of the images. Defaults to (0, 255), or to (0, 1) for float
            images of which none exceeds 1.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state of matplotlib
        changed.

    Raises:
        ValueError: The data is no batch of images.
        ImportError: matplotlib is not installed.

    Example:
    >>> keras_patchmix.visualize(train, "batch.png", class_names=["cat", "dog"])
    """
    images, labels = _first_batch(data)
    if images.ndim != 4:
        hint = ""
        if images.ndim == 3:
            hint = (
                ": put `.batch(...)` behind the data set or, if these are gray images in a batch, "
                "add the axis of channels"
            )
        raise ValueError(
            "`data` must hold a batch of images of rank 4. "
            f"Received: images.shape={images.shape}{hint}"
        )
    if data_format == "channels_first":
        images = np.moveaxis(images, 1, -1)
    images = images[:max_images]
    count = len(images)
    if value_range is None:
        is_unit = images.dtype.kind not in "iub" and count and images.astype("float32").max() <= 1
        value_range = (0, 1) if is_unit else (0, 255)
    columns = columns or min(count, math.ceil(math.sqrt(2 * count)))
    rows = math.ceil(count / columns)
    captions = [] if labels is None else [_caption(y, class_names) for y in labels[:count]]
    lines = max((len(caption) for caption in captions), default=0)
    figure = new_figure(1.7 * columns, (1.6 + 0.14 * lines) * rows, "visualize")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.set_axis_off()
    for i, axis in enumerate(axes[:count]):
        draw_image(axis, to_unit(images[i], value_range))
        if captions:
            caption = captions[i] + [""] * (lines - len(captions[i]))
            axis.set_title("\n".join(caption), fontsize=7, pad=3)
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


def _first_batch(data):
    if not isinstance(data, (dict, tuple, list)) and not hasattr(data, "shape"):
        data = next(iter(data), None)
        if data is None:
            raise ValueError("`data` must hold at least one batch. Received: an empty data set")
    if isinstance(data, dict):
        if key_of(data, IMAGES) is None:
            raise ValueError(f"`data` must hold {IMAGES!r}. Received: keys={sorted(data)}")
        images, labels = data[key_of(data, IMAGES)], data.get(key_of(data, LABELS))
    elif isinstance(data, (tuple, list)):
        images, labels = (*data, None)[:2]
    else:
        images, labels = data, None
    return to_numpy(images), None if labels is None else to_numpy(labels)


def _caption(label, class_names):
    """Returns the lines of a caption: the classes with the largest weights."""
    label = np.asarray(label, dtype="float64").ravel()

    def name(i):
        return str(i) if class_names is None else printable(class_names[i])

    if label.size == 1:
        return [name(int(label[0]))]
    order = np.argsort(-label, kind="stable")[:_SHOWN_LABELS]
    least = _weight_of_the_rest(label)
    return [f"{name(i)} {label[i]:.2f}" for i in order if label[i] > least]


def _weight_of_the_rest(label):
    """Returns the weight of the classes that are not in the image.

    That is the smallest weight if two or more classes have it; of one it may be a partner's share.
    """
    rest = label <= label.min() * (1 + 1e-5)  # float32 rows, in which a unit is 1e-7
    return label[rest].max() if 1 < rest.sum() < label.size else 0.0
