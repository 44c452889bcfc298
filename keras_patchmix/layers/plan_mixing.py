"""What the layers share that mix every batch by one method."""

from keras_patchmix import mixing
from keras_patchmix.layers import structures
from keras_patchmix.layers.base import MixingLayer
from keras_patchmix.layers.labels import mix_labels


class PlanMixing(MixingLayer):
    """A layer that draws plans of one method, each good for all parts of a batch.

    A subclass has `_sample(seed, size, like)`, which draws a plan of the class `_plan_type`,
    `_move(images, plan)`, which applies it to images and masks, and `_plan_shape(size)`, the shape
    of the plan's second part.

    Args:
        settings: A `keras_patchmix.mixing.Settings`.
        **kwargs: Arguments of `MixingLayer`.
    """

    def __init__(self, settings, **kwargs):
        super().__init__(**kwargs)
        self.settings = settings

    def _draw(self, batch, seed, size):
        seed = self._next_seed(batch.ops) if seed is None else seed
        return self._sample(seed, size, batch.images)

    def _apply(self, plan, batch, size):
        labels = batch.labels
        if labels is not None:
            # Both steps are linear: smoothing first is smoothing after the blend, and leaves
            # compilers one rounding less to differ in.
            labels = mixing.smooth_labels(labels, self.label_smoothing)
        return batch.pack(**self._mixed_parts(plan, batch, size, labels))

    def _mixed_parts(self, plan, batch, size, labels):
        """Mixes a batch, and smooths nothing.

        Args:
            plan: A plan of this layer.
            batch: A `structures.Batch`.
            size: `(batch, height, width)` of its images, each an integer or a tensor.
            labels: Float32 `(batch, classes)`, in place of the batch's own; or `None`.

        Returns:
            A dict of the parts that are there.
        """
        self._check_plan(plan, size)
        pixels = {structures.IMAGES: batch.images, structures.MASKS: batch.masks}
        parts = {key: self._move(part, plan) for key, part in pixels.items() if part is not None}
        return parts if labels is None else {**parts, **mix_labels(batch, labels, plan)}

    def _check_plan(self, plan, size):
        message = "`plan` must be one that this layer's `sample_plan` drew for images of this size"
        if not isinstance(plan, self._plan_type):
            raise ValueError(f"{message}. Received: plan of type {type(plan).__name__}")
        name, expected = plan._fields[1], self._plan_shape(size)
        found = tuple(plan[1].shape)
        if len(found) != len(expected) or any(
            isinstance(one, int) and isinstance(other, int) and one != other
            for one, other in zip(found, expected, strict=True)
        ):
            raise ValueError(f"{message}. Received: plan.{name}.shape={found}, not {expected}")

    def get_config(self):
        """Returns all arguments of the constructor."""
        return {
            **super().get_config(),
            "alpha": self.settings.alpha,
            "ratio": self.settings.ratio,
            "probability": self.settings.probability,
            "mode": self.settings.mode,
        }
