"""The package as a whole: what importing it costs, and what it offers."""

import subprocess
import sys
from pathlib import Path

import pytest

import keras_patchmix as kpm

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("keras_patchmix", ["keras", "tensorflow", "matplotlib"]),
        ("keras_patchmix.occlusion", ["tensorflow", "matplotlib"]),
    ],
)
def test_importing_is_cheap(module, absent):
    program = f"import sys, {module}; print([m for m in {absent} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_every_public_name_can_be_had():
    packages = [kpm, kpm.layers, kpm.occlusion, kpm.callbacks, kpm.models, kpm.datasets]
    for package in [*packages, kpm.training]:
        for name in package.__all__:
            assert getattr(package, name) is not None
            assert name in dir(package) or name.startswith("__")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'PatchMix'.*'PatchMixing'"):
        _ = kpm.PatchMix


def test_the_version_is_one():
    assert f"## {kpm.__version__} " in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {kpm.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_an_optional_package_that_is_missing_is_named(monkeypatch):
    from keras_patchmix._optional import require

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError, match=r"visualize needs .*'matplotlib'.*keras-patchmix\[plot\]"
    ):
        require("matplotlib", "visualize")
