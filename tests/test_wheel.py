"""What a release brings: the package, and nothing beside it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.arrays import BACKEND

pytest.importorskip("setuptools")
pytestmark = pytest.mark.skipif(BACKEND != "tensorflow", reason="is the same under every backend")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, made of a copy of the tree, as building leaves files behind."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "keras_patchmix", tree / "keras_patchmix")
    (tree / "keras_patchmix" / "notes.txt").write_text("not of the package")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("tests", "recipes", "benchmarks", "tools"):
        (tree / name).mkdir()
        (tree / name / "__init__.py").touch()
    command = [sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", "dist"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    return next((tree / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_holds_the_modules_presets_templates_and_the_mark_of_types(contents):
    found = {name for name in contents if name.startswith("keras_patchmix/")}
    package = ROOT / "keras_patchmix"
    wanted = {*package.rglob("*.py"), *package.rglob("*.json"), package / "py.typed"}
    wanted |= set((package / "report" / "templates").iterdir())
    assert found == {path.relative_to(ROOT).as_posix() for path in wanted}


def test_a_wheel_holds_nothing_beside_the_package_and_what_describes_it(contents):
    others = {name for name in contents if not name.startswith("keras_patchmix/")}
    folders = {name.partition("/")[0] for name in others}
    assert len(folders) == 1
    assert folders.pop().endswith(".dist-info")
    names = {Path(name).name for name in others}
    assert names == {
        *("LICENSE", "METADATA", "RECORD", "WHEEL"),
        *("entry_points.txt", "top_level.txt"),
    }


def test_a_wheel_holds_no_large_file(wheel, contents):
    largest = max(contents, key=lambda name: len(contents[name]))
    assert len(contents[largest]) < 50_000, largest
    assert wheel.stat().st_size < 600_000


def test_what_is_described_is_what_is_promised(contents):
    described = next(text for name, text in contents.items() if name.endswith("/METADATA"))
    lines = described.decode("utf-8").split("\n\n")[0].splitlines()
    core = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert sorted(line.split(" ")[1].split(">")[0] for line in core) == [
        "keras",
        "ml-dtypes",
        "numpy",
    ]
    assert "Typing :: Typed" in described.decode("utf-8")
