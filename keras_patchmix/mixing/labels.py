"""Labels and sample weights of mixed batches, for plans of every method."""

from typing import Any

from keras_patchmix.base.types import Tensor
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.drawing import match


def apply_to_labels(labels: Tensor, plan: Any, sample_weight: Tensor | None = None) -> Any:
    """Blends labels, and sample weights, by the partner's share of the image.

    With weights, w = (1 - r) w_A + r w_B and y = ((1 - r) w_A y_A + r w_B y_B) / w, so that the
    weighted cross-entropy is the weighted blend of the two cross-entropies. What has no part in a
    blend leaves no trace in it, be it nan or infinite.

    Args:
        labels: Float32 `(batch, classes)`: one-hot, soft or multi-hot.
        plan: A `MixingPlan`, `BoxPlan` or `BlendPlan`.
        sample_weight: Float32 `(batch,)`, non-negative, or `None`.

    Returns:
        Float32 `(batch, classes)`, or with weights `(labels, sample_weight)`.
    """
    ops = arrays.of(labels)
    labels = ops.convert_to_tensor(labels)
    plan = match(plan, labels)
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
