"""Lets Keras find the backbones in a saved model without importing keras-cv.

Registered are stubs, which import `backbones` once a config is loaded.
"""

import importlib

import keras


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
