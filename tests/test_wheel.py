"""What a release brings: a wheel with the package and nothing beside it, an sdist with all."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.arrays import BACKEND

setuptools = pytest.importorskip("setuptools")
pytestmark = pytest.mark.skipif(BACKEND != "tensorflow", reason="is the same under every backend")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tracked():
    """Names of the files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def built(tracked, tmp_path_factory):
    """A folder with a wheel and an sdist of a copy of the tree, as building leaves files behind."""
    tree = tmp_path_factory.mktemp("tree")
    for name in tracked:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / "keras_patchmix" / "notes.txt").write_text("not of the package")
    (tree / "tests" / "__pycache__").mkdir()
    (tree / "tests" / "__pycache__" / "left.pyc").touch()
    command = [sys.executable, "setup.py", "-q", "sdist", "bdist_wheel"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    return tree / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


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


@pytest.fixture(scope="module")
def metadata(contents):
    return next(text for name, text in contents.items() if name.endswith("/METADATA")).decode()


def test_what_is_described_is_what_is_promised(metadata):
    lines = metadata.split("\n\n")[0].splitlines()
    core = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert sorted(line.split(" ")[1].split(">")[0] for line in core) == [
        "keras",
        "ml-dtypes",
        "numpy",
    ]
    assert "Classifier: Typing :: Typed" in lines


def test_links_of_the_description_work_where_no_other_file_is(metadata):
    text = metadata.split("\n\n", 1)[1]
    assert "pip install" in text
    assert re.findall(r"\]\((?!https?:|#)[^)]*", text) == []
    assert re.findall(r"""(?:src|href)=["'](?!https?:|#)[^"']*""", text) == []


@pytest.fixture
def setup_module(monkeypatch):
    monkeypatch.setattr(setuptools, "setup", lambda **settings: None)
    spec = importlib.util.spec_from_file_location("setup_of_the_package", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_to_the_files_of_the_version_where_the_repository_is_known(setup_module):
    text = "![a](docs/a.png) [b\nc](docs/d.md#e) [f](https://g.org) [h](#i) x[0](y)"
    setup_module.REPOSITORY = ""
    assert setup_module.described(text) == " b\nc [f](https://g.org) [h](#i) x[0](y)"
    setup_module.REPOSITORY = "https://own.er/name"
    version = setup_module.VERSION
    assert setup_module.described(text) == (
        f"![a](https://own.er/name/raw/v{version}/docs/a.png) "
        f"[b\nc](https://own.er/name/blob/v{version}/docs/d.md#e) "
        "[f](https://g.org) [h](#i) x[0](y)"
    )


def test_the_address_of_the_repository_is_one(setup_module):
    for name, key in (("mkdocs.yml", "repo_url"), ("CITATION.cff", "repository-code")):
        found = re.search(rf"^{key}: *(\S+)", (ROOT / name).read_text(), re.M)
        assert (found[1].strip("\"'") if found else "") == setup_module.REPOSITORY, name


def test_an_sdist_is_the_repository(built, tracked):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        files = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    made = {name for name in files if name.startswith("keras_patchmix.egg-info/")}
    made |= {"PKG-INFO", "setup.cfg"}
    assert files - made == tracked


@pytest.mark.slow
def test_all_tests_are_collected_from_an_sdist(built, tmp_path):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    settings = {"cwd": tree, "env": {**os.environ, "PYTHONPATH": str(tree)}}
    found = subprocess.run(command, capture_output=True, text=True, **settings)
    assert found.returncode == 0, found.stdout[-2000:]
    assert int(re.search(r"(\d+)(?:/\d+)? tests collected", found.stdout)[1]) > 3000
