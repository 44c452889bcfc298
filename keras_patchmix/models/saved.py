"""Lets Keras find the classes that saved models may hold, once this package is imported.

Importing it must not import keras-cv, and so the backbones themselves are not registered until they
are used. What is registered here takes their place and passes a config on to them.
"""

import importlib

import keras

from keras_patchmix.layers.patch_mixing import PatchMixing  # noqa: F401
from keras_patchmix.models import blocks, tokens  # noqa: F401


def _register(name):
    def from_config(cls, config):
        module = importlib.import_module("keras_patchmix.models.backbones")
        return getattr(module, name).from_config(config)

    def get_config(self):
        return {}

    members = {"from_config": classmethod(from_config), "get_config": get_config}
    keras.saving.register_keras_serializable("keras_patchmix", name)(type(name, (), members))


for _name in ("ConvMixerBackbone", "ConvNeXtBackbone", "ViTBackbone"):
    _register(_name)
