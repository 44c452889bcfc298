"""The package as it is where TensorFlow is not installed, in an environment that has it too."""

import contextlib

import pytest

from keras_patchmix.base import optional


@contextlib.contextmanager
def without_tensorflow():
    """Makes what asks whether TensorFlow is installed hear that it is not."""
    with pytest.MonkeyPatch.context() as patch:
        asked = optional.is_installed
        patch.setattr(optional, "is_installed", lambda name: name != "tensorflow" and asked(name))
        yield


def need_a_pipeline():
    """Skips a module of tests where neither TensorFlow nor Grain is installed."""
    if not any(map(optional.is_installed, ("tensorflow", "grain"))):
        pytest.skip("needs tensorflow or grain", allow_module_level=True)
