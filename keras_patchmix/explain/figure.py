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
) -> "Figure":
    """Draws images and the maps of models over them.

    Colours are scaled for each map separately, so compare the places between models, not the
    colours. The colour bar of a map shows its values.

    Args:
        images: Array of shape (B, H, W, C) or (H, W, C), channels last, of 1 or 3 channels.
        maps: Dict from a model's name to its maps of shape (B, H, W) or (H, W). Those of another
            size are scaled bilinearly, with a warning.
        path: File to write atomically; its ending decides the format. Defaults to `None`.
        masks: None, or booleans of the maps' shape: what is out of context. It is outlined, and the
            patch selectivity stands over each map. Defaults to `None`.
        captions: None, or a string for each image. Defaults to `None`.
        value_range: (low, high) of the images' values. Defaults to `(0, 255)`.
        diverging: Whether colours are centred on 0, as for `c_rise`. None is where a map has values
            of both signs. Defaults to `None`.
        notes: None, or a dict from a model's name to a string for each image, which stands over the
            map: the class that it explains, say. Defaults to `None`.

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
    lines = 0.16 * max(text.count("\n") for text in texts)
    height, width = images.shape[1:3]
    figure = require("matplotlib.figure", "plotting saliency").Figure(
        figsize=(0.4 + 2.6 * columns, 0.4 + rows * (0.35 + 2.1 * height / width + lines)),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    for row in range(rows):
        draw_image(axes[row, 0], shown[row])
        if captions is not None:
            axes[row, 0].set_title(wrapped(captions[row]), fontsize=8, parse_math=False)
        for column, (name, values) in enumerate(maps.items(), start=1):
            mask = None if masks is None else masks[row]
            _draw_map(figure, axes[row, column], shown[row], values[row], mask, diverging)
            axes[row, column].set_title(titles[name][row], fontsize=8, parse_math=False)
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
            lines = [head] if notes is None else [head, notes[name][row]]
            titles[name].append("\n".join(map(wrapped, lines)))
    return titles


def _draw_map(figure, axis, image, values, mask, diverging):
    if diverging is None:
        diverging = values.min() < 0 < values.max()
    most = np.abs(values).max() or 1.0
    colours = {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if diverging else {"cmap": "inferno"}
    drawn = draw_map(axis, image, values, **colours)
    # Within the map's axes: it is as high as the picture, whatever its proportions.
    bar = figure.colorbar(drawn, cax=axis.inset_axes([1.03, 0.1, 0.05, 0.8]))
    bar.ax.tick_params(labelsize=6)
    if mask is not None:
        outline(axis, mask)
