"""Python modules and functions by name."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path


def import_module(name, flag):
    """Imports a module, which may lie in the working directory.

    Args:
        name: Dotted name, or the path of a .py file.
        flag: The flag that asks for it, for the message.

    Returns:
        The module.

    Raises:
        ValueError: It cannot be imported; the message says where it was looked for.
    """
    try:
        if name.endswith(".py"):
            return _import_file(Path(name).resolve())
        _look_in(os.getcwd())
        return importlib.import_module(name)
    except Exception as error:  # whatever the module does
        message = f"{flag}: the module {name!r} cannot be imported: {type(error).__name__}: {error}"
        missing = isinstance(error, ModuleNotFoundError) and not name.endswith(".py")
        if missing and f"{name}.".startswith(f"{error.name}."):
            message += f". Looked in {_places()}; the path of a .py file is taken too"
        raise ValueError(message) from error


def _import_file(path):
    """Imports a .py file under its own name, as `import` does where it lies."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    known = sys.modules.get(path.stem)
    if known is not None:
        if Path(getattr(known, "__file__", None) or "").resolve() == path:
            return known
        raise ImportError(f"a module {path.stem!r} is there already; rename the file")
    _look_in(str(path.parent))  # for what it imports itself
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _look_in(folder):
    if folder not in sys.path and not (folder == os.getcwd() and "" in sys.path):
        sys.path.append(folder)


def _places():
    """Returns the folders of one's own in which modules are looked for, as text."""
    folders = dict.fromkeys(os.path.abspath(folder) for folder in sys.path)
    own = [folder for folder in folders if os.path.isdir(folder)]
    own = [folder for folder in own if not folder.startswith((sys.prefix, sys.base_prefix))]
    here = f"{os.getcwd()!r} (the current directory)"
    return ", ".join([here, *(repr(f) for f in own if f != os.getcwd()), "Python's packages"])


def find_function(text, flag):
    """Returns the function that "MODULE:FUNCTION" names.

    Raises:
        ValueError: There is none.
    """
    module, colon, name = text.rpartition(":")
    if not (module and colon and name):
        raise ValueError(f"{flag} must be MODULE:FUNCTION. Received: {text!r}")
    value = import_module(module, flag)
    for part in name.split("."):
        value = getattr(value, part, None)
    if not callable(value):
        raise ValueError(f"{flag}: the module {module!r} has no function {name!r}")
    return value
