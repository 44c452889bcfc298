"""Models within models."""


def layers_within(layer):
    """Yields a layer or model and all layers in it, including those of nested models."""
    yield layer
    for child in getattr(layer, "layers", None) or ():
        yield from layers_within(child)


def leaves(model):
    """Returns the layers of a model in order; nested models are replaced by their layers."""
    return [layer for layer in layers_within(model) if not hasattr(layer, "layers")]
