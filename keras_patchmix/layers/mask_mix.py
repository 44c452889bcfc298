"""The MaskMix layer."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import keras

from keras_patchmix.base.types import Size
from keras_patchmix.layers.patch_mixing import PatchMixing
from keras_patchmix.layers.sizes import check_size
from keras_patchmix.mixing.grid import Grid
from keras_patchmix.mixing.ratio import count_table


@keras.saving.register_keras_serializable(package="keras_patchmix")
class MaskMix(PatchMixing):
    """Replaces cells of several patches of a vision transformer, as MixPro does.

    The cells of the grid are a multiple of the model's patches in size, so that every patch of a
    mixed image comes from one image, and neighboring patches mostly from the same. It is
    `PatchMixing` with that grid and another law of the number of cells: at least one cell of the
    image itself stays. Labels are blended by the share of pixels; for weights from the model's
    attention see `keras_patchmix.training.attention_labels`.

    Cells begin in the upper left corner; the last one of a side is smaller where cells do not
    divide the image. With the defaults an image of 224 pixels has 4x4 cells of 64 pixels, the last
    ones half as wide.

    References:
        - Zhao et al. 2023, "MixPro: Data Augmentation with MaskMix and Progressive Attention
          Labeling for Vision Transformer", [arXiv 2304.12043](https://arxiv.org/abs/2304.12043),
          and its published code: ceil(l N) of the N cells stay, l ~ Beta(alpha, alpha), which is
          one for all the batch there and drawn for every sample here. There half of the batches
          are mixed so, the others by CutMix and MixUp: see `RandomChoice`.

    Args:
        patch_size: Integer or `(height, width)` in pixels: the patches of the model. Defaults to
            `16`.
        multiple: Positive integer: a cell is so many patches high and wide. Defaults to `4`.
        alpha: Positive float: the ratio follows Beta(alpha, alpha). Defaults to `1.0`.
        ratio: The share of cells to replace, in place of `alpha`: a number in [0, 1], or
            `(low, high)` for a uniform draw. `floor(ratio * N)` of the N cells are replaced, and
            at most N - 1. Defaults to `None`.
        probability: Float in [0, 1], how often a sample (in mode `"batch"` a batch) is mixed.
            Defaults to `1.0`.
        mode: `"sample"` draws coin, ratio and cells for every sample, `"batch"` once for all of a
            batch. Defaults to `"sample"`.
        num_classes: Integer: labels may then be integer class ids. Defaults to `None`.
        label_smoothing: Float e in [0, 1]: `(1 - e) y + e mean(y)`, after the blend. Defaults to
            `0.1`.
        seed: Integer or `None`, as in `PatchMixing`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments and returned values are those of `PatchMixing`.

    Raises:
        ValueError: An argument is out of range, the data cannot be mixed, or an image has less
            than two cells.

    Example:
    >>> mix = keras_patchmix.layers.MaskMix(patch_size=4, multiple=2, num_classes=10, seed=1)
    >>> train = train.batch(128).map(mix)  # 32 pixels: 4x4 cells of 8 pixels
    """

    def __init__(
        self,
        patch_size: Size = 16,
        multiple: int = 4,
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
        if not isinstance(multiple, int) or isinstance(multiple, bool) or multiple < 1:
            raise ValueError(
                f"`multiple` must be a positive integer. Received: multiple={multiple!r}"
            )
        # Finds sizes valid that are multiplied below.
        patch_size = Grid(patch_size=patch_size).patch_size
        super().__init__(
            patch_size=tuple(multiple * side for side in patch_size),
            alpha=alpha,
            ratio=ratio,
            probability=probability,
            mode=mode,
            num_classes=num_classes,
            label_smoothing=label_smoothing,
            seed=seed,
            data_format=data_format,
            **kwargs,
        )
        self.settings = dataclasses.replace(self.settings, rounding="down")
        self.multiple = multiple

    def _grid_shape(self, batch, height, width):
        rows, columns = self.grid.shape(height, width)
        cell = "x".join(map(str, self.grid.patch_size))
        message = (
            f"Images must have at least two cells, of {cell} pixels each: give a smaller "
            f"`multiple`, or the `patch_size` of the model. Received: multiple={self.multiple}, "
            f"patch_size={self.patch_size} and images of"
        )
        check_size(batch, rows * columns >= 2, message, height, width)
        return rows, columns

    def _warn_if_idle(self, num_patches):
        if count_table(num_patches, self.settings)[0] >= 1:
            warnings.warn(
                f"MaskMix will never replace a cell: ratio={self.settings.ratio} of {num_patches} "
                "cells, rounded down, is none.",
                stacklevel=3,
            )

    def get_config(self):
        """Returns all arguments of the constructor."""
        config = {**super().get_config(), "multiple": self.multiple}
        del config["grid_size"]
        return config

    @property
    def patch_size(self):
        """`(height, width)` in pixels of the model's patches; a cell is `multiple` times that."""
        height, width = self.grid.patch_size
        return height // self.multiple, width // self.multiple
