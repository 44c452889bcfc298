"""Occlusions as pure functions of images, indices and a seed. NumPy, and Keras in `custom.py`.

A module here is one corruption: `patch_drop.py` holds the class `PatchDrop`. Suites, reports and
`keras_patchmix.occlusion` find it because it stands in this folder.
"""

import pkgutil

_SHARED = {"bank", "base", "grid", "member"}


def modules() -> dict[str, str]:
    """Returns a dict from the class name of each corruption to the name of its module."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED]
    return {"".join(map(str.capitalize, name.split("_"))): name for name in names}
