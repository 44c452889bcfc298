"""Settings of the whole test suite, made before a backend is imported."""

import gc
import importlib.util
import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Two test processes share two cores: threads that wait for each other's pieces cost more than help.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import pytest
from hypothesis import Phase, settings

# No shrinking: a failing case of TensorFlow takes seconds, and is readable as it is drawn.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
# JAX compiles every operation for every shape drawn, which takes a second a case.
EXAMPLES = 4 if os.environ.get("KERAS_BACKEND") == "jax" else 30
settings.register_profile(
    "default", deadline=None, max_examples=EXAMPLES, derandomize=True, phases=PHASES
)
settings.register_profile("long", deadline=None, max_examples=2000, phases=PHASES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config):
    """Declares the marks: `needs("tqdm")` skips a test where a package is not installed."""
    config.addinivalue_line(
        "markers", "needs(*packages): the test runs where these packages are installed"
    )


def pytest_collection_finish():
    """Leaves what is imported by now, over a million objects, out of the collections to come.

    These come seldom, as every traced graph would bring many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


def pytest_runtest_setup(item):
    """Seeds the test by its name, and skips it where a package that it needs is not there."""
    random.seed(item.nodeid)  # Keras draws the seed of an unseeded layer from Python's `random`
    for mark in item.iter_markers("needs"):
        for package in mark.args:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"needs {package}")
