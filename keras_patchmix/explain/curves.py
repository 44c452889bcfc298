"""Deletion and insertion: whether the salient pixels of a map decide the model's answer."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from keras_patchmix.base.progress import spanning
from keras_patchmix.base.types import Tensor
from keras_patchmix.explain.arguments import (
    ScoreSettings,
    check_positive_integer,
    standardize_class_ids,
    standardize_images,
    standardize_maps,
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
    saliency: Tensor | Callable[[Any, Any], Any],
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
        images: As in `rise`, of shape (B, H, W, C) or (H, W, C).
        saliency: Maps of the images by any method: an array of shape (B, h, w) or (h, w), or a
            function from the images and their class ids, int64 (B,), to one. Maps of another size
            than the images are scaled bilinearly, with a warning.
        class_ids: As in `rise`.
        steps: Integer, at least 1: into how many equal parts the pixels are divided. Defaults to
            `50`.
        blur: Standard deviation in pixels of the Gaussian that insertion begins with, above 0.
            Defaults to 5 pixels for a width of 224, as in the reference, and in proportion.
        batch_size: As in `rise`.
        from_logits: As in `rise`.
        preprocess: As in `rise`.
        value_range: As in `rise`.
        data_format: As in `rise`.
        verbose: As in `rise`.

    Returns:
        A `CausalCurves`.

    Raises:
        ValueError: An argument out of range, shapes that differ, scores that are no probabilities.
    """
    settings = ScoreSettings(
        batch_size=batch_size,
        from_logits=from_logits,
        preprocess=preprocess,
        value_range=value_range,
        data_format=data_format,
    )
    check_positive_integer("steps", steps)
    images, _ = standardize_images(images)
    as_given = images
    if settings.channels_first:
        preprocess = _to_channels_first(preprocessing_of(model, preprocess))
        images = np.moveaxis(images, 1, -1)
    scores = ClassScores(model, batch_size, from_logits, preprocess)
    if callable(saliency):
        class_ids = _class_ids(scores, images, class_ids)
        saliency = saliency(as_given, class_ids)
    maps = standardize_maps(saliency, images.shape[:3])
    if blur is None:
        blur = 5 * images.shape[2] / 224
    if not blur > 0:
        raise ValueError(f"`blur` must be above 0. Received: blur={blur!r}")
    pixels = maps[0].size
    counts = np.round(np.linspace(0, pixels, min(steps, pixels) + 1)).astype(int)
    curves, chosen_ids = [], []
    with spanning(verbose, "deletion and insertion") as progress:
        progress.start(2 * len(counts) * len(images))
        for number, (image, values) in enumerate(zip(images, maps, strict=True)):
            rank = np.empty(pixels, int)
            rank[np.argsort(-values.ravel(), kind="stable")] = np.arange(pixels)
            rank = rank.reshape(values.shape)
            black = np.full_like(image, settings.black)
            deletion, insertion = (
                _score_mixtures(scores, *pair, rank, counts, batch_size, progress)
                for pair in ((black, image), (image, blurred(image, blur)))
            )
            clean = deletion[0]  # nothing is deleted yet
            if class_ids is None:
                chosen_ids.append(int(clean.argmax()))
            elif number == 0:
                chosen_ids = list(
                    standardize_class_ids("class_ids", class_ids, len(images), len(clean))
                )
            curves.append([deletion[:, chosen_ids[number]], insertion[:, chosen_ids[number]]])
    deletion, insertion = np.array(curves, np.float32).transpose(1, 0, 2)
    shares = counts / pixels
    return CausalCurves(
        shares,
        deletion,
        insertion,
        _area(deletion.astype(np.float64), shares),
        _area(insertion.astype(np.float64), shares),
        np.array(chosen_ids, np.int64),
    )


def _class_ids(scores, images, class_ids):
    """Returns the classes as given, or as the model ranks them, int64 (B,)."""
    probabilities = scores.probabilities(images)
    ids = standardize_class_ids("class_ids", class_ids, *probabilities.shape)
    return probabilities.argmax(1) if ids is None else ids


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


def _score_mixtures(scores, first, second, rank, counts, batch_size, progress):
    """Returns probabilities (S, K) of images with `count` pixels of `first`, the rest `second`."""
    probabilities = []
    for start in range(0, len(counts), batch_size):
        part = counts[start : start + batch_size, None, None]
        mixed = np.where((rank < part)[..., None], first, second)
        probabilities.append(scores.finish(scores.start(mixed)))
        progress.add(len(part))
    return np.concatenate(probabilities)


def _area(curves, shares):
    return ((curves[:, 1:] + curves[:, :-1]) / 2 * np.diff(shares)).sum(1)


def _to_channels_first(preprocess):
    def transpose(images):
        images = np.ascontiguousarray(np.moveaxis(images, -1, 1))
        return images if preprocess is None else preprocess(images)

    return transpose
