"""Checks that a model's loss and the mixing of its labels go together."""

import functools
import warnings

import keras


def warn_if_smoothed_twice(model, layer):
    """Warns where both the model's loss and the mixing layer smooth labels.

    Args:
        model: A compiled `keras.Model`. Of its `loss`, objects with a `label_smoothing` (such as
            `keras.losses.CategoricalCrossentropy`) and `functools.partial` of a function with
            that argument are seen; other functions cannot be looked into.
        layer: A layer with a `label_smoothing`, such as `keras_patchmix.PatchMixing`; one without
            does not smooth.

    Warns:
        UserWarning: It names both amounts, and which to set to 0.
    """
    of_layer = getattr(layer, "label_smoothing", 0) or 0
    of_loss = max((_smoothing(loss) for loss in _losses(model)), default=0)
    if of_layer > 0 and of_loss > 0:
        warnings.warn(
            f"Labels are smoothed twice: by {type(layer).__name__}"
            f"(label_smoothing={of_layer}) and by the loss (label_smoothing={of_loss}). Keep one: "
            "compile the model with label_smoothing=0 in the loss, or give the layer "
            "label_smoothing=0.",
            stacklevel=3,
        )


def refuse_class_ids(model):
    """Raises where a loss or a metric of the model takes class ids: mixed labels are rows.

    Raises:
        ValueError: One does; the message names it.
    """
    if takes_class_ids(model):
        raise ValueError(
            "Mixed labels are rows, so the model's `loss` must take rows: compile it with "
            "keras.losses.CategoricalCrossentropy. "
            f"Received: loss={model.loss!r}"
        )
    sparse = [metric for metric in _metrics(model) if _is_sparse(metric)]
    if sparse:
        raise ValueError(
            "Mixed labels are rows, so the model's `metrics` must take rows: compile it with "
            "'accuracy' or keras.metrics.CategoricalAccuracy, and evaluate on rows as well "
            "(`layer(x, y, training=False)`). 'accuracy' becomes one for class ids where it has "
            "been evaluated on them: compile the model again. "
            f"Received: metrics={sparse!r}"
        )


def takes_class_ids(model):
    """Whether a loss that the model is compiled with is Keras' cross-entropy of class ids."""
    sparse = (
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        keras.losses.sparse_categorical_crossentropy,
    )
    return any(
        isinstance(loss, keras.losses.SparseCategoricalCrossentropy) or loss in sparse
        for loss in _losses(model)
    )


def _metrics(model):
    """What the model is compiled with, and what became of it once it is built."""
    found = []
    for metric in model.metrics:
        found += getattr(metric, "metrics", [])
        # Until they are built Keras has what the user gave under no public name.
        for name in ("_user_metrics", "_user_weighted_metrics"):
            found += keras.tree.flatten(getattr(metric, name, None) or [])
    return found


def _is_sparse(metric):
    classes = (
        keras.metrics.SparseCategoricalAccuracy,
        keras.metrics.SparseCategoricalCrossentropy,
        keras.metrics.SparseTopKCategoricalAccuracy,
    )
    functions = (
        keras.metrics.sparse_categorical_accuracy,
        keras.metrics.sparse_categorical_crossentropy,
        keras.metrics.sparse_top_k_categorical_accuracy,
    )
    names = {known.__name__ for known in (*classes, *functions)}
    return isinstance(metric, classes) or metric in functions or metric in names


def _losses(model):
    return [] if model.loss is None else keras.tree.flatten(model.loss)


def _smoothing(loss):
    if isinstance(loss, functools.partial):
        return loss.keywords.get("label_smoothing", 0)
    return getattr(loss, "label_smoothing", 0) or 0
