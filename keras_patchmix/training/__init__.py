"""Hardening, mixing inside the train step, and what the training recipes share."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.devices.strategies import open_strategy as open_strategy
    from keras_patchmix.training.attention_step import attention_labels as attention_labels
    from keras_patchmix.training.hardened import Hardened as Hardened
    from keras_patchmix.training.hardening import harden as harden
    from keras_patchmix.training.on_device import mix_on_device as mix_on_device
    from keras_patchmix.training.patch_occlusion import PatchOcclusion as PatchOcclusion

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Hardened": "hardened",
        "PatchOcclusion": "patch_occlusion",
        "attention_labels": "attention_step",
        "harden": "hardening",
        "mix_on_device": "on_device",
        "open_strategy": ".devices.strategies",
    },
)
