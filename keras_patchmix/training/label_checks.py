"""Checks of a model's loss and metrics for mixed labels."""

import functools
import warnings

import keras

_OF_CLASS_IDS = (
    "CategoricalGeneralizedCrossEntropy",
    "Circle",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "categorical_generalized_cross_entropy",
    "circle",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
)


def warn_if_smoothed_twice(model, layer):
    """Warns if both the model's loss and the mixing layer smooth labels.

    Args:
        model: A compiled `keras.Model`. Its loss is an object with a `label_smoothing`, such as
            `keras.losses.CategoricalCrossentropy`, or a `functools.partial` with that argument;
            other functions cannot be looked into.
        layer: The mixing layer.
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


def refuse_labels(model, layer):
    """Refuses a loss or a metric that cannot take mixed labels, which are rows.

    Args:
        model: A compiled `keras.Model`.
        layer: The mixing layer. Its `num_classes` must be the width of the model's output if the
            loss is one of Keras.

    Raises:
        ValueError: A loss or a metric takes class ids, or the numbers of classes differ.
    """
    if takes_class_ids(model):
        raise ValueError(
            "Mixed labels are rows, so the model's `loss` must take rows: compile it with "
            "keras.losses.CategoricalCrossentropy. "
            f"Received: loss={model.loss!r}"
        )
    sparse = [metric for metric in _metrics(model) if _is_of_class_ids(metric)]
    if sparse:
        raise ValueError(
            "Mixed labels are rows, so the model's `metrics` must take rows: compile it with "
            "'accuracy' or keras.metrics.CategoricalAccuracy (in place of IoU and MeanIoU, with "
            "OneHotIoU and OneHotMeanIoU), and evaluate on rows as well "
            "(`layer(x, y, training=False)`). 'accuracy' becomes one for class ids where it has "
            "been evaluated on them: compile the model again. "
            f"Received: metrics={sparse!r}"
        )
    num_classes, outputs = getattr(layer, "num_classes", None), _num_outputs(model)
    differ = None not in (num_classes, outputs) and num_classes != outputs
    if differ and any(map(_is_of_keras, _losses(model))):
        raise ValueError(
            "The layer's `num_classes` must be the number of the model's outputs, as the loss "
            "compares them one by one. "
            f"Received: num_classes={num_classes} and a model of {outputs} outputs"
        )


def takes_class_ids(model):
    """Returns whether one of the model's losses is one of Keras' for class ids."""
    return any(map(_is_of_class_ids, _losses(model)))


def _metrics(model):
    """Returns the metrics as given to `compile`, and as built."""
    metrics = []
    for metric in model.metrics:
        metrics += getattr(metric, "metrics", [])
        # Until they are built, Keras keeps them under private names only.
        for name in ("_user_metrics", "_user_weighted_metrics"):
            metrics += keras.tree.flatten(getattr(metric, name, None) or [])
    return metrics


def _is_of_class_ids(part):
    """Returns whether a loss or a metric of `compile` is one of Keras' for class ids."""
    known = [
        getattr(module, name)
        for module in (keras.losses, keras.metrics)
        for name in _OF_CLASS_IDS
        if hasattr(module, name)  # older versions of Keras lack some
    ]
    if getattr(part, "sparse_y_true", False) or part in known:
        return True
    if isinstance(part, tuple(one for one in known if isinstance(one, type))):
        return True
    if isinstance(part, keras.metrics.MeanMetricWrapper):
        part = _wrapped_name(part)
    return part in _OF_CLASS_IDS


def _wrapped_name(metric):
    """Returns the name of the function or loss in a `MeanMetricWrapper`, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a lambda is unsafe to load
            function = metric.get_config().get("fn") or {}
    except (TypeError, ValueError):  # it cannot be saved
        return None
    name = function.get("config")
    return name if isinstance(name, str) else function.get("class_name")


def _num_outputs(model):
    """Returns the width of a model's one output `(batch, classes)`, or None."""
    shape = getattr(model, "output_shape", None)  # a model made by subclassing has none
    is_one = isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[1], int)
    return shape[1] if is_one else None


def _is_of_keras(loss):
    """Returns whether a loss is a name, a class or a function of `keras.losses`."""
    loss = keras.losses.get(loss)
    public = getattr(keras.losses, getattr(loss, "__name__", type(loss).__name__), None)
    return public is not None and public in (loss, type(loss))


def _losses(model):
    return [] if model.loss is None else keras.tree.flatten(model.loss)


def _smoothing(loss):
    if isinstance(loss, functools.partial):
        return loss.keywords.get("label_smoothing", 0)
    return getattr(loss, "label_smoothing", 0) or 0
