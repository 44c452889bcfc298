"""Imports of optional dependencies, with an error that says what to install and for what."""

import importlib

_EXTRA = {
    "tensorflow": "tensorflow",
    "tensorflow_datasets": "datasets",
    "matplotlib": "plot",
    "PIL": "plot",
    "tqdm": "recipes",
    "keras_cv": "keras-cv",
    "keras_hub": "keras-hub",
}


def require(module, purpose):
    """Imports an optional module.

    Args:
        module: Dotted module name, such as `"tensorflow"` or `"matplotlib.figure"`.
        purpose: What needs it, to complete the sentence "... needs tensorflow".

    Returns:
        The imported module.

    Raises:
        ImportError: The package is not installed; the message names the extra that holds it.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise not_installed(package, purpose) from error


def not_installed(package, purpose, missing=None):
    """Returns the error that says what to install.

    Args:
        package: Name of the module, such as `"keras_cv"`.
        purpose: What needs it, to complete the sentence "... needs keras_cv".
        missing: Name of the module that was not found, where that may be one that the package
            itself imports. Defaults to `None`, the package.

    Returns:
        An `ImportError`; its message names the extra that holds the package.
    """
    what = f"the package {package!r}"
    if missing not in (None, package):
        what += f", and with it {missing!r}"
    return ImportError(
        f"{purpose} needs {what}, which is not installed. "
        f"Install it with: pip install 'keras-patchmix[{_EXTRA[package]}]'"
    )
