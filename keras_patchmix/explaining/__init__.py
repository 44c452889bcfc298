"""Saved models explained by one command, as `recipes/explain.py` does: maps, figures, numbers."""

from typing import TYPE_CHECKING

from keras_patchmix._lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.explaining.command import main as main
    from keras_patchmix.explaining.options import ExplanationOptions as ExplanationOptions
    from keras_patchmix.explaining.options import parse_options as parse_options
    from keras_patchmix.explaining.running import run as run

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "ExplanationOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "running",
    },
)
