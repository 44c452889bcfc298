"""What the tests of this folder share."""

import pytest

from tests.callbacks.runs import compiled_model


@pytest.fixture(scope="module")
def model():
    """A model for `drive`: nothing trains it, so that its forward function is compiled once."""
    return compiled_model()
