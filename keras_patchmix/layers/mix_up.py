"""The MixUp layer."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_patchmix import mixing
from keras_patchmix.layers import structures
from keras_patchmix.layers.plan_mixing import PlanMixing
from keras_patchmix.mixing import blends


@keras.saving.register_keras_serializable(package="keras_patchmix")
class MixUp(PlanMixing):
    """Blends every image with another image of the batch.

    Images become `(1 - l) x_A + l x_B`, computed in float32 and rounded where they are integers;
    labels likewise, then smoothed. The weight l is drawn in steps of 1/4096 and is never 0 or 1, so
    that the blend of images of 8 bits is exact before it is rounded.

    References:
        - Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization",
          [arXiv 1710.09412](https://arxiv.org/abs/1710.09412).

    Args:
        alpha: Positive float: the partner's weight l follows Beta(alpha, alpha). Not used where
            `ratio` is given. Defaults to `0.2`.
        ratio: The weight l, in place of `alpha`: a number in [0, 1], or `(low, high)` for a uniform
            draw. Defaults to `None`.
        probability: Float in [0, 1], how often a sample (in mode `"batch"` a batch) is mixed.
            Unmixed samples are smoothed too. Defaults to `1.0`.
        mode: `"sample"` draws coin and weight for every sample, `"batch"` once for all of a batch.
            Defaults to `"sample"`.
        num_classes: Integer: labels may then be integer class ids. Defaults to `None`.
        label_smoothing: Float e in [0, 1]: `(1 - e) y + e mean(y)`, after the blend. Defaults to
            `0.1`.
        seed: Integer or `None`, as in `PatchMixing`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments and returned values are those of `PatchMixing`, without
    `"segmentation_masks"`: a blend of class ids is another class.

    Raises:
        ValueError: An argument is out of range, or the data cannot be mixed.

    Example:
    >>> mix = keras_patchmix.layers.MixUp(alpha=0.2, num_classes=10, seed=1)
    >>> train = train.batch(128).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    """

    _plan_type = mixing.BlendPlan

    def __init__(
        self,
        alpha: float = 0.2,
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

    def _check(self, batch, size):
        if batch.masks is not None:
            raise ValueError(
                "MixUp cannot mix 'segmentation_masks': a blend of the class ids of two pixels is "
                "another class. Use CutMix or PatchMixing, or remove the key from the dict. "
                f"Received: keys={sorted(map(str, batch.form))} and {structures.MASKS} of shape "
                f"{tuple(batch.masks.shape)}"
            )

    def _sample(self, seed, size, like):
        return blends.sample_plan(seed, size[0], size[1:], self.settings, like)

    def _move(self, images, plan):
        return blends.apply_to_images(images, plan)

    def _plan_shape(self, size):
        return (size[0],)
