"""RISE and contrastive RISE: which pixels a classifier's answer depends on."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from keras_patchmix.base.progress import spanning
from keras_patchmix.base.types import Size, Tensor
from keras_patchmix.explain.arguments import (
    checked_format,
    checked_ids,
    checked_images,
    checked_low,
    checked_whole,
)
from keras_patchmix.explain.class_scores import ClassScores
from keras_patchmix.explain.map_sums import MapSums
from keras_patchmix.explain.masks import RandomMasks

# A standard error out of fewer masks says little.
_FEWEST = 200


class Saliency(NamedTuple):
    """Maps and how they came about.

    Attributes:
        maps: float32 array of shape (B, H, W): the saliency of each pixel, in probability.
        standard_errors: float32 array of shape (B, H, W), the maps' own.
        num_masks: int64 array of shape (B,): the masks each map was made of.
        class_ids: int64 array of shape (B,).
        contrast_ids: int64 array of shape (B,), or None.
    """

    maps: np.ndarray
    standard_errors: np.ndarray
    num_masks: np.ndarray
    class_ids: np.ndarray
    contrast_ids: np.ndarray | None


def rise(
    model: Any,
    images: Tensor,
    class_ids: Tensor | None = None,
    *,
    num_masks: int = 4000,
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
    grow with their number, and all images share them.

    Args:
        model: A Keras model, or a function from images to scores of shape (B, K). One compiled
            forward function is used, in inference mode.
        images: Array or tensor of shape (B, H, W, C), or (H, W, C) for a single one, of values in
            `value_range`.
        class_ids: Integer, or integers of shape (B,): the class of each image. None is the class
            that the model finds most probable. Defaults to `None`.
        num_masks: Integer, at least 1: the masks for each image, at most where `tolerance` is
            given. Defaults to `4000`.
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
    explainer = _Explainer(
        model,
        images,
        num_masks=num_masks,
        grid_size=grid_size,
        keep_probability=keep_probability,
        batch_size=batch_size,
        from_logits=from_logits,
        preprocess=preprocess,
        value_range=value_range,
        data_format=data_format,
        tolerance=tolerance,
        seed=seed,
        verbose=verbose,
    )
    saliency = explainer.saliency("RISE", class_ids)
    return saliency if return_details else explainer.shaped(saliency.maps)


def c_rise(
    model: Any,
    images: Tensor,
    class_ids: Tensor | None = None,
    contrast_ids: Tensor | None = None,
    *,
    num_masks: int = 4000,
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
    maps of RISE over the same masks; negative pixels speak for B.

    Args:
        model: As in `rise`.
        images: As in `rise`.
        class_ids: The class A of each image. None is the class that the model finds most
            probable. Defaults to `None`.
        contrast_ids: The class B of each image: that of the foreign patches, where there are some.
            None is the most probable class besides A. Defaults to `None`.
        num_masks: As in `rise`.
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
    explainer = _Explainer(
        model,
        images,
        num_masks=num_masks,
        grid_size=grid_size,
        keep_probability=keep_probability,
        batch_size=batch_size,
        from_logits=from_logits,
        preprocess=preprocess,
        value_range=value_range,
        data_format=data_format,
        tolerance=tolerance,
        seed=seed,
        verbose=verbose,
    )
    saliency = explainer.saliency("c-RISE", class_ids, contrast_ids, contrast=True)
    return saliency if return_details else explainer.shaped(saliency.maps)


class _Explainer:
    """The images and masks of one call; arguments as in `rise`."""

    def __init__(
        self,
        model,
        images,
        *,
        num_masks,
        grid_size,
        keep_probability,
        batch_size,
        from_logits,
        preprocess,
        value_range,
        data_format,
        tolerance,
        seed,
        verbose,
    ):
        checked_whole("num_masks", num_masks)
        checked_whole("batch_size", batch_size)
        _check_tolerance(tolerance)
        self._images, self._single = checked_images(images)
        self._low = checked_low(value_range)
        self._channels_first = checked_format(data_format) == "channels_first"
        shape = self._images.shape
        size = shape[2:] if self._channels_first else shape[1:3]
        self._masks = RandomMasks(size, grid_size, keep_probability, seed)
        self._num_masks, self._batch_size = num_masks, min(batch_size, num_masks)
        self._scores = ClassScores(model, self._batch_size, from_logits, preprocess)
        self._tolerance, self._verbose = tolerance, verbose

    def shaped(self, maps):
        """Maps without the axis of images where a single image was given."""
        return maps[0] if self._single else maps

    def saliency(self, title, class_ids, contrast_ids=None, contrast=False):
        """Returns the `Saliency`; with `contrast` that of the differences of two classes."""
        class_ids, contrast_ids = self._classes(class_ids, contrast_ids, contrast)
        sums = [MapSums(self._masks) for _ in self._images]
        active = list(range(len(sums)))
        with spanning(self._verbose, title) as progress:
            progress.start(len(active) * self._num_masks)
            for start in range(0, self._num_masks, self._batch_size):
                end = min(start + self._batch_size, self._num_masks)
                masks = self._masks(np.arange(start, end))
                for number, found in self._scored(active, masks):
                    values = found[:, class_ids[number]]
                    if contrast:
                        values = values - found[:, contrast_ids[number]]
                    sums[number].add(masks, values)
                    progress.add(len(masks))
                if self._tolerance is not None and end >= _FEWEST:
                    active = [one for one in active if not sums[one].settled(self._tolerance)]
                    if not active:
                        break
        return Saliency(
            np.stack([one.map() for one in sums]).astype(np.float32),
            np.stack([one.standard_error() for one in sums]).astype(np.float32),
            np.array([one.count for one in sums]),
            class_ids,
            contrast_ids,
        )

    def _scored(self, numbers, masks):
        """Yields (number, scores) of images behind masks.

        Scores are read when the next image has been handed over, so that an accelerator does not
        wait for the host.
        """
        shown = masks[:, None] if self._channels_first else masks[..., None]
        waiting = None
        for number in numbers:
            masked = (self._images[number] - self._low) * shown
            if self._low:
                masked += self._low
            started = self._scores.start(masked)
            if waiting is not None:
                yield waiting[0], self._scores.finish(waiting[1])
            waiting = number, started
        yield waiting[0], self._scores.finish(waiting[1])

    def _classes(self, class_ids, contrast_ids, contrast):
        """The classes of each image, as given or as the model ranks them."""
        num_classes, clean = self._scores.num_classes, None
        if num_classes is None or class_ids is None or (contrast and contrast_ids is None):
            clean = self._clean_scores()
            num_classes = clean.shape[1]
        shape = len(self._images), num_classes
        given = checked_ids("class_ids", class_ids, shape)
        class_ids = clean.argmax(1) if given is None else given
        if not contrast:
            return class_ids, None
        given = checked_ids("contrast_ids", contrast_ids, shape)
        if given is None:
            clean[np.arange(len(clean)), class_ids] = -np.inf
            return class_ids, clean.argmax(1)
        same = np.flatnonzero(given == class_ids)
        if len(same):
            raise ValueError(
                "`contrast_ids` must be another class than `class_ids`. Received: class "
                f"{given[same[0]]} as both for image {same[0]}"
            )
        return class_ids, given

    def _clean_scores(self):
        """The scores of the images without masks, float32 (B, K)."""
        images = self._images.copy()  # Keras' own preprocessing writes into what it is given
        scores = self._scores
        return np.concatenate([scores.finish(scores.start(one)) for one in scores.parts(images)])


def _check_tolerance(tolerance):
    if tolerance is not None and not 0 < tolerance < 1:
        raise ValueError(
            f"`tolerance` must be None, or above 0 and below 1. Received: tolerance={tolerance!r}"
        )
