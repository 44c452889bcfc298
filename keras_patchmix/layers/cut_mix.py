"""The CutMix layer."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_patchmix import mixing
from keras_patchmix.layers.plan_mixing import PlanMixing
from keras_patchmix.mixing import boxes


@keras.saving.register_keras_serializable(package="keras_patchmix")
class CutMix(PlanMixing):
    """Replaces a box of every image by that of another image of the batch.

    The labels are blended by the share of pixels replaced, then smoothed. The box has the aspect of
    the image and whole pixels as borders, and lies anywhere inside the image as likely: unlike in
    the published code, it is not clipped at the border, so that the share of pixels follows the
    distribution asked for. Its sides are `round(height * sqrt(r))` and `round(width * sqrt(r))`.

    References:
        - Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with
          Localizable Features", [arXiv 1905.04899](https://arxiv.org/abs/1905.04899).

    Args:
        alpha: Positive float: the ratio r, the share of the image that the box covers, follows
            Beta(alpha, alpha). Not used where `ratio` is given. Defaults to `1.0`.
        ratio: The ratio, in place of `alpha`: a number in [0, 1], or `(low, high)` for a uniform
            draw. Defaults to `None`.
        probability: Float in [0, 1], how often a sample (in mode `"batch"` a batch) is mixed.
            Unmixed samples are smoothed too. Defaults to `1.0`.
        mode: `"sample"` draws coin and box for every sample, `"batch"` once for all of a batch.
            Defaults to `"sample"`.
        num_classes: Integer: labels may then be integer class ids. Defaults to `None`.
        label_smoothing: Float e in [0, 1]: `(1 - e) y + e mean(y)`, after the blend. Defaults to
            `0.1`.
        seed: Integer or `None`, as in `PatchMixing`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments and returned values are those of `PatchMixing`.

    Raises:
        ValueError: An argument is out of range, or the data cannot be mixed.

    Example:
    >>> mix = keras_patchmix.layers.CutMix(num_classes=10, seed=1)
    >>> train = train.batch(128).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    """

    _plan_type = mixing.BoxPlan

    def __init__(
        self,
        alpha: float = 1.0,
        ratio: float | Sequence[float] | None = None,
        probability: float = 1.0,
        mode: str = "sample",
        num_classes: int | None = None,
        label_smoothing: float = 0.1,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            mixing.Settings(alpha, ratio, probability, mode),
            num_classes=num_classes,
            label_smoothing=label_smoothing,
            seed=seed,
            data_format=data_format,
            **kwargs,
        )

    def _sample(self, seed, size, like):
        return boxes.sample_plan(seed, size[0], size[1:], self.settings, like)

    def _move(self, images, plan):
        return boxes.apply_to_images(images, plan, self.data_format)

    def _plan_shape(self, size):
        return size[0], 4
