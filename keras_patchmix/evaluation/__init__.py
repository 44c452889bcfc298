"""Saved models scored under occlusion by one command, as `recipes/evaluate_occlusion.py` does."""

from typing import TYPE_CHECKING

from keras_patchmix._lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.evaluation.command import main as main
    from keras_patchmix.evaluation.options import EvaluationOptions as EvaluationOptions
    from keras_patchmix.evaluation.options import parse_options as parse_options
    from keras_patchmix.evaluation.running import run as run

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "EvaluationOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "running",
    },
)
