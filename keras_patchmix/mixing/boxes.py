"""CutMix as pure functions: sample a plan of boxes, then apply it to images and masks.

Source: Yun et al. 2019, arXiv 1905.04899. A box covers the share r of the image, r ~ Beta(alpha,
alpha), and has its aspect. Sides are rounded to whole pixels and the box lies inside the image,
anywhere as likely, so that no clipping changes the law of its size. The label weight is the share
of pixels that it covers.
"""

from typing import Any, NamedTuple

from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.drawing import draw, for_batch, match, pixel_share
from keras_patchmix.mixing.moving import layout_of, select
from keras_patchmix.mixing.ratio import patch_counts


class BoxPlan(NamedTuple):
    """What a batch becomes: which box of which image goes where.

    Attributes:
        partner: Int32 `(batch,)`, the image that gives its box to image i.
        box: Int32 `(batch, 4)` in pixels, (top, left, bottom, right): the first line and column
            of the box, and the first ones behind it. Where nothing is mixed the box is empty.
        share: Float32 `(batch,)` in [0, 1], the share of pixels that it covers: the label weight
            of the partner.
    """

    partner: Any
    box: Any
    share: Any


def sample_plan(seed, batch_size, image_size, settings, like=None):
    """Draws a `BoxPlan`; for the arguments see `patches.sample_plan`."""
    uniform, mixed, partner = draw(seed, batch_size, 3, settings, like, image_size)
    ops = arrays.of(uniform)
    starts, ends, pixels = [], [], 1
    for axis, side in enumerate(image_size):
        # One number decides both sides: round(height sqrt(r)) and round(width sqrt(r)).
        length = patch_counts(uniform[:, 0], side, settings, root=2)
        length = ops.where(mixed, length, 0)
        places = ops.cast(side - length + 1, "float32")
        start = ops.cast(uniform[:, axis + 1] * places, "int32")  # which rounds down
        starts.append(start)
        ends.append(start + length)
        pixels = pixels * length
    box = ops.concat([ops.expand_dims(edge, -1) for edge in (*starts, *ends)], axis=1)
    share = pixel_share(ops, pixels, image_size)
    return BoxPlan(partner, *(for_batch(part, batch_size, settings) for part in (box, share)))


def apply_to_images(images, plan, data_format="channels_last"):
    """Replaces a box of every image by that of its partner.

    Args:
        images: Tensor of any dtype, of rank 4; or masks, also of rank 3.
        plan: A `BoxPlan`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of the same shape and dtype; every value is a bit-exact copy of an input value.
    """
    ops = arrays.of(images)
    images = ops.convert_to_tensor(images)
    partner, box, _ = match(plan, images)
    layout = layout_of(ops.shape(images), data_format)
    top, left, bottom, right = (box[:, edge : edge + 1] for edge in range(4))
    rows = _between(ops, layout.height, top, bottom)
    columns = ops.repeat(_between(ops, layout.width, left, right), layout.depth, axis=1)
    return select(images, partner, ops.outer_and(rows, columns), layout)


def _between(ops, side, start, end):
    """Bool `(batch, side)`: the places from `start` on that come before `end`."""
    place = ops.match(ops.arange(side), start)
    return (place >= start) & (place < end)
