"""Classifiers trained with and without mixing, as the training recipes do."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.cli.train.command import main as main
    from keras_patchmix.cli.train.experiment import run as run
    from keras_patchmix.cli.train.options import TrainOptions as TrainOptions
    from keras_patchmix.cli.train.options import parse_options as parse_options

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "TrainOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "experiment",
    },
)
