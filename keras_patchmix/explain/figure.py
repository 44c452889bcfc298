"""The figure of saliency: images beside the maps of one or several models."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_patchmix.base import atomic
from keras_patchmix.base.host import to_numpy
from keras_patchmix.base.optional import require
from keras_patchmix.base.types import FilePath, Tensor
from keras_patchmix.explain.arguments import standardize_images, standardize_maps
from keras_patchmix.explain.selectivity import patch_selectivity
from keras_patchmix.report.saliency import draw_image, draw_map, outline
from keras_patchmix.report.style import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_saliency(
    images: Tensor,
    maps: Mapping[str, Tensor],
    path: FilePath | None = None,
    masks: Tensor | None = None,
    captions: Sequence[str] | None = None,
    value_range: Sequence[float] = (0, 255),
    diverging: bool | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> "Figure":
    """Draws images and the maps of models over them.

    The color bar of a map shows its values. With `diverging=True` the maps of an image share their
    colors; otherwise they are scaled for each map separately, so compare the places between
    models, not the colors.

    Args:
        images: Array of shape (B, H, W, C) or (H, W, C), channels last, of 1 or 3 channels.
        maps: Dict from a model's name to its maps of shape (B, H, W) or (H, W). Those of another
            size are scaled bilinearly, with a warning.
        path: File to write atomically; its ending decides the format. Defaults to `None`.
        masks: None, or booleans of the maps' shape: what is out of context. It is outlined, and the
            patch selectivity stands over each map. Defaults to `None`.
        captions: None, or a string for each image. Defaults to `None`.
        value_range: (low, high) of the images' values. Defaults to `(0, 255)`.
        diverging: Whether colors are centered on 0: red above it, blue below. For maps of `c_rise`
            less their `Saliency.mean_scores` red speaks for the class, and blue for the other one.
            None is where a map has values of both signs. Defaults to `None`.
        notes: None, or a dict from a model's name to a string for each image, which stands over the
            map: the class that it explains, say. Defaults to `None`.
        labels: None, or a dict from a model's name to a string for each image, which stands under
            the color bar: what its ends mean, say. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`; no window is opened and no global state changed.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: Shapes differ, or there are no maps.
    """
    images, _ = standardize_images(images)
    if not isinstance(maps, dict) or not maps:
        raise ValueError(
            "`maps` must be a dict from a model's name to its maps. "
            f"Received: {type(maps).__name__} of {len(maps)}"
        )
    maps = {name: standardize_maps(values, images.shape[:3]) for name, values in maps.items()}
    if masks is not None:
        masks = to_numpy(masks).reshape(images.shape[:3]).astype(bool)
    low, high = value_range
    shown = np.clip((images - low) / (high - low), 0, 1)
    titles = _titles(maps, masks, notes)
    rows, columns = len(images), 1 + len(maps)
    texts = [title for titles_of_model in titles.values() for title in titles_of_model]
    texts += [] if captions is None else map(wrapped, captions)
    under = [] if labels is None else [_lines(text) for each in labels.values() for text in each]
    lines = 0.16 * sum(
        max((1 + text.count("\n") for text in some), default=0) for some in (texts, under)
    )
    height, width = images.shape[1:3]
    figure = require("matplotlib.figure", "plotting saliency").Figure(
        figsize=(0.4 + 2.3 * columns, 0.4 + rows * (0.5 + 2.1 * height / width + lines)),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for row in range(rows):
        limit = max(np.abs(values[row]).max() for values in maps.values()) if diverging else None
        draw_image(axes[row, 0], shown[row])
        if captions is not None:
            axes[row, 0].set_title(wrapped(captions[row]), fontsize=8, parse_math=False)
        for column, (name, values) in enumerate(maps.items(), start=1):
            axis = axes[row, column]
            colors = _colors(values[row], diverging, limit)
            drawn = draw_map(axis, shown[row], values[row], **colors)
            label = "" if labels is None else _lines(labels[name][row])
            _draw_bar(figure, axis, drawn, label, height / width)
            axis.set_title(titles[name][row], fontsize=8, parse_math=False)
            if masks is not None:
                outline(axis, masks[row])
        if masks is not None:
            outline(axes[row, 0], masks[row])
    if masks is not None:
        figure.supxlabel("outlined: out of context; numbers: patch selectivity", fontsize=7)
    if path is not None:
        atomic.write_figure(path, figure)
    return figure


def _titles(maps, masks, notes):
    """Returns a dict from a model's name to the titles of its maps."""
    titles = {}
    for name, values in maps.items():
        titles[name] = []
        for row, saliency in enumerate(values):
            head = name
            if masks is not None and masks[row].any() and not masks[row].all():
                head = f"{name}: {patch_selectivity(saliency, masks[row]):.2f}"
            titles[name].append(_lines(head if notes is None else f"{head}\n{notes[name][row]}"))
    return titles


def _lines(text):
    """Wraps every line of a text."""
    return "\n".join(map(wrapped, text.split("\n")))


def _colors(values, diverging, limit):
    """Returns the arguments for the colors of a map.

    Args:
        values: The map.
        diverging: As in `plot_saliency`.
        limit: The value at the end of diverging colors, or None for the map's own.
    """
    if diverging or (diverging is None and values.min() < 0 < values.max()):
        limit = (np.abs(values).max() if limit is None else limit) or 1.0
        return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    return {"cmap": "inferno"}


def _draw_bar(figure, axis, drawn, label, proportion):
    """Draws the color bar of a map below it, so that all panels stand equally far apart."""
    place = axis.inset_axes([0.1, -0.09 / proportion, 0.8, 0.045 / proportion])
    bar = figure.colorbar(drawn, cax=place, orientation="horizontal")
    bar.locator = require("matplotlib.ticker", "plotting saliency").MaxNLocator(4)
    bar.ax.tick_params(labelsize=6, length=2, pad=1)
    bar.ax.set_xlabel(label, fontsize=7, labelpad=2, parse_math=False)
