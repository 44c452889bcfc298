"""Saved models explained by one command, as `recipes/explain.py` does: maps, figures, numbers."""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "ExplanationOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "running",
    },
)
