"""Whether a model returns logits or probabilities, by its last activation and its loss."""

import keras

# Layers that leave scores as they are.
_PASSING = (keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)
_BOUNDED = ("sigmoid", "hard_sigmoid", "softmax")
_FUNCTIONS = (
    keras.losses.binary_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
_OPERATIONS = {"Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid", "Softmax": "softmax"}


def last_activation(model):
    """Returns the name of the activation that a model ends with, or None if it is unknown.

    It is for subclassed models: the order of their layers is that of attributes, not of `call`.

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
            return _OPERATIONS.get(type(operation).__name__)
        if not isinstance(operation, _PASSING):
            return None
    return None


def _operations(model):
    """Returns the layers and operations of a model in the order of its graph, if that is known."""
    if isinstance(model, keras.Sequential):
        return model.layers
    return getattr(model, "operations", None) or ()


def ends_in_logits(model):
    """Returns whether a model's last activation leaves logits; None if it is unknown.

    Args:
        model: A Keras model or a function.
    """
    activation = last_activation(model)
    return {"linear": True, **dict.fromkeys(_BOUNDED, False)}.get(activation)


def loss_takes_logits(model):
    """Returns whether the loss that a model is compiled with takes logits; None if it is unknown.

    Names of losses, and Keras' functions, stand for their defaults, which take probabilities.

    Args:
        model: A Keras model or a function.
    """
    loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
    said = {
        False if isinstance(one, str) or one in _FUNCTIONS else getattr(one, "from_logits", None)
        for one in keras.tree.flatten(loss)
    }
    return said.pop() if len(said) == 1 else None


def returns_logits(model, from_logits=None):
    """Returns whether a model returns logits.

    Args:
        model: A Keras model or a function.
        from_logits: Boolean, the answer if the user gives one. Defaults to `None`: the last
            activation and the loss of the model decide.

    Returns:
        Boolean, or None if it is unknown.

    Raises:
        ValueError: `from_logits` contradicts the last activation, or that contradicts the loss.
    """
    ends = ends_in_logits(model)
    if from_logits and ends is False:
        raise ValueError(
            f"`from_logits` must be False or None for `model`, whose last activation is "
            f"{last_activation(model)}. Received: from_logits=True"
        )
    if from_logits is not None:
        return bool(from_logits)
    loss = loss_takes_logits(model)
    if None not in (ends, loss) and ends != loss:
        kinds = {True: "logits", False: "probabilities"}
        raise ValueError(
            f"`from_logits` must say what `model` returns: its last layer returns {kinds[ends]}, "
            f"and the loss that it is compiled with takes {kinds[loss]}. "
            f"Received: from_logits=None, loss={model.loss!r}"
        )
    return loss if ends is None else ends


def is_single_logit(model, from_logits=None):
    """Returns whether the single output of a model is a logit, rather than a probability.

    This decides the threshold between the two classes.

    Args:
        model: A Keras model or a function.
        from_logits: As in `returns_logits`.

    Raises:
        ValueError: See `returns_logits`; or it is unknown; or the output is that of a softmax.
    """
    if last_activation(model) == "softmax":
        raise ValueError(
            "`model` has one output and a softmax, which is always 1: give it a sigmoid, or an "
            f"output for each class. Received: {model.name!r}"
        )
    said = returns_logits(model, from_logits)
    # A loss that says nothing, a mean squared error for instance, may mean neither.
    silent = getattr(model, "compiled", False) and loss_takes_logits(model) is None
    if said is None or (said and from_logits is None and silent):
        raise ValueError(
            "`from_logits` must say whether the single output of `model` is a logit (True) or a "
            "probability (False): its last layer and its loss do not. "
            f"Received: from_logits=None and the model {getattr(model, 'name', model)!r}"
        )
    return said
