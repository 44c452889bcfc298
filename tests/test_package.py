"""The package as a whole: what importing it costs, and what it offers."""

import subprocess
import sys
from pathlib import Path

import pytest

import keras_patchmix as kpm

ROOT = Path(__file__).parents[1]


def run(program):
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip().splitlines()[-1]


def test_importing_imports_nothing_beside_keras():
    program = """
import sys, keras
before = {name.partition(".")[0] for name in sys.modules}
import keras_patchmix, keras_patchmix.occlusion, keras_patchmix.callbacks, keras_patchmix.models
after = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(sorted(after - before))
"""
    assert run(program) == "['keras_patchmix']"


def test_a_saved_model_loads_once_the_package_is_imported(tmp_path):
    model = kpm.models.create("convnext_mini", 3, (32, 32, 3), drop_path_rate=0.1)
    model.save(tmp_path / "model.keras")
    path = str(tmp_path / "model.keras")
    program = f"import keras, keras_patchmix; print(keras.models.load_model({path!r}).name)"
    assert run(program) == "convnext_mini"


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
