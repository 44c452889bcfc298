"""Patch Mixing as pure functions: sample a plan, then apply it to images, masks and labels.

Sampling draws everything that is random and applying draws nothing, so that one plan serves all
the tensors of a batch. Source: Lee et al. 2023, arXiv 2306.17848, section 3:

    x~ = (1 - M) * x_A + M * x_B        y~ = (1 - r) * y_A + r * y_B

M is 1 on N1 of the N patches of a grid, chosen uniformly without replacement, and r is the share
of the image that they cover. The label weight here is counted from the pixels that the plan
moves, so it is exact for grids that do not divide the image too.
"""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras_patchmix.base.types import Tensor
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.grid import Grid
from keras_patchmix.mixing.moving import move_patches
from keras_patchmix.mixing.ratio import patch_counts

__all__ = ["Grid", "MixingPlan", "Settings", "apply_to_images", "apply_to_labels"]
__all__ += ["apply_to_masks", "sample_plan", "smooth_labels"]

# stateless uniforms are multiples of 2^-23
_RANDOM_RANGE = 2**23


class MixingPlan(NamedTuple):
    """What a batch becomes: which patches of which image go where.

    Attributes:
        partner: Int32 `(batch,)`, the image that gives its patches to image i.
        mask: Bool `(batch, rows, columns)`, the patches that are replaced.
        share: Float32 `(batch,)` in [0, 1], the share of pixels that they cover: the label weight
            of the partner.
    """

    partner: Any
    mask: Any
    share: Any


@dataclass(frozen=True)
class Settings:
    """How much is mixed, and how often.

    Attributes:
        alpha: Positive float: the ratio follows Beta(alpha, alpha), unless `ratio` is given.
        ratio: `None`, a number in [0, 1] (fixed), or `(low, high)` (uniform).
        probability: Float in [0, 1], how often a sample (a batch, in mode "batch") is mixed.
        mode: `"sample"`: coin, ratio and patches are drawn for every sample. `"batch"`: one coin,
            one ratio and one mask serve the whole batch. Partners differ in both.
        rounding: `"nearest"`: round-half-even(r N) of the N patches are replaced; `"down"`:
            floor(r N), and never all of them.

    Raises:
        ValueError: A value is out of range.
    """

    alpha: float = 1.0
    ratio: Any = None
    probability: float = 1.0
    mode: str = "sample"
    rounding: str = "nearest"

    def __post_init__(self):
        if not (is_number(self.alpha) and 0 < self.alpha < float("inf")):
            raise ValueError(f"`alpha` must be a positive number. Received: alpha={self.alpha!r}")
        if isinstance(self.ratio, list):
            object.__setattr__(self, "ratio", tuple(self.ratio))
        if self.ratio is not None and not _is_ratio(self.ratio):
            raise ValueError(
                "`ratio` must be None, a number in [0, 1], or (low, high) with "
                f"0 <= low <= high <= 1. Received: ratio={self.ratio!r}"
            )
        if not (is_number(self.probability) and 0 <= self.probability <= 1):
            raise ValueError(
                "`probability` must be a number in [0, 1]. "
                f"Received: probability={self.probability!r}"
            )
        if self.mode not in ("sample", "batch"):
            raise ValueError(f"`mode` must be 'sample' or 'batch'. Received: mode={self.mode!r}")
        if self.rounding not in ("nearest", "down"):
            raise ValueError(
                f"`rounding` must be 'nearest' or 'down'. Received: rounding={self.rounding!r}"
            )


def is_number(value):
    """Whether `value` is a real number, which a bool is not meant to be."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_ratio(value):
    bounds = value if isinstance(value, tuple) else (value, value)
    return (
        len(bounds) == 2
        and all(is_number(bound) for bound in bounds)
        and 0 <= bounds[0] <= bounds[1] <= 1
    )


def sample_plan(
    seed: Tensor | Sequence[int],
    batch_size: Any,
    image_size: Sequence[Any],
    grid: Grid,
    settings: Settings = Settings(),
    like: Any = None,
) -> MixingPlan:
    """Draws a plan for one batch.

    Args:
        seed: Two integers, or an integer array or tensor of shape `(2,)`: the same seed gives the
            same plan.
        batch_size: Integer or scalar int32 tensor. A batch of one is left unmixed.
        image_size: `(height, width)`, integers or scalar int32 tensors.
        grid: A `Grid`.
        settings: A `Settings`: how much is mixed, and how often.
        like: A tensor or array, such as the images: the plan is of its kind, and so is the
            generator that draws it. Defaults to the kind of the seed and the sizes, NumPy where
            all are numbers.

    Returns:
        A `MixingPlan`. Partners are a random cycle through the batch, so that no sample is its
        own. The number of patches is r N, rounded as the settings say.
    """
    seed = tuple(seed) if isinstance(seed, list) else seed
    ops = arrays.of(like, *(seed if isinstance(seed, tuple) else (seed,)), batch_size, *image_size)
    rows, columns = grid.shape(*image_size)
    grid.check_at_run_time(*image_size)
    num_patches = rows * columns
    draws = batch_size if settings.mode == "sample" else 1

    # One draw for all: coins, counts and patches of every row, then the order of the cycle.
    columns_drawn = num_patches + 2
    uniform = ops.random_uniform((draws * columns_drawn + batch_size,), seed)
    if like is not None:
        uniform = ops.match(uniform, like)
    order = uniform[draws * columns_drawn :]
    uniform = ops.reshape(uniform[: draws * columns_drawn], (draws, columns_drawn))
    mixed = (uniform[:, 0] < settings.probability) & (batch_size > 1)
    count = patch_counts(
        uniform[:, 1], num_patches, settings.alpha, settings.ratio, settings.rounding
    )
    count = ops.where(mixed, count, 0)
    mask = ops.reshape(_choose(uniform[:, 2:], count, num_patches), (draws, rows, columns))
    share = _pixel_share(mask, image_size, grid)
    if settings.mode == "batch":
        mask = ops.broadcast_to(mask, (batch_size, rows, columns))
        share = ops.broadcast_to(share, (batch_size,))
    return MixingPlan(_cycle(order, batch_size), mask, share)


def apply_to_images(
    images: Tensor, plan: MixingPlan, grid: Grid, data_format: str = "channels_last"
) -> Tensor:
    """Replaces patches of every image by those of its partner.

    Args:
        images: Tensor of any dtype, `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` with `data_format="channels_first"`.
        plan: A `MixingPlan`.
        grid: The `Grid` that the plan was drawn for.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of the same shape and dtype; every value is a bit-exact copy of an input value.
    """
    ops = arrays.of(images)
    images = ops.convert_to_tensor(images)
    plan = _match(plan, images)
    return move_patches(images, plan.partner, plan.mask, grid, data_format)


def apply_to_masks(
    masks: Tensor, plan: MixingPlan, grid: Grid, data_format: str = "channels_last"
) -> Tensor:
    """Mixes segmentation masks as their images were mixed.

    Args:
        masks: Tensor of any dtype, `(batch, height, width)`, or of rank 4 as images are.
        plan: A `MixingPlan`.
        grid: The `Grid` that the plan was drawn for.
        data_format: Of masks of rank 4.

    Returns:
        A tensor of the same shape and dtype.
    """
    ops = arrays.of(masks)
    masks = ops.convert_to_tensor(masks)
    if len(masks.shape) == 4:
        return apply_to_images(masks, plan, grid, data_format)
    mixed = apply_to_images(ops.expand_dims(masks, -1), plan, grid)
    return ops.reshape(mixed, ops.shape(masks))


def apply_to_labels(labels: Tensor, plan: MixingPlan, sample_weight: Tensor | None = None) -> Any:
    """Blends labels, and sample weights, by the share of pixels replaced.

    With weights, w = (1 - r) w_A + r w_B and y = ((1 - r) w_A y_A + r w_B y_B) / w, so that the
    weighted cross-entropy is the weighted blend of the two cross-entropies. What has no part in a
    blend leaves no trace in it, be it nan or infinite.

    Args:
        labels: Float32 `(batch, classes)`: one-hot, soft or multi-hot.
        plan: A `MixingPlan`.
        sample_weight: Float32 `(batch,)`, non-negative, or `None`.

    Returns:
        Float32 `(batch, classes)`, or with weights `(labels, sample_weight)`.
    """
    ops = arrays.of(labels)
    labels = ops.convert_to_tensor(labels)
    plan = _match(plan, labels)
    foreign = ops.take(labels, plan.partner, axis=0)
    own, zero = 1 - plan.share, _unseen_zero(ops, plan.share)
    if sample_weight is None:
        return _blend(ops, labels, foreign, own, plan.share, zero)
    sample_weight = ops.match(sample_weight, labels)
    foreign_weight = ops.take(sample_weight, plan.partner, axis=0)
    weight_own = _times(ops, own, sample_weight) + zero
    weight_foreign = _times(ops, plan.share, foreign_weight) + zero
    weight = weight_own + weight_foreign
    # Two samples of weight zero count for nothing: any blend is right, and 0 / 0 is not.
    counts = weight > 0
    divisor = ops.where(counts, weight, 1.0)
    own = ops.where(counts, weight_own / divisor, own)
    foreign_share = ops.where(counts, weight_foreign / divisor, plan.share)
    return _blend(ops, labels, foreign, own, foreign_share, zero), weight


def smooth_labels(labels: Tensor, amount: float) -> Tensor:
    """Label smoothing that keeps the sum of every row: (1 - e) y + e mean_k(y).

    For one-hot rows and their blends this is the smoothing of Szegedy et al. 2016,
    arXiv 1512.00567, section 7.

    Args:
        labels: Float32 `(batch, classes)`.
        amount: Float e in [0, 1].

    Returns:
        Float32 `(batch, classes)`.
    """
    if not amount:
        return labels
    ops = arrays.of(labels)
    classes = ops.shape(labels)[-1]
    # Divided once, so that it does not matter whether a compiler divides or multiplies here.
    share = amount / (classes if isinstance(classes, int) else ops.cast(classes, "float32"))
    total = _row_sums(ops, labels)
    zero = _unseen_zero(ops, total)
    return ((1 - amount) * labels + zero) + (share * total + zero)


def _blend(ops, own, foreign, weight_own, weight_foreign, zero):
    weight_own, weight_foreign, zero = (
        ops.expand_dims(part, -1) for part in (weight_own, weight_foreign, zero)
    )
    parts = _times(ops, weight_own, own), _times(ops, weight_foreign, foreign)
    return (parts[0] + zero) + (parts[1] + zero)


def _times(ops, share, x):
    """The product, and 0 where the share is 0, which 0 * nan is not."""
    return ops.where(share == 0, 0.0, share * x)


def _row_sums(ops, x):
    """Float32 `(rows, 1)`: sums in one order everywhere, where backends have each their own."""
    columns = ops.shape(x)[-1]
    if not isinstance(columns, int):
        return ops.sum(x, axis=-1, keepdims=True)
    while columns > 1:
        half = columns // 2
        halves = x[:, :half] + x[:, half : 2 * half]
        x = ops.concat([halves, x[:, 2 * half :]], axis=1) if columns % 2 else halves
        columns -= half
    return x


def _unseen_zero(ops, x):
    """Zeros that a compiler cannot know to be zeros; nan where `x` is nan.

    Compilers contract a product and a sum into one operation with one rounding, eager code rounds
    twice. With a zero added to each product labels stay within one unit in the last place.
    """
    return ops.where(x == x, 0.0, x)


def _match(plan, like):
    ops = arrays.of(like)
    return MixingPlan(*(ops.match(part, like) for part in plan))


def _choose(uniform, count, num_patches):
    """Bool `(draws, patches)`: in each row, the patches of the `count` largest random keys."""
    ops = arrays.of(uniform)
    # The patch's number in the low digits makes keys distinct, so that exactly `count` are taken.
    levels, dtype = _RANDOM_RANGE, "int64"
    if isinstance(num_patches, int):
        levels, dtype = min(levels, (2**31 - 1) // num_patches - 1), "int32"
    else:
        num_patches = ops.cast(num_patches, dtype)
    number = ops.match(ops.arange(num_patches), uniform)
    keys = ops.cast(uniform * levels, dtype) * num_patches + number
    last = ops.where(count > 0, count - 1, 0)
    smallest_taken = ops.take_along_rows(ops.sort_descending(keys), last)
    return (keys >= ops.expand_dims(smallest_taken, -1)) & ops.expand_dims(count > 0, -1)


def _cycle(uniform, batch_size):
    """Int32 `(batch,)`: the successor of each sample on the cycle that `uniform` orders."""
    ops = arrays.of(uniform)
    order = ops.argsort(uniform)
    position = ops.argsort(order)
    return ops.cast(ops.take(order, (position + 1) % batch_size, axis=0), "int32")


def _pixel_share(mask, image_size, grid):
    """Float32 `(draws,)`: the pixels under each mask over all pixels, counted in integers."""
    ops = arrays.of(mask)
    height, width = image_size
    row_heights = ops.match(grid.row_heights(height), mask)
    column_widths = ops.match(grid.column_widths(width), mask)
    lines = ops.sum(ops.cast(mask, "int32") * column_widths, axis=2)
    pixels = ops.sum(lines * row_heights, axis=1)
    area = height * width
    return ops.cast(pixels, "float32") / (
        float(area) if isinstance(area, int) else ops.cast(area, "float32")
    )
