"""Labels and sample weights in the forms that data sets have, as float32 tensors."""

import ml_dtypes
import numpy as np

from keras_patchmix.layers import structures
from keras_patchmix.layers.sizes import check_sizes
from keras_patchmix.mixing import arrays
from keras_patchmix.mixing.labels import apply_to_labels


def encode_labels(labels, num_classes, batch_size):
    """Turns labels into float32 rows.

    Args:
        labels: Class ids `(batch,)` or `(batch, 1)`, which need `num_classes`, integers or the
            whole floats that Keras layers in front turn them into; or one-hot, soft or multi-hot
            rows `(batch, classes)` of any number type.
        num_classes: Integer or `None`.
        batch_size: The number of images, an integer or a tensor; `None` compares nothing.

    Returns:
        Float32 `(batch, classes)`.

    Raises:
        ValueError: The rank, the dtype or the number of classes does not fit; the message names
            the way out. Numbers of images and labels that a graph learns when it runs are compared
            then.
    """
    ops = arrays.of(labels)
    rank = ops.rank(labels)
    if rank is None:
        raise ValueError("`labels` must have a known rank: call `set_shape` on them first.")
    if rank == 0:
        raise ValueError(
            "`labels` must be batched, as the images are: put `.batch(...)` before the map. "
            f"Received: labels.shape={tuple(labels.shape)}"
        )
    if rank > 2:
        raise ValueError(
            "`labels` must be class ids (batch,) or rows (batch, classes). Labels of pixels go "
            "into a dict as 'segmentation_masks'. "
            f"Received: labels.shape={tuple(labels.shape)}"
        )
    labels = _check_batch(ops, "labels", labels, batch_size)
    classes = labels.shape[-1] if rank == 2 else 1
    if rank == 1 or (classes == 1 and (num_classes is not None or _is_integer(ops, labels))):
        if num_classes is None:
            raise ValueError(
                "Class ids as `labels` cannot be blended: give `num_classes` to have them one-hot "
                f"encoded. Received: num_classes=None, labels.shape={tuple(labels.shape)}"
            )
        _check_exact(ops.dtype(labels), num_classes)
        return _one_hot(ops, ops.reshape(labels, (-1,)), num_classes)
    if num_classes is not None and classes is not None and classes != num_classes:
        raise ValueError(
            f"`labels` must have `num_classes`={num_classes} columns, or be class ids. "
            f"Received: labels.shape={tuple(labels.shape)}"
        )
    if num_classes is not None and classes is None:
        labels = ops.ensure_shape(labels, (None, num_classes))  # where the width is not known yet
    return ops.cast(labels, "float32")


def encode_weights(sample_weight, batch_size):
    """Returns weights `(batch,)` or `(batch, 1)` as float32.

    Raises:
        ValueError: The weights have another shape, or one is negative or not finite. Compilers
            drop the check of values, as that of class ids: such a weight is nan there.
    """
    ops = arrays.of(sample_weight)
    if ops.rank(sample_weight) is None:
        raise ValueError("`sample_weight` must have a known rank: call `set_shape` on it first.")
    shape = tuple(sample_weight.shape)
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] not in (1, None)):
        raise ValueError(
            "`sample_weight` must have the shape (batch,) or (batch, 1). "
            f"Received: sample_weight.shape={shape}"
        )
    if shape[-1] is None and len(shape) == 2:
        sample_weight = ops.ensure_shape(sample_weight, (None, 1))
    sample_weight = _check_batch(ops, "sample_weight", sample_weight, batch_size)
    weights = ops.cast(sample_weight, "float32")
    valid = (weights >= 0) & (weights < float("inf"))
    ops.check(ops.all(valid), "`sample_weight` must be finite and >= 0. Received:", weights)
    return ops.where(valid, weights, float("nan"))


def mix_labels(batch, labels, plan):
    """The labels of a batch, and its weights if there are any, blended as its plan says.

    Args:
        batch: A `structures.Batch`.
        labels: Float32 `(batch, classes)`, in place of the batch's own.
        plan: A plan of any method.

    Returns:
        A dict of parts of the batch.
    """
    if batch.sample_weight is None:
        return {structures.LABELS: apply_to_labels(labels, plan)}
    reshape, shape = batch.ops.reshape, batch.ops.shape(batch.sample_weight)
    weights = reshape(batch.sample_weight, (-1,))
    labels, weights = apply_to_labels(labels, plan, weights)
    return {structures.LABELS: labels, structures.WEIGHTS: reshape(weights, shape)}


def check_mask_dtype(dtype):
    """Raises for floats of half precision, in which the class ids of pixels may be rounded.

    How many classes there are is not known, so a dtype must hold those of any data set.

    Raises:
        ValueError: It does not; the message names the ways out.
    """
    if "float" in dtype and _exact_up_to(dtype) < _exact_up_to("float32"):
        raise ValueError(
            f"'segmentation_masks' must not be {dtype}, which holds whole numbers exactly up to "
            f"{_exact_up_to(dtype)} only: a layer of Keras in front, under a policy of half "
            "precision, may have rounded the class ids of pixels. Put the mixing layer in front "
            "of Keras' layers, give those dtype='float32', or keep masks out of them. "
            f"Received: segmentation_masks of dtype {dtype}"
        )


def _check_batch(ops, name, value, batch_size):
    if batch_size is None:
        return value
    message = f"`{name}` must have one entry an image"
    received = f"{batch_size} images and {name}.shape={tuple(value.shape)}"
    return check_sizes(ops, value, message, received, ops.shape(value)[:1], (batch_size,))


def _check_exact(dtype, num_classes):
    """Finds floats too coarse for class ids: layers of Keras in front may have rounded them."""
    if "float" not in dtype:
        return
    limit = _exact_up_to(dtype)
    if num_classes > limit:
        raise ValueError(
            f"Class ids as `labels` must not be {dtype}, which holds whole numbers exactly up to "
            f"{limit} only: a layer of Keras in front, under a policy of half precision, has "
            "rounded them. Put the mixing layer in front of Keras' layers, give those "
            "dtype='float32', or turn the ids into one-hot rows first. "
            f"Received: labels of dtype {dtype} and num_classes={num_classes}"
        )


def _exact_up_to(dtype):
    """The number up to which a float dtype holds every whole number.

    Not one more, or an id out of range could become a valid one.
    """
    return 2 ** (ml_dtypes.finfo(np.dtype(dtype)).nmant + 1)


def _is_integer(ops, value):
    return "int" in ops.dtype(value)


def _one_hot(ops, labels, num_classes):
    """Float32 one-hot rows of a vector of class ids, integers or whole floats.

    Another value raises when it is met. Compilers drop that check (XLA, `jax.jit`): there its row
    is nan, so that no wrong label goes on in silence, as with a row of zeros.
    """
    ids = ops.cast(labels, "int32")
    valid = (ids >= 0) & (ids < num_classes) & (ops.cast(ids, ops.dtype(labels)) == labels)
    message = (
        f"`labels` must be class ids in 0..{num_classes - 1}, as num_classes={num_classes} says"
    )
    ops.check(ops.all(valid), message + ". Received:", labels)
    classes = ops.match(ops.arange(num_classes), labels)
    rows = ops.cast(ops.expand_dims(ids, -1) == classes, "float32")
    return ops.where(ops.expand_dims(valid, -1), rows, float("nan"))
