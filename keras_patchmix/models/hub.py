"""Swin and DeiT of keras-hub, if installed, with pixels in and logits out."""

import importlib.util

import keras
from keras import layers

from keras_patchmix.base.optional import not_installed
from keras_patchmix.models.inputs import imagenet_normalization, seeded_layers

# Table 7 of Liu et al. 2021 (Swin, arXiv 2103.14030); drop_path as its section A2.1 has it.
_SWIN = {
    "swin_tiny": {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    "swin_small": {"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "swin_base": {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
    "swin_large": {"embed_dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48)},
}
# Table 1 of Touvron et al. 2021 (DeiT, arXiv 2012.12877).
_DEIT = {
    "deit_tiny16": {"hidden_dim": 192, "num_heads": 3, "intermediate_dim": 768},
    "deit_small16": {"hidden_dim": 384, "num_heads": 6, "intermediate_dim": 1536},
    "deit_base16": {"hidden_dim": 768, "num_heads": 12, "intermediate_dim": 3072},
}
PRESETS: dict[str, dict] = {
    **{name: {"window_size": 7, "drop_path": 0.0, **preset} for name, preset in _SWIN.items()},
    **{name: {"patch_size": 16, "num_layers": 12, **preset} for name, preset in _DEIT.items()},
}


def names():
    """Returns the sorted names of the models; none if keras-hub is not installed."""
    return sorted(PRESETS) if importlib.util.find_spec("keras_hub") else []


def hub_model(num_classes, input_shape, name, seed=None, **overrides):
    """Builds a model of keras-hub.

    Args:
        num_classes: Integer, the number of logits.
        input_shape: `(height, width, channels)`, all known. Three channels are normalized by
            ImageNet's mean and deviation, others scaled to [-1, 1].
        name: A key of `PRESETS`.
        seed: Integer or `None`; seeds initial weights, dropout and stochastic depth.
        **overrides: Arguments of `keras_hub.models.SwinTransformerBackbone` or `DeiTBackbone`.

    Returns:
        A `keras.Model`: images `(batch, height, width, channels)` with values in 0..255 in,
        logits `(batch, num_classes)` out, float32 under every dtype policy.

    Raises:
        ImportError: keras-hub is not installed.
    """
    try:
        from keras_hub import models as hub
    except ModuleNotFoundError as error:
        raise not_installed("keras_hub", f"The model {name!r}", error.name) from error
    if name in _SWIN:
        backbone, classifier = hub.SwinTransformerBackbone, hub.SwinTransformerImageClassifier
    else:
        backbone, classifier = hub.DeiTBackbone, hub.DeiTImageClassifier
    arguments = {**PRESETS[name], **overrides}
    with seeded_layers(seed):
        inner = classifier(
            backbone=backbone(image_shape=tuple(input_shape), **arguments),
            num_classes=num_classes,
            activation=None,
        )
    images = keras.Input(input_shape, name="images")
    x = inner(imagenet_normalization(input_shape[-1])(images))
    outputs = layers.Activation("linear", dtype="float32", name="logits")(x)
    return keras.Model(images, outputs, name=name)
