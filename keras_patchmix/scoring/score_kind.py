"""Whether scores are logits or probabilities: what a model itself says of it."""

import keras

# Layers that hand scores on as they are.
_PASSING = (keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)
_BOUNDED = ("sigmoid", "hard_sigmoid", "softmax")


def last_activation(model):
    """Returns the name of the activation that a model ends with, or None where it does not say.

    A subclassed model does not: the order of its layers is that of its attributes, not of its
    `call`.

    Args:
        model: A Keras model or a function.
    """
    for operation in reversed(_operations(model)):
        if isinstance(operation, keras.Model):
            return last_activation(operation)
        if isinstance(operation, keras.layers.Softmax):
            return "softmax"
        activation = getattr(getattr(operation, "activation", None), "__name__", None)
        if isinstance(operation, keras.layers.Activation) and activation == "linear":
            continue
        if activation is not None:
            return activation
        if not isinstance(operation, keras.Layer):
            name = type(operation).__name__.lower()
            return name if name in _BOUNDED else None
        if not isinstance(operation, _PASSING):
            return None
    return None


def _operations(model):
    """The layers and operations of a model in the order of its graph; none of an unknown graph."""
    if isinstance(model, keras.Sequential):
        return model.layers
    return getattr(model, "operations", None) or ()


def ends_in_logits(model):
    """Returns whether a model's last activation leaves logits; None where it does not say.

    Args:
        model: A Keras model or a function.
    """
    activation = last_activation(model)
    return {"linear": True, **dict.fromkeys(_BOUNDED, False)}.get(activation)


def loss_takes_logits(model):
    """Returns whether the loss that a model is compiled with takes logits; None if none says so.

    Args:
        model: A Keras model or a function.
    """
    loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
    if loss in ("binary_crossentropy", "bce", keras.losses.binary_crossentropy):
        return False
    from_logits = getattr(loss, "from_logits", None)
    return from_logits if isinstance(from_logits, bool) else None
