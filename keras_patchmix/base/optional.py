"""Imports of optional packages; the error says what to install, and for what."""

import functools
import importlib
import importlib.util

# Module: name for pip, extra of this package.
_INSTALLED_BY = {
    "tensorflow": ("tensorflow", "tensorflow"),
    "tensorflow_datasets": ("tensorflow-datasets", "datasets"),
    "jinja2": ("jinja2", "report"),
    "matplotlib": ("matplotlib", "report"),
    "PIL": ("pillow", "report"),
    "grain": ("grain", "grain"),
    "pandas": ("pandas", "pandas"),
    "keras_cv": ("keras-cv", "keras-cv"),
    "keras_hub": ("keras-hub", "keras-hub"),
    "onnxruntime": ("onnxruntime", "onnx"),
}


@functools.cache
def is_installed(package):
    """Returns whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def require(module, purpose):
    """Imports and returns an optional module.

    Args:
        module: Dotted module name, such as `"tensorflow"` or `"matplotlib.figure"`.
        purpose: Subject of the sentence "... needs tensorflow".

    Raises:
        ImportError: The package is not installed; the message says how to install it.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise not_installed(package, purpose) from error


def not_installed(package, purpose, missing=None):
    """Returns an `ImportError` that names the package for pip, and the extra.

    Args:
        package: Name of the module, such as `"keras_cv"`.
        purpose: Subject of the sentence "... needs keras_cv".
        missing: Name of the module that was not found, if the package itself imports it. Defaults
            to `None`, the package.
    """
    what = f"the package {package!r}"
    if missing not in (None, package):
        what += f", and with it {missing!r}"
    distribution, extra = _INSTALLED_BY[package]
    return ImportError(
        f"{purpose} needs {what}, which is not installed. Install it with: pip install "
        f"{distribution} (or with what goes with it: pip install 'keras-patchmix[{extra}]')"
    )
