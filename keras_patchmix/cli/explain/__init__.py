"""Saved models explained, as `recipes/explain.py` does: maps, figures, numbers."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.cli.explain.command import main as main
    from keras_patchmix.cli.explain.command import run as run
    from keras_patchmix.cli.explain.options import ExplanationOptions as ExplanationOptions
    from keras_patchmix.cli.explain.options import parse_options as parse_options

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "ExplanationOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "command",
    },
)
