"""A model made anew from its config, with the same weights."""

import keras


def copy_of(model):
    """Returns a copy of a model that shares no variable with it.

    Args:
        model: A built `keras.Model`.

    Returns:
        A `keras.Model` of the same class, not compiled, with the same weights.

    Raises:
        ValueError: The class does not say how it is made anew.
    """
    kind = type(model)
    try:
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)
        made = keras.saving.deserialize_keras_object(
            config, custom_objects={kind.__name__: kind}, safe_mode=False
        )
        made.set_weights(model.get_weights())
    except Exception as error:  # of Keras, or of the user's class
        raise ValueError(
            "`model` must be such that it can be made anew: Sequential, functional, or of a class "
            "with `get_config` and, if it is built by being called, `build`. "
            f"Received: {model.name!r} of class {kind.__name__}, with which that fails: {error}"
        ) from error
    return made
