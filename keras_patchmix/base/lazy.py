"""Public names that are imported on first use (PEP 562)."""

import importlib
import sys


def attach(package, names, submodules=()):
    """Returns `__getattr__`, `__dir__` and `__all__` of a package with lazy names.

    Args:
        package: Dotted name of the package, its `__name__`.
        names: Dict from public name to the module that defines it, relative to the package, or with
            a dot in front to the one above.
        submodules: Names of public sub-packages.
    """
    public = sorted([*names, *submodules])

    def __getattr__(name):
        if name in submodules:
            return importlib.import_module(f"{package}.{name}")
        if name in names:
            value = getattr(importlib.import_module(f".{names[name]}", package), name)
            setattr(sys.modules[package], name, value)
            return value
        raise AttributeError(
            f"module {package!r} has no attribute {name!r}. Public names: {public}"
        )

    def __dir__():
        return public

    return __getattr__, __dir__, public
