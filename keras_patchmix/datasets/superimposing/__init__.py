"""Data sets of your own with things in front: occluders, masks, true coverage, as TFDS files.

What `recipes/make_smd.py` does, and the parts of it: `Superimposer`, a pure function from an image
and its index to the image with occluders at each level of coverage, and `run`, which writes a data
set.
"""

from keras_patchmix._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Coverage": "coverage",
        "Superimposer": "superimposer",
        "SuperimposingOptions": "options",
        "main": "command",
        "parse_options": "options",
        "run": "running",
    },
)
