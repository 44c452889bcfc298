"""The partner's share of a mixed image's label, by a vision transformer's attention.

Pure functions of tensors of the Keras backend. Sources: Chen et al. 2022 (TransMix, arXiv
2111.09833) for the share of attention; Zhao et al. 2023 (MixPro, arXiv 2304.12043) and its
published code for the progressive factor. Both give the weight of the image itself; a plan has
that of the partner.
"""

from keras import ops

RULES = ("progressive", "mean", "attention")


def foreign_parts(mask, grid, image_size, patches, patch_grid):
    """Returns the share of each patch's pixels that come from the partner.

    Args:
        mask: Bool `(batch, rows, columns)` of a `keras_patchmix.mixing.MixingPlan`.
        grid: The `keras_patchmix.mixing.Grid` of the mask.
        image_size: `(height, width)`, integers or scalar int32 tensors.
        patches: The `Grid` of the model's patches.
        patch_grid: `(rows, columns)` of patches that the model sees, without a remainder on the
            right or at the bottom.

    Returns:
        Float32 `(batch, patch rows, patch columns)` in [0, 1].
    """
    height, width = image_size
    rows, columns = grid.shape(height, width)
    lines = _common(grid.row_of_line(height), rows, patches.row_of_line(height), patch_grid[0])
    pixels = _common(
        grid.column_of_pixel(width), columns, patches.column_of_pixel(width), patch_grid[1]
    )
    # Sums of small integers are exact in every precision of a matrix product.
    foreign = ops.einsum("ir,brc,jc->bij", lines, ops.cast(mask, "float32"), pixels)
    area = ops.sum(lines, axis=1)[:, None] * ops.sum(pixels, axis=1)[None]
    return foreign / area


def attention_share(attention, plan, grid, image_size, patches):
    """Returns the share of the attention that falls on pixels of the partner.

    sum_p A_p m_p / sum_p A_p, with the attention A_p to patch p and the share m_p of its pixels
    that come from the partner.

    Args:
        attention: Float32 `(batch, rows, columns)`, non-negative, one entry a patch.
        plan: A `keras_patchmix.mixing.MixingPlan`.
        grid: The `Grid` of the plan.
        image_size: `(height, width)`, integers or scalar int32 tensors.
        patches: The `Grid` of the model's patches, as in `foreign_parts`.

    Returns:
        Float32 `(batch,)` in [0, 1]; the share of pixels where there is no attention at all.
    """
    attention = ops.cast(attention, "float32")
    parts = foreign_parts(plan.mask, grid, image_size, patches, ops.shape(attention)[1:])
    total = ops.sum(attention, axis=(1, 2))
    share = ops.sum(attention * parts, axis=(1, 2)) / ops.where(total > 0, total, 1.0)
    return ops.where(total > 0, ops.clip(share, 0.0, 1.0), plan.share)


def progressive_factor(probabilities, labels):
    """Returns the weight of attention: the cosine of the model's answer and the label by pixels.

    Args:
        probabilities: Float `(batch, classes)`, non-negative.
        labels: Float32 `(batch, classes)`, non-negative: blended by the share of pixels.

    Returns:
        Float32 `(batch,)` in [0, 1].
    """
    probabilities = ops.cast(probabilities, "float32")
    product = ops.sum(probabilities * labels, axis=-1)
    squares = ops.sum(probabilities**2, axis=-1) * ops.sum(labels**2, axis=-1)
    factor = product / ops.sqrt(ops.where(squares > 0, squares, 1.0))
    return ops.minimum(factor, 1.0)


def label_share(rule, attention, area, probabilities=None, labels=None):
    """Returns the partner's share of the label.

    Args:
        rule: `"attention"`: the share of attention. `"mean"`: the mean of the shares of attention
            and of pixels. `"progressive"`: their mean weighted by the `progressive_factor`.
        attention: Float32 `(batch,)`, an `attention_share`.
        area: Float32 `(batch,)`, the share of pixels.
        probabilities: As in `progressive_factor`, for that rule.
        labels: Likewise.

    Returns:
        Float32 `(batch,)` in [0, 1].
    """
    if rule == "attention":
        return attention
    trust = 0.5 if rule == "mean" else progressive_factor(probabilities, labels)
    return trust * attention + (1 - trust) * area


def _common(cell_of_line, cells, patch_of_line, patches):
    """Returns float32 `(patches, cells)`, the number of lines of pixels in both."""

    def members(index, count):
        numbers = ops.arange(count, dtype="int32")
        index = ops.cast(ops.convert_to_tensor(index), "int32")
        return ops.cast(numbers[:, None] == index[None], "float32")

    return ops.einsum("pl,cl->pc", members(patch_of_line, patches), members(cell_of_line, cells))
