"""Mixing for hardening: patches of other images, and black patches."""

from typing import Any

import numpy as np

from keras_patchmix import mixing
from keras_patchmix.base.types import Size


class PatchOcclusion:
    """Patch Mixing in which black counts as one more image, which has no label.

    Some images get patches of another image of the batch, with the labels blended; some get black
    patches, with the labels kept; the rest stay whole. It takes and returns NumPy arrays.

    Args:
        grid_size: Integer or (rows, columns).
        foreign: How often an image gets patches of another one, in [0, 1].
        black: How often it gets black ones; the sum of both is at most 1.
        value: The value of black pixels.
    """

    def __init__(
        self, grid_size: Size, foreign: float = 0.5, black: float = 0.25, value: float = 0.0
    ):
        for name, share in (("foreign", foreign), ("black", black), ("sum", foreign + black)):
            if not 0 <= share <= 1:
                raise ValueError(
                    "`foreign`, `black` and their sum must be in [0, 1]. "
                    f"Received: {name}={share!r}"
                )
        self._grid = mixing.Grid(grid_size)
        self._foreign, self._black, self._value = foreign, black, value

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments of the constructor."""
        return {
            "grid_size": self._grid.grid_size,
            "foreign": self._foreign,
            "black": self._black,
            "value": self._value,
        }

    def sample_plan(self, images: Any, seed: Any) -> "mixing.MixingPlan":
        """Draws the plan of a batch, a pure function of the seed.

        Args:
            images: `(batch, height, width, channels)`; only the shape is read.
            seed: Two integers.

        Returns:
            A `MixingPlan` of NumPy arrays. The partner of an image with black patches is the image
            behind the last one, and its share in the label is 0.
        """
        count = len(images)
        settings = mixing.Settings(probability=self._foreign + self._black)
        plan = mixing.sample_plan(seed, count, images.shape[1:3], self._grid, settings)
        uniform = np.random.default_rng([*seed, count]).random(count)
        black = uniform * (self._foreign + self._black) >= self._foreign
        return mixing.MixingPlan(
            np.where(black, np.int32(count), plan.partner),
            plan.mask,
            np.where(black, np.float32(0), plan.share),
        )

    def apply_plan(self, plan: "mixing.MixingPlan", batch: dict[str, Any]) -> dict[str, Any]:
        """Returns a batch, a dict with "images" and "labels" (batch, classes), as a plan says."""
        images, labels = batch["images"], batch["labels"]
        count = len(images)
        with_black = np.concatenate([images, np.full_like(images[:1], self._value)])
        # The black image itself stays as it is.
        whole = mixing.MixingPlan(
            np.append(plan.partner, np.int32(count)),
            np.concatenate([plan.mask, np.zeros_like(plan.mask[:1])]),
            np.append(plan.share, np.float32(0)),
        )
        blended = mixing.apply_to_labels(np.concatenate([labels, labels[:1]]), whole)
        mixed = mixing.apply_to_images(with_black, whole, self._grid)
        return {"images": mixed[:count], "labels": blended[:count]}
