"""Mixing inside the train step; and what the recipes share: options, pipelines, the run."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "TrainOptions": "options",
        "attention_labels": "attention_step",
        "main": "command",
        "mix_on_device": "on_device",
        "open_strategy": "strategies",
        "parse_options": "options",
        "run": "experiment",
    },
)
