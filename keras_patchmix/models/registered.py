"""The classes that saved models may hold: Keras finds them once this module is imported."""

from keras_patchmix.layers import patch_mixing  # noqa: F401
from keras_patchmix.models import backbone_stubs, blocks, tokens  # noqa: F401
