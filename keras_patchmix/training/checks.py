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


def refuse_losses_of_class_ids(model):
    """Raises `ValueError` where a loss of the model takes class ids: mixed labels are rows."""
    if takes_class_ids(model):
        raise ValueError(
            "Mixed labels are rows, so the model's `loss` must take rows: compile it with "
            "keras.losses.CategoricalCrossentropy. "
            f"Received: loss={model.loss!r}"
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


def loss_takes_logits(model):
    """Whether the loss that the model is compiled with takes logits; `None` if it does not say.

    Names of losses stand for Keras' defaults, which take probabilities.
    """
    said = {
        False if isinstance(loss, str) else getattr(loss, "from_logits", None)
        for loss in _losses(model)
    }
    return said.pop() if len(said) == 1 else None


def _losses(model):
    return [] if model.loss is None else keras.tree.flatten(model.loss)


def _smoothing(loss):
    if isinstance(loss, functools.partial):
        return loss.keywords.get("label_smoothing", 0)
    return getattr(loss, "label_smoothing", 0) or 0
