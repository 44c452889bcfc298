"""Image classifiers in plain Keras 3: images with values in 0..255 in, logits out."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.models.backbones import ConvMixerBackbone as ConvMixerBackbone
    from keras_patchmix.models.backbones import ConvNeXtBackbone as ConvNeXtBackbone
    from keras_patchmix.models.backbones import ViTBackbone as ViTBackbone
    from keras_patchmix.models.blocks import DropPath as DropPath
    from keras_patchmix.models.blocks import LayerScale as LayerScale
    from keras_patchmix.models.blocks import ReverseChannels as ReverseChannels
    from keras_patchmix.models.factory import create as create
    from keras_patchmix.models.factory import names as names
    from keras_patchmix.models.factory import preset as preset
    from keras_patchmix.models.timm_weights import load_timm as load_timm
    from keras_patchmix.models.tokens import GELU as GELU
    from keras_patchmix.models.tokens import PatchFeatures as PatchFeatures
    from keras_patchmix.models.tokens import SelfAttention as SelfAttention
    from keras_patchmix.models.tokens import TokenEmbedding as TokenEmbedding
    from keras_patchmix.models.weights import copy_weights as copy_weights
    from keras_patchmix.scoring.runtimes import open_model as open_model

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "ConvMixerBackbone": "backbones",
        "ConvNeXtBackbone": "backbones",
        "DropPath": "blocks",
        "GELU": "tokens",
        "LayerScale": "blocks",
        "PatchFeatures": "tokens",
        "ReverseChannels": "blocks",
        "SelfAttention": "tokens",
        "TokenEmbedding": "tokens",
        "ViTBackbone": "backbones",
        "copy_weights": "weights",
        "create": "factory",
        "load_timm": "timm_weights",
        "names": "factory",
        "open_model": ".scoring.runtimes",
        "preset": "factory",
    },
)
