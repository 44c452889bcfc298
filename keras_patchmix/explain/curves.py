"""Deletion and insertion: whether the pixels that a map names decide the model's answer."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from keras_patchmix.base.progress import Progress
from keras_patchmix.base.types import Tensor
from keras_patchmix.explain.arguments import (
    checked_format,
    checked_ids,
    checked_images,
    checked_low,
    checked_maps,
    checked_whole,
)
from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.scoring.preprocessing import preprocessing_of


class CausalCurves(NamedTuple):
    """Probabilities while an image is taken apart and put together.

    Attributes:
        shares: float64 array of shape (S + 1,): the share of pixels treated, from 0 to 1.
        deletion: float32 array of shape (B, S + 1).
        insertion: float32 array of shape (B, S + 1).
        deletion_area: float64 array of shape (B,): the area under `deletion` by the trapezoid
            rule. Lower is better: the most salient pixels go first.
        insertion_area: float64 array of shape (B,). Higher is better.
        class_ids: int64 array of shape (B,).
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    deletion_area: np.ndarray
    insertion_area: np.ndarray
    class_ids: np.ndarray


def deletion_insertion(
    model: Any,
    images: Tensor,
    saliency: Tensor,
    class_ids: Tensor | None = None,
    *,
    steps: int = 50,
    blur: float | None = None,
    batch_size: int = 64,
    from_logits: bool | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    value_range: Sequence[float] = (0, 255),
    data_format: str | None = None,
    verbose: bool | Literal["auto"] = "auto",
) -> CausalCurves:
    """The causal check of a saliency map (Petsiuk et al. 2018, arXiv 1806.07421, section 4.2).

    Deletion paints pixels with the lowest value, most salient first, and insertion puts them back
    into a blurred image in the same order. A map that names what the model looks at makes the
    class's probability fall fast and rise fast. Of equal pixels the upper left one comes first.

    Args:
        model: As in `keras_patchmix.explain.rise`.
        images: As there, of shape (B, H, W, C) or (H, W, C).
        saliency: Array of shape (B, H, W) or (H, W): maps of the images.
        class_ids: As there.
        steps: Integer, at least 1: into how many equal parts the pixels are divided. Defaults to
            `50`.
        blur: Standard deviation in pixels of the Gaussian that insertion begins with, above 0.
            Defaults to 5 pixels for a width of 224, as in the reference, and in proportion.
        batch_size: As there.
        from_logits: As there.
        preprocess: As there.
        value_range: As there.
        data_format: As there.
        verbose: As there.

    Returns:
        A `CausalCurves`.

    Raises:
        ValueError: An argument out of range, shapes that differ, scores that are no probabilities.
    """
    images, _ = checked_images(images)
    low = checked_low(value_range)
    if checked_format(data_format) == "channels_first":
        to_model = _channels_first(preprocessing_of(model, preprocess))
        images = np.moveaxis(images, 1, -1)
    else:
        to_model = preprocess
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        checked_whole(name, value)
    maps = checked_maps(saliency, images.shape[:3])
    if blur is None:
        blur = 5 * images.shape[2] / 224
    if not blur > 0:
        raise ValueError(f"`blur` must be above 0. Received: blur={blur!r}")
    scores = ClassScores(model, batch_size, from_logits, to_model)
    pixels = maps[0].size
    counts = np.round(np.linspace(0, pixels, min(steps, pixels) + 1)).astype(int)
    found, chosen = [], []
    with Progress(verbose, "deletion and insertion") as progress:
        progress.start(2 * len(counts) * len(images))
        for number, (image, one) in enumerate(zip(images, maps, strict=True)):
            rank = np.empty(pixels, int)
            rank[np.argsort(-one.ravel(), kind="stable")] = np.arange(pixels)
            rank = rank.reshape(one.shape)
            pair = []
            for kept, other in ((np.full_like(image, low), image), (image, blurred(image, blur))):
                pair.append(_scored(scores, kept, other, rank, counts, batch_size, progress))
            clean = pair[0][:1]  # nothing is deleted yet
            if class_ids is None:
                chosen.append(int(clean.argmax()))
            elif number == 0:
                given = checked_ids("class_ids", class_ids, (len(images), clean.shape[1]))
                chosen = list(given)
            found.append([part[:, chosen[number]] for part in pair])
    deletion, insertion = np.array(found, np.float32).transpose(1, 0, 2)
    shares = counts / pixels
    return CausalCurves(
        shares,
        deletion,
        insertion,
        _area(deletion.astype(np.float64), shares),
        _area(insertion.astype(np.float64), shares),
        np.array(chosen, np.int64),
    )


def blurred(image, deviation):
    """Blurs an image by a Gaussian of up to three deviations; at borders the rest is weighted up.

    Args:
        image: float32 array of shape (H, W, C).
        deviation: Standard deviation in pixels.

    Returns:
        float32 array of the same shape.
    """
    rows, columns = (_gaussian(side, deviation) for side in image.shape[:2])
    return np.einsum("ab,bwc,vw->avc", rows, image, columns, optimize=True).astype(np.float32)


def _gaussian(side, deviation):
    distance = np.subtract.outer(np.arange(side), np.arange(side)) / deviation
    weights = np.exp(-0.5 * distance**2) * (np.abs(distance) <= 3)
    return weights / weights.sum(1, keepdims=True)


def _scored(scores, first, second, rank, counts, batch_size, progress):
    """Probabilities (S, K) with the first `count` pixels of one image and the rest of another."""
    found = []
    for start in range(0, len(counts), batch_size):
        part = counts[start : start + batch_size, None, None]
        mixed = np.where((rank < part)[..., None], first, second)
        found.append(scores.finish(scores.start(mixed)))
        progress.add(len(part))
    return np.concatenate(found)


def _area(curves, shares):
    return ((curves[:, 1:] + curves[:, :-1]) / 2 * np.diff(shares)).sum(1)


def _channels_first(preprocess):
    def turned(images):
        images = np.ascontiguousarray(np.moveaxis(images, -1, 1))
        return images if preprocess is None else preprocess(images)

    return turned
