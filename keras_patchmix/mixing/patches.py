"""Patch Mixing as pure functions: sample a plan, then apply it to images and masks.

Sampling draws everything that is random and applying draws nothing, so that one plan serves all
the tensors of a batch. Source: Lee et al. 2023, arXiv 2306.17848, section 3:

    x~ = (1 - M) * x_A + M * x_B        y~ = (1 - r) * y_A + r * y_B

M is 1 on N1 of the N patches of a grid, chosen uniformly without replacement, and r is the share
of the image that they cover. The label weight here is counted from the pixels that the plan
moves, so it is exact for grids that do not divide the image too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_patchmix.base.types import Tensor
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.drawing import draw, for_batch, match, pixel_share
from keras_patchmix.mixing.grid import Grid
from keras_patchmix.mixing.moving import move_patches
from keras_patchmix.mixing.ratio import patch_counts
from keras_patchmix.mixing.settings import Settings

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


def sample_plan(
    seed: Tensor | Sequence[int],
    batch_size: Any,
    image_size: Sequence[Any],
    grid: Grid,
    settings: Settings = Settings(),  # noqa: B008  it is frozen
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
    rows, columns = grid.shape(*image_size)
    grid.check_at_run_time(*image_size)
    num_patches = rows * columns
    uniform, mixed, partner = draw(seed, batch_size, num_patches + 1, settings, like, image_size)
    ops = arrays.of(uniform)
    count = ops.where(mixed, patch_counts(uniform[:, 0], num_patches, settings), 0)
    mask = _choose(uniform[:, 1:], count, num_patches)
    mask = ops.reshape(mask, (ops.shape(uniform)[0], rows, columns))
    share = _share(ops, mask, image_size, grid)
    return MixingPlan(partner, *(for_batch(part, batch_size, settings) for part in (mask, share)))


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
    images = arrays.of(images).convert_to_tensor(images)
    plan = match(plan, images)
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
    return apply_to_images(masks, plan, grid, data_format)


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


def _share(ops, mask, image_size, grid):
    """Float32 `(draws,)`: the pixels under each mask over all pixels, counted in integers."""
    height, width = image_size
    row_heights = ops.match(grid.row_heights(height), mask)
    column_widths = ops.match(grid.column_widths(width), mask)
    lines = ops.sum(ops.cast(mask, "int32") * column_widths, axis=2)
    return pixel_share(ops, ops.sum(lines * row_heights, axis=1), image_size)
