"""How patches are moved: the two forms in which pixels are read and written."""

from typing import Any, NamedTuple

from keras_patchmix.mixing import arrays


def move_patches(images, partner, mask, grid, data_format):
    """Replaces the masked patches of every image by those of its partner.

    Two forms give the same: a gather of runs of pixels, which reads and writes every value once,
    and a selection between every image and its partner, which suits compilers. The operations of
    each kind of tensor say which is better there (`prefers_selection`).

    Args:
        images: Tensor of any dtype, of rank 4; or masks, also of rank 3.
        partner: Int32 `(batch,)`, a tensor of the same kind.
        mask: Bool `(batch, rows, columns)`, likewise.
        grid: A `keras_patchmix.mixing.Grid`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of the same shape and dtype.
    """
    ops = arrays.of(images)
    shape = ops.shape(images)
    layout = layout_of(shape, data_format)

    def by_gather(periods, strips):
        return ops.reshape(_gather(images, partner, mask, grid, layout, periods, strips), shape)

    def by_selection():
        return select(images, partner, _pixel_mask(ops, mask, grid, layout), layout)

    def in_form_for(equal, strips):
        if ops.prefers_selection(images, equal):
            return by_selection()
        return by_gather(*strips(layout.width))

    equal = grid.equal_width(layout.width)
    if isinstance(equal, bool):
        return in_form_for(equal, grid.strips)
    return ops.cond(
        equal,
        lambda: in_form_for(True, grid.strips_of_equal_width),
        lambda: in_form_for(False, grid.strips_of_unequal_width),
    )


class Layout(NamedTuple):
    """Sizes of images: a pixel of a plane holds `depth` values; one of planes and depth is 1."""

    batch: Any
    planes: Any
    height: Any
    width: Any
    depth: Any


def layout_of(shape, data_format):
    """The `Layout` of images of a shape, or of masks of rank 3.

    Args:
        shape: Tuple of integers and scalar tensors.
        data_format: `"channels_last"` or `"channels_first"`, where the rank is 4.
    """
    if len(shape) == 3:
        batch, height, width = shape
        return Layout(batch, 1, height, width, 1)
    if data_format == "channels_last":
        batch, height, width, depth = shape
        return Layout(batch, 1, height, width, depth)
    batch, planes, height, width = shape
    return Layout(batch, planes, height, width, 1)


def select(images, partner, mask, layout):
    """Selects every value from an image or from its partner.

    Args:
        images: Tensor of any dtype.
        partner: Int32 `(batch,)`, a tensor of the same kind.
        mask: Bool `(batch, height, width * depth)`, likewise: the values of the partner.
        layout: The `Layout` of the images.

    Returns:
        A tensor of the same shape and dtype.
    """
    ops = arrays.of(images)
    batch, planes, height, width, depth = layout
    lines = ops.reshape(images, (batch, planes, height, width * depth))
    # Of the shape of the images, because TensorFlow is slow where it has to broadcast.
    mask = ops.repeat(ops.expand_dims(mask, 1), planes, axis=1)
    mixed = ops.where(mask, ops.take(lines, partner, axis=0), lines)
    return ops.reshape(mixed, ops.shape(images))


def _gather(images, partner, mask, grid, layout, periods, strips):
    """Reads every value from its source and writes it, run by run, each once.

    A line of a patch is one run of values. All runs of a strip are equally long, so that one
    gather moves them; a line of one strip needs no other copy.
    """
    ops = arrays.of(images)
    batch, planes, height, width, depth = layout
    own = ops.match(ops.arange(batch), images)
    source = ops.where(mask, ops.reshape(partner, (batch, 1, 1)), ops.reshape(own, (batch, 1, 1)))
    rows, columns = grid.shape(height, width)
    source = ops.reshape(source, (batch, rows, periods, columns // periods))
    row_of_line = ops.match(grid.row_of_line(height), images)
    lines = batch * planes * height * periods
    images = ops.reshape(images, (lines, width // periods * depth))

    def mixed(strip):
        first, count, start, size = strip
        runs = images
        if len(strips) > 1:
            runs = images[:, start * depth : (start + count * size) * depth]
        runs = ops.reshape(runs, (lines * count, size * depth))
        # Run number = source image * runs of an image + place within the image.
        runs_of_image = planes * height * periods * count
        offset = ops.reshape(
            ops.match(ops.arange(runs_of_image), images), (1, planes, height, periods * count)
        )
        base = source[..., first : first + count] * runs_of_image
        base = ops.reshape(base, (batch, rows, periods * count))
        index = ops.expand_dims(ops.take(base, row_of_line, axis=1), 1) + offset
        return ops.reshape(ops.take(runs, index, axis=0), (lines, count * size * depth))

    parts = [mixed(strip) for strip in strips]
    return parts[0] if len(parts) == 1 else ops.concat(parts, axis=1)


def _pixel_mask(ops, mask, grid, layout):
    """Bool `(batch, height, width * depth)`: the values under a mask of patches."""
    mask = _widen(ops, mask, 2, layout.width, grid.equal_width, grid.column_of_pixel)
    mask = ops.repeat(mask, layout.depth, axis=2)
    return _widen(ops, mask, 1, layout.height, grid.equal_height, grid.row_of_line)


def _widen(ops, mask, axis, side, equal, patch_of_pixel):
    """The mask with an entry a pixel, in place of one a patch, along an axis."""
    if isinstance(side, int) and equal(side):
        return ops.repeat(mask, side // ops.shape(mask)[axis], axis=axis)
    return ops.take(mask, ops.match(patch_of_pixel(side), mask), axis=axis)
