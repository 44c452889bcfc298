"""Mixing inside the train step; and what the recipes share: options, pipelines, the run."""

from typing import TYPE_CHECKING

from keras_patchmix._lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.training.attention_step import attention_labels as attention_labels
    from keras_patchmix.training.command import main as main
    from keras_patchmix.training.experiment import run as run
    from keras_patchmix.training.hardened import Hardened as Hardened
    from keras_patchmix.training.hardening import harden as harden
    from keras_patchmix.training.on_device import mix_on_device as mix_on_device
    from keras_patchmix.training.options import TrainOptions as TrainOptions
    from keras_patchmix.training.options import parse_options as parse_options
    from keras_patchmix.training.patch_occlusion import PatchOcclusion as PatchOcclusion
    from keras_patchmix.training.strategies import open_strategy as open_strategy

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "TrainOptions": "options",
        "Hardened": "hardened",
        "PatchOcclusion": "patch_occlusion",
        "attention_labels": "attention_step",
        "harden": "hardening",
        "main": "command",
        "mix_on_device": "on_device",
        "open_strategy": "strategies",
        "parse_options": "options",
        "run": "experiment",
    },
)
