"""RISE and contrastive RISE: which pixels a classifier's answer depends on."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from keras_patchmix.base.progress import spanning
from keras_patchmix.base.types import Size, Tensor
from keras_patchmix.explain.arguments import (
    MaskSettings,
    standardize_class_ids,
    standardize_images,
)
from keras_patchmix.explain.masks import RandomMasks
from keras_patchmix.explain.schemes import SCHEMES

_MIN_MASKS = 200  # a standard error from fewer masks is unreliable


class Saliency(NamedTuple):
    """Maps and how they came about.

    Attributes:
        maps: float32 array of shape (B, H, W): the saliency of each pixel, in probability.
        standard_errors: float32 array of shape (B, H, W), the maps' own.
        num_masks: int64 array of shape (B,): the masks each map was made of.
        class_ids: int64 array of shape (B,).
        contrast_ids: int64 array of shape (B,), or None.
        mean_scores: float32 array of shape (B,): what the maps average, over all masks. A pixel
            that does not matter has this value.
    """

    maps: np.ndarray
    standard_errors: np.ndarray
    num_masks: np.ndarray
    class_ids: np.ndarray
    contrast_ids: np.ndarray | None
    mean_scores: np.ndarray


def rise(
    model: Any,
    images: Tensor,
    class_ids: Tensor | None = None,
    *,
    num_masks: int = 4000,
    scheme: Literal["control_variate", "independent"] = "control_variate",
    grid_size: Size = 7,
    keep_probability: float = 0.5,
    batch_size: int = 64,
    from_logits: bool | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    value_range: Sequence[float] = (0, 255),
    data_format: str | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    verbose: bool | Literal["auto"] = "auto",
    return_details: bool = False,
) -> Any:
    """Randomized input sampling (Petsiuk et al. 2018, arXiv 1806.07421).

    S_c(p) = 1 / (N E[M]) sum_i f_c(x * M_i) M_i(p): how probable the model finds class c on
    average over the masks that show pixel p. Masks are made as they are needed, so memory does not
    grow with their number, and all images share them. By default only what a linear surrogate
    leaves over is averaged (`scheme`): the same map in expectation, from fewer masks.

    Args:
        model: A Keras model, or a function from images to scores of shape (B, K). One compiled
            forward function is used, in inference mode.
        images: Array or tensor of shape (B, H, W, C), or (H, W, C) for a single one, of values in
            `value_range`.
        class_ids: Integer, or integers of shape (B,): the class of each image. None is the class
            that the model finds most probable. Defaults to `None`.
        num_masks: Integer, at least 1: the masks for each image, at most where `tolerance` is
            given. Defaults to `4000`.
        scheme: How a map is estimated from the masks. `"control_variate"` fits a linear surrogate
            of the model's answers to what masks show of 8x8 areas, knows its map, and adds the
            mean of what it leaves over; surrogates are fitted to other masks than they are used
            for, so that the map is unbiased. `"independent"` is the formula above. Defaults to
            `"control_variate"`.
        grid_size: Integer or (rows, columns) of a mask before it is enlarged. Defaults to `7`.
        keep_probability: In (0, 1): the expected share of the image that a mask shows. Defaults to
            `0.5`.
        batch_size: Images in one call of the model. Defaults to `64`.
        from_logits: Whether the model returns logits, of which the softmax is taken. Defaults to
            `None`, which asks the model: its last activation, or the loss that it is compiled with.
            Where neither says so it returns probabilities, and anything else raises.
        preprocess: Function of float32 images (batch_size, H, W, C) in `value_range`, which comes
            after masking. Defaults to `None`.
        value_range: (low, high) of the images' values; low is what a mask paints. Defaults to
            `(0, 255)`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`, Keras' own
            setting.
        tolerance: None, or a number in (0, 1): a map is finished once the greatest standard error
            of its pixels is at most this part of its range, after 200 masks at least. Maps
            that had nothing to show were at 0.18 to 0.36. Defaults to `None`.
        seed: Integer: same seed, same masks. Defaults to `0`.
        verbose: `"auto"` (a progress bar in terminals and notebooks), `True` or `False`. Defaults
            to `"auto"`.
        return_details: Whether to return a `Saliency`: the maps, their standard errors, the
            number of masks used, the classes. Defaults to `False`.

    Returns:
        float32 array of shape (B, H, W), or (H, W) for a single image; or a `Saliency`, always
        with the axis B.

    Raises:
        ValueError: An argument out of range, scores that are no probabilities or not finite.

    Example:
    ```python
    maps = keras_patchmix.explain.rise(model, images, labels, from_logits=True)
    ```
    """
    settings = MaskSettings(
        num_masks=num_masks,
        scheme=scheme,
        grid_size=grid_size,
        keep_probability=keep_probability,
        batch_size=batch_size,
        from_logits=from_logits,
        preprocess=preprocess,
        value_range=value_range,
        data_format=data_format,
        tolerance=tolerance,
        seed=seed,
    )
    explainer = Explainer(model, images, settings)
    saliency = explainer.explain(class_ids, verbose=verbose)
    return saliency if return_details else explainer.shape_as_given(saliency.maps)


def c_rise(
    model: Any,
    images: Tensor,
    class_ids: Tensor | None = None,
    contrast_ids: Tensor | None = None,
    *,
    num_masks: int = 4000,
    scheme: Literal["control_variate", "independent"] = "control_variate",
    grid_size: Size = 7,
    keep_probability: float = 0.5,
    batch_size: int = 64,
    from_logits: bool | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    value_range: Sequence[float] = (0, 255),
    data_format: str | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    verbose: bool | Literal["auto"] = "auto",
    return_details: bool = False,
) -> Any:
    """Contrastive RISE: what speaks for one class rather than another (our reading).

    Lee et al. 2023 (arXiv 2306.17848) name the method without a formula. Here it is the map of RISE
    with f_A - f_B for f, A the class of the image and B the contrast class:
    S(p) = 1 / (N E[M]) sum_i (f_A(x * M_i) - f_B(x * M_i)) M_i(p). So it is the difference of both
    maps of RISE over the same masks: the mean difference in probability where a pixel is shown. A
    pixel that does not matter has the mean over all masks, `Saliency.mean_scores`; those above it
    speak for A, those below it for B.

    Args:
        model: As in `rise`.
        images: As in `rise`.
        class_ids: The class A of each image. None is the class that the model finds most
            probable. Defaults to `None`.
        contrast_ids: The class B of each image: that of the foreign patches, where there are some.
            None is the most probable class besides A. Defaults to `None`.
        num_masks: As in `rise`.
        scheme: As in `rise`.
        grid_size: As in `rise`.
        keep_probability: As in `rise`.
        batch_size: As in `rise`.
        from_logits: As in `rise`.
        preprocess: As in `rise`.
        value_range: As in `rise`.
        data_format: As in `rise`.
        tolerance: As in `rise`.
        seed: As in `rise`.
        verbose: As in `rise`.
        return_details: As in `rise`.

    Returns:
        As `rise`.

    Raises:
        ValueError: As in `rise`; or an image has one class for both.
    """
    settings = MaskSettings(
        num_masks=num_masks,
        scheme=scheme,
        grid_size=grid_size,
        keep_probability=keep_probability,
        batch_size=batch_size,
        from_logits=from_logits,
        preprocess=preprocess,
        value_range=value_range,
        data_format=data_format,
        tolerance=tolerance,
        seed=seed,
    )
    explainer = Explainer(model, images, settings)
    saliency = explainer.explain(class_ids, contrast_ids, contrast=True, verbose=verbose)
    return saliency if return_details else explainer.shape_as_given(saliency.maps)


def map_noise(saliency):
    """Returns the greatest standard error of each map over the map's range.

    Args:
        saliency: A `Saliency`.

    Returns:
        float64 array of shape (B,), at most 1e9, for constant maps.
    """
    height = np.maximum(np.ptp(saliency.maps, axis=(1, 2)), np.finfo(np.float32).tiny)
    return np.minimum(saliency.standard_errors.max((1, 2)) / height.astype(np.float64), 1e9)


class Explainer:
    """RISE and contrastive RISE of some images.

    Args:
        model: As in `rise`.
        images: As in `rise`.
        settings: A `MaskSettings`.
    """

    def __init__(self, model, images, settings):
        self._images, self._is_single = standardize_images(images)
        self._settings = settings
        shape = self._images.shape
        size = shape[2:] if settings.channels_first else shape[1:3]
        self._masks = RandomMasks(
            size, settings.grid_size, settings.keep_probability, settings.seed
        )
        self._scores = settings.scores(model)

    def shape_as_given(self, maps):
        """Returns maps without the batch axis if a single image was given."""
        return maps[0] if self._is_single else maps

    def explain(self, class_ids=None, contrast_ids=None, contrast=False, verbose="auto"):
        """Returns a `Saliency`.

        Args:
            class_ids: As in `c_rise`.
            contrast_ids: As in `c_rise`.
            contrast: Whether maps are of the difference of two classes.
            verbose: As in `rise`, or a `keras_patchmix.base.progress.Progress` to continue.
        """
        class_ids, contrast_ids = self._class_ids(class_ids, contrast_ids, contrast)
        settings = self._settings
        statistics = [SCHEMES[settings.scheme](self._masks) for _ in self._images]
        active = list(range(len(statistics)))
        with spanning(verbose, "c-RISE" if contrast else "RISE") as progress:
            progress.start(len(active) * settings.num_masks)
            for start in range(0, settings.num_masks, settings.masks_per_batch):
                end = min(start + settings.masks_per_batch, settings.num_masks)
                masks = self._masks(np.arange(start, end))
                for number, scores in self._score_masked(active, masks):
                    values = scores[:, class_ids[number]]
                    if contrast:
                        values = values - scores[:, contrast_ids[number]]
                    statistics[number].add(masks, values)
                    progress.add(len(masks))
                if settings.tolerance is not None and end >= _MIN_MASKS:
                    active = [i for i in active if not statistics[i].converged(settings.tolerance)]
                    if not active:
                        break
        return Saliency(
            np.stack([image.map() for image in statistics]).astype(np.float32),
            np.stack([image.standard_error() for image in statistics]).astype(np.float32),
            np.array([image.count for image in statistics]),
            class_ids,
            contrast_ids,
            np.array([image.mean_score() for image in statistics], np.float32),
        )

    def _score_masked(self, numbers, masks):
        """Yields (number, scores) of images behind masks.

        The scores of an image are read when the next one has been handed over, so that an
        accelerator does not wait for the host.
        """
        masks = masks[:, None] if self._settings.channels_first else masks[..., None]
        black, pending = self._settings.black, None
        for number in numbers:
            masked = (self._images[number] - black) * masks
            if black:
                masked += black
            started = self._scores.start(masked)
            if pending is not None:
                yield pending[0], self._scores.finish(pending[1])
            pending = number, started
        yield pending[0], self._scores.finish(pending[1])

    def _class_ids(self, class_ids, contrast_ids, contrast):
        """Returns the classes of each image, as given or as the model ranks them."""
        num_classes, scores = self._scores.num_classes, None
        if num_classes is None or class_ids is None or (contrast and contrast_ids is None):
            scores = self._scores.probabilities(self._images)
            num_classes = scores.shape[1]
        shape = len(self._images), num_classes
        class_ids = standardize_class_ids("class_ids", class_ids, *shape)
        if class_ids is None:
            class_ids = scores.argmax(1)
        if not contrast:
            return class_ids, None
        contrast_ids = standardize_class_ids("contrast_ids", contrast_ids, *shape)
        if contrast_ids is None:
            scores[np.arange(len(scores)), class_ids] = -np.inf
            return class_ids, scores.argmax(1)
        same = np.flatnonzero(contrast_ids == class_ids)
        if len(same):
            raise ValueError(
                "`contrast_ids` must be another class than `class_ids`. Received: class "
                f"{contrast_ids[same[0]]} as both for image {same[0]}"
            )
        return class_ids, contrast_ids
