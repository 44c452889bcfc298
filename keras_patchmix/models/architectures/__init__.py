"""The architectures of `models.create`, one module each, found because it stands in this folder.

A module `name` defines:

- `PRESETS`: dict from the names of models to the arguments that they stand for.
- A function `name`: builds a classifier from `num_classes`, `input_shape`, `name` and the
  arguments of the preset.
- `TIMM_NAMES` (optional): dict from regular expressions of timm's module names to layer names.
- `PUBLISHED` (optional): dict from the names of models with ImageNet weights to where these are.
- `published_weights` (optional): function of a model, its name and a file that returns a dict from
  layer name to arrays and the origin, or None where nobody published such a file.
"""
