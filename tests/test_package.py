"""The package as a whole: what importing it costs, and what it offers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_patchmix as kpm
from tests.arrays import BACKEND

ROOT = Path(__file__).parents[1]


elsewhere = pytest.mark.skipif(BACKEND == "tensorflow", reason="is about other backends")


def output(program):
    """The lines that a program prints in a process of its own."""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip().splitlines()


def run(program):
    return output(program)[-1]


IMPORTING = """
import sys, keras
before = set(sys.modules)
import keras_patchmix, keras_patchmix.occlusion, keras_patchmix.callbacks, keras_patchmix.models
roots = {name.partition(".")[0] for name in before}
after = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(sorted(after - roots))
import numpy as np, keras_patchmix as kpm
kpm.occlusion.evaluate, kpm.occlusion.DatasetOcclusion, kpm.callbacks.OcclusionBenchmark
kpm.callbacks.SelectivityBenchmark, kpm.explain.selectivity_benchmark, kpm.models.create
images = np.arange(8 * 16 * 16 * 3, dtype=np.uint8).reshape(8, 16, 16, 3)
own = kpm.occlusion.DatasetOcclusion((images, np.arange(8) % 2), name="own")
suite = [kpm.occlusion.PatchDrop(4, 0.5), own]
kpm.occlusion.evaluate(lambda x: x[:, 0, 0, :2], (images, np.arange(8) % 2), suite=suite)
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(roots & {"tensorflow", "tensorflow_datasets", "jax", "torch"}))
import importlib.util
if all(map(importlib.util.find_spec, ["tensorflow", "tensorflow_datasets"])):
    import keras_patchmix.datasets
    import tensorflow_datasets as tfds
    names = ["shapes", "superimposed_masked_dataset", "realistic_occlusion_dataset"]
    print([tfds.builder_cls(name).__module__.partition(".")[0] for name in names])
"""


@pytest.fixture(scope="module")
def imported():
    """What one process prints that imports more and more, as importing a backend takes seconds."""
    return output(IMPORTING)


def test_importing_imports_nothing_beside_keras(imported):
    assert imported[0] == "['keras_patchmix']"


def test_scoring_imports_no_data_sets(imported):
    assert imported[1] == "[]"


@pytest.mark.needs("tensorflow", "tensorflow_datasets")
def test_importing_the_data_sets_registers_them(imported):
    assert imported[2] == str(["keras_patchmix"] * 3)


# As if it were not installed; `sys.modules["tensorflow"] = None` would look imported to Keras.
WITHOUT_TENSORFLOW = """
import importlib.machinery, sys

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, *arguments):
        if name.partition(".")[0].startswith("tensorflow"):
            return None
        return super().find_spec(name, *arguments)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
import numpy as np
"""
USE = "import keras, keras_patchmix as kpm\n"


def test_importing_without_a_backend_says_what_to_install():
    program = """
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
try:
    import keras_patchmix
except ModuleNotFoundError as error:
    print(error)
"""
    message = run(WITHOUT_TENSORFLOW + program)
    assert "pip install 'keras-patchmix[tensorflow]'" in message
    assert message.startswith("Keras runs on 'tensorflow' here")


@elsewhere
def test_arrays_are_mixed_scored_and_drawn_without_tensorflow():
    program = """
images, labels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8), np.arange(20)
mixed, rows = kpm.PatchMixing(num_classes=20, seed=1)(images, labels)
assert mixed.shape == images.shape and rows.shape == (20, 20)
model = kpm.models.create("convnext_mini", 20, (32, 32, 3))
callback = kpm.callbacks.OcclusionBenchmark((images, labels), [kpm.occlusion.PatchDrop(4, 0.5)])
callback.set_model(model)
logs = {}
callback.on_epoch_end(0, logs)
report = kpm.occlusion.evaluate(model, images, labels, suite=[kpm.occlusion.PatchDrop(4, 0.5)])
assert report.rows[1].top1 == logs["val_patch_drop_4x4_50"]
assert report.settings["versions"]["backend"] == keras.backend.backend()
assert len(report.plot().axes) == 1
assert len(kpm.visualize((mixed, rows)).axes) >= 16
assert kpm.datasets.shapes.generate(range(3), "test", 32)[0].shape == (3, 32, 32, 3)
assert "tensorflow" not in sys.modules
print("done")
"""
    assert run(WITHOUT_TENSORFLOW + USE + program) == "done"


@elsewhere
@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("kpm.layers.map_seeded(None, kpm.PatchMixing(), 1)", "map_seeded needs .*'tensorflow'"),
        ("kpm.datasets.load('cifar10')", "'cifar10' .*needs .*'tensorflow_datasets'"),
        ("kpm.datasets.load_for_scoring('records:.')", "'records:.' .*'tensorflow_datasets'"),
        (
            "from keras_patchmix.cli.train import command, options; "
            "command.run(options.TrainOptions.parse(['--output', FOLDER, '--dataset', 'cifar10']))",
            "'cifar10' .*needs the package 'tensorflow_datasets",
        ),
        (
            "from keras_patchmix.cli.records import command, options; command.run("
            "options.RecordsOptions.parse(['--output', FOLDER, '--dataset', 'folder:.']))",
            "write_records needs the package 'tensorflow'",
        ),
    ],
)
def test_what_needs_tensorflow_says_so_by_name(use, message, tmp_path):
    program = f"""
FOLDER = {os.fspath(tmp_path)!r}
try:
    {use}
except ImportError as error:
    print(error)
"""
    said = run(WITHOUT_TENSORFLOW + USE + program)
    assert re.search(rf"{message}.*pip install 'keras-patchmix\[\w+\]'", said), said


@elsewhere  # on TensorFlow the tests of models load every family so
def test_a_saved_model_loads_once_the_package_is_imported(tmp_path):
    model = kpm.models.create("convnext_mini", 3, (32, 32, 3), drop_path_rate=0.1)
    model.save(tmp_path / "model.keras")
    path = str(tmp_path / "model.keras")
    program = f"import keras, keras_patchmix; print(keras.models.load_model({path!r}).name)"
    assert run(program) == "convnext_mini"


def test_every_public_name_can_be_had():
    packages = [kpm, kpm.layers, kpm.occlusion, kpm.callbacks, kpm.models, kpm.datasets]
    for package in [*packages, kpm.training, kpm.occluders]:
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
    from keras_patchmix.base.optional import require

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError,
        match=r"visualize needs .*pip install matplotlib .*'keras-patchmix\[report\]'",
    ):
        require("matplotlib", "visualize")
