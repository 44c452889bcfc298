"""Models by name."""

from keras_patchmix.models import convnext


def names():
    """Returns the sorted names that `create` knows."""
    return sorted(convnext.PRESETS)


def create(name, num_classes, input_shape, weights=None, **overrides):
    """Creates an image classifier by name.

    Args:
        name: One of `keras_patchmix.models.names()`, such as `"convnext_tiny"`.
        num_classes: Integer, at least 2: the number of logits.
        input_shape: `(height, width, channels)`.
        weights: Path of a `.weights.h5` file saved from the same architecture, or `None` for
            random weights. Defaults to `None`.
        **overrides: Arguments of the architecture that replace the preset's, for example
            `drop_path_rate=0.1` or `patch_size=2`; see `keras_patchmix.models.convnext.convnext`.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out.

    Raises:
        ValueError: The name is unknown, or an argument is out of range.

    Example:
    >>> model = keras_patchmix.models.create(
    ...     "convnext_mini", num_classes=10, input_shape=(32, 32, 3))
    """
    if name not in convnext.PRESETS:
        raise ValueError(f"`name` must be one of {names()}. Received: name={name!r}")
    if num_classes < 2:
        raise ValueError(f"`num_classes` must be at least 2. Received: num_classes={num_classes}")
    if len(input_shape) != 3:
        raise ValueError(
            "`input_shape` must be (height, width, channels). "
            f"Received: input_shape={tuple(input_shape)}"
        )
    arguments = {"name": name, **convnext.PRESETS[name], **overrides}
    model = convnext.convnext(num_classes, input_shape, **arguments)
    if weights is not None:
        model.load_weights(weights)
    return model
