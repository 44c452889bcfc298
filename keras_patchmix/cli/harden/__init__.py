"""Saved models hardened, as `recipes/harden.py` does."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.cli.harden.command import main as main
    from keras_patchmix.cli.harden.command import run as run
    from keras_patchmix.cli.harden.options import HardenOptions as HardenOptions
    from keras_patchmix.cli.harden.options import parse_options as parse_options

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "HardenOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "command",
    },
)
