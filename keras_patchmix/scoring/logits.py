"""Whether scores are logits or probabilities: what a model itself says of it."""

import keras

# Layers that hand scores on as they are.
_PASSING = (keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)
_BOUNDED = ("sigmoid", "hard_sigmoid", "softmax")
_FUNCTIONS = (
    keras.losses.binary_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
_OPERATIONS = {"Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid", "Softmax": "softmax"}


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
            return _OPERATIONS.get(type(operation).__name__)
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
    """Returns whether a model returns logits, as a user says or as the model does.

    Args:
        model: A Keras model or a function.
        from_logits: What the user says: True, False, or None to ask the model: its last activation
            and the loss that it is compiled with.

    Returns:
        True or False; None where nobody says so.

    Raises:
        ValueError: The user says what cannot be; or the model says both.
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

    Of several scores the highest is the class, whatever they are; here it decides the threshold.

    Args:
        model: A Keras model or a function.
        from_logits: As in `returns_logits`.

    Raises:
        ValueError: As there; or nobody says so; or it is the output of a softmax, always 1.
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
