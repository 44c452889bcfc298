"""What the recipes share: options, input pipelines, the run."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={"TrainOptions": "options", "parse_options": "options", "run": "experiment"},
)
