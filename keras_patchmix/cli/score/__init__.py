"""Saved models scored under occlusion, as `recipes/evaluate_occlusion.py` does."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.cli.score.command import main as main
    from keras_patchmix.cli.score.command import run as run
    from keras_patchmix.cli.score.options import EvaluationOptions as EvaluationOptions
    from keras_patchmix.cli.score.options import parse_options as parse_options

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "EvaluationOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "command",
    },
)
