"""The Patch Mixing layer."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from keras_patchmix import mixing
from keras_patchmix.base.types import Size
from keras_patchmix.layers.plan_mixing import PlanMixing
from keras_patchmix.layers.sizes import check_size
from keras_patchmix.mixing.ratio import count_table

_DEFAULT_GRID = 7
_CHANNELS = (1, 3, 4)


@keras.saving.register_keras_serializable(package="keras_patchmix")
class PatchMixing(PlanMixing):
    """Replaces random grid patches of every image by those of another image of the batch.

    The labels are blended by the share of pixels replaced, then smoothed. A convolutional network
    trained so learns to ignore patches that do not belong to the image.

    The layer belongs after `.batch(...)`, and serves tuple and dict data sets alike. Shares and
    labels are float32 under every dtype policy, images keep their dtype, and every output value
    is a bit-exact copy of an input value.

    References:
        - Lee et al. 2023, "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing",
          [arXiv 2306.17848](https://arxiv.org/abs/2306.17848), section 3. How the ratio is drawn,
          the smoothing and the probability are not published: the defaults here are ours.
        - Szegedy et al. 2016, [arXiv 1512.00567](https://arxiv.org/abs/1512.00567), section 7
          (label smoothing).

    Args:
        grid_size: Integer or `(rows, columns)`: exactly that many patches, with boundaries at
            `floor(i * height / rows)`. Defaults to `None`, which is 7 unless there is a
            `patch_size`.
        patch_size: Integer or `(height, width)` in pixels, in place of `grid_size`: the last
            patch of a side is smaller where the size does not divide the image. Defaults to
            `None`.
        alpha: Positive float: the ratio follows Beta(alpha, alpha). Not used where `ratio` is
            given. Defaults to `1.0`.
        ratio: The share of patches to replace, in place of `alpha`: a number in [0, 1], or
            `(low, high)` for a uniform draw. `round-half-even(ratio * N)` of the N patches are
            replaced. Defaults to `None`.
        probability: Float in [0, 1], how often a sample (in mode `"batch"` a batch) is mixed.
            Unmixed samples are smoothed too. Defaults to `0.5`: in our runs always
            mixing cost clean accuracy and gained nothing under foreign patches.
        mode: `"sample"` draws coin, ratio and patches for every sample, `"batch"` once for all of
            a batch. Defaults to `"sample"`.
        num_classes: Integer: labels may then be integer class ids. Defaults to `None`.
        label_smoothing: Float e in [0, 1]: `(1 - e) y + e mean(y)`, after the blend. Defaults to
            `0.1`. Do not let the loss smooth a second time.
        seed: Integer or `None`. With a seed a sequential `map` gives the same batches on every
            run; for a parallel map use `keras_patchmix.layers.map_seeded`. A copy, a pickle, a
            forked or spawned worker continues with other plans; a new layer with the seed and
            `from_config` start again. Defaults to `None`, which follows
            `keras.utils.set_random_seed`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for Keras' setting.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        data: Images, a batch of rank 4 and any number type; `(images, labels)`;
            `(images, labels, sample_weight)`; or a dict with `"images"` and `"labels"` and/or
            `"segmentation_masks"` (`(batch, height, width)`, or of rank 4, in any number type but
            floats of half precision), and `"sample_weight"` if there are weights. Keys in the
            singular, as in TensorFlow Datasets, work too; other keys pass through.
        labels: One-hot, soft or multi-hot rows `(batch, classes)`, or integers `(batch,)` or
            `(batch, 1)` with `num_classes`. Floats may be such integers if their dtype holds all
            of them exactly: bfloat16 up to 256 classes, float16 up to 2,048.
        sample_weight: `(batch,)` or `(batch, 1)`, finite and non-negative.
        training: `True` mixes. `False` leaves images untouched and labels unmixed and unsmoothed,
            in the form that they have in training. Defaults to `None`, which is `True` where
            there are labels or masks, and `False` for images alone: so a model that holds the
            layer passes them through when it is called, exported or predicts. A subclassed
            model that calls a random image layer of Keras first must pass `training` to both.

    Returns:
        What came in, in the same structure: labels and weights as float32, all else in its own
        dtype.

    Raises:
        ValueError: An argument is out of range, or the data cannot be mixed: a grid that is finer
            than the image, or a patch that is larger, too. Images alone with `training=True`:
            inside a model the way is `keras_patchmix.training.mix_on_device`.

    Example:
    >>> mix = keras_patchmix.PatchMixing(num_classes=10, seed=1)
    >>> train = train.batch(128).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    >>> validation = validation.batch(128).map(lambda x, y: mix(x, y, training=False))
    """

    _plan_type = mixing.MixingPlan

    def __init__(
        self,
        grid_size: Size | None = None,
        patch_size: Size | None = None,
        alpha: float = 1.0,
        ratio: float | Sequence[float] | None = None,
        probability: float = 0.5,
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
        if grid_size is None and patch_size is None:
            grid_size = _DEFAULT_GRID
        self.grid = mixing.Grid(grid_size, patch_size)
        if self.grid.grid_size is not None:
            self._warn_if_idle(self.grid.grid_size[0] * self.grid.grid_size[1])

    def _check(self, batch, size):
        _, height, width = size
        try:
            self._grid_shape(batch, height, width)
        except ValueError as error:
            raise ValueError(f"{error}{self._other_format(batch.images)}") from error
        self.grid.check_at_run_time(height, width)

    def _sample(self, seed, size, like):
        rows, columns = self.grid.shape(*size[1:])
        if isinstance(rows, int) and isinstance(columns, int) and self.patch_size is not None:
            self._warn_if_idle(rows * columns)
        return mixing.sample_plan(seed, size[0], size[1:], self.grid, self.settings, like)

    def _move(self, images, plan):
        return mixing.apply_to_images(images, plan, self.grid, self.data_format)

    def _plan_shape(self, size):
        return size[0], *self.grid.shape(*size[1:])

    def _grid_shape(self, batch, height, width):
        """The numbers of rows and columns, where a patch is no larger than the image."""
        if self.patch_size is not None:
            message = (
                "`patch_size` must not be larger than the image. "
                f"Received: patch_size={self.patch_size} and images of"
            )
            fits = (height >= self.patch_size[0]) & (width >= self.patch_size[1])
            check_size(batch, fits, message, height, width)
        return self.grid.shape(height, width)

    def _other_format(self, images):
        """A hint, for messages, where images look as if they had the other data format, else ""."""
        _, *sides, last = images.shape
        here, there = (last, sides[0]) if self.data_format == "channels_last" else (sides[0], last)
        if there not in _CHANNELS or here in _CHANNELS:
            return ""
        other = {"channels_last": "channels_first", "channels_first": "channels_last"}
        return (
            f". With data_format={self.data_format!r}: give data_format="
            f"{other[self.data_format]!r} if {there} is the number of channels"
        )

    def _warn_if_idle(self, num_patches):
        if count_table(num_patches, self.settings)[0] >= 1:
            warnings.warn(
                f"PatchMixing will never replace a patch: ratio={self.settings.ratio} of "
                f"{num_patches} patches rounds to none.",
                stacklevel=3,
            )

    def get_config(self):
        """Returns all arguments of the constructor."""
        return {
            **super().get_config(),
            "grid_size": self.grid_size,
            "patch_size": self.patch_size,
        }

    @property
    def grid_size(self):
        """`(rows, columns)`, or `None` where `patch_size` is given."""
        return self.grid.grid_size

    @property
    def patch_size(self):
        """`(height, width)` in pixels, or `None` where `grid_size` is given."""
        return self.grid.patch_size
