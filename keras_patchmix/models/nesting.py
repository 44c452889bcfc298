"""Models within models."""


def layers_within(layer):
    """Yields a layer or model, and all layers in it, those of models in it too."""
    yield layer
    for child in getattr(layer, "layers", None) or ():
        yield from layers_within(child)
