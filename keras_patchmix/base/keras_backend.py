"""Which backend Keras runs on, and what to install where there is none."""

import importlib.util
import json
import os
import sys
from pathlib import Path

_BACKENDS = ("tensorflow", "jax", "torch")


def runs_command() -> bool:
    """Returns whether this process is `keras-patchmix` or `python -m keras_patchmix`."""
    program = Path(sys.argv[0]).stem if sys.argv else ""
    return program in ("keras-patchmix", "keras-patchmix-script") or (
        program == "-m" and "keras_patchmix" in sys.orig_argv
    )


def configured() -> str:
    """Returns the backend that Keras takes: of `KERAS_BACKEND`, else of keras.json, else TF."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads((Path(home) / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def is_installed(name: str) -> bool:
    """Returns whether a backend is installed; one that is none of Keras' three counts as such."""
    return name not in _BACKENDS or importlib.util.find_spec(name) is not None


def choose() -> None:
    """Sets `KERAS_BACKEND` to one that is installed, where nobody has asked for another one."""
    if "KERAS_BACKEND" not in os.environ and not is_installed(configured()):
        for name in filter(is_installed, _BACKENDS):
            os.environ["KERAS_BACKEND"] = name
            return


def require() -> None:
    """Raises a ModuleNotFoundError that says what to install where Keras has no backend."""
    name = configured()
    if not is_installed(name):
        raise ModuleNotFoundError(
            f"Keras runs on {name!r} here, which is not installed. Install a backend, for "
            "instance with: pip install 'keras-patchmix[tensorflow]' (or [jax], or [torch]). Keras "
            "takes TensorFlow unless the environment variable KERAS_BACKEND, or keras.json, names "
            "another one.",
            name=name,
        )
