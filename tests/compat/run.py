r"""Installs the wheel in clean environments, the lowest and the newest, and tries it in each.

    python tests/compat/run.py
    python tests/compat/run.py --only lowest-3.10 newest-3.12 --python 3.10=/opt/python3.10
    python tests/compat/run.py --work compat --keep

Rows are of two kinds. Extras: the wheel with one extra and nothing else, then a program of
`tests/compat/smoke` that uses what the extra is for. Versions: Python, and the lowest versions that
setup.py allows (what its requirements name, pinned) or the newest that pip finds, then a part of
the tests. Prints a table with what was installed; the last line is RESULT and a JSON object. A row
whose Python is not found is "not run", which is no success: the exit status is 1 unless all rows
were run and passed.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHOWN = ("keras", "numpy", "tensorflow", "jax", "torch", "tensorflow-datasets", "keras-cv")
# Of every room something, in a few minutes.
TESTS = (
    "tests/test_package.py",
    "tests/test_mixing.py",
    "tests/layers/test_patch_mixing.py",
    "tests/layers/test_patch_mixing_tf_data.py",
    "tests/models/test_convnext.py",
    "tests/occlusion/test_benchmark.py",
    "tests/occlusion/test_golden_rows.py",
    "tests/callbacks/test_occlusion_benchmark.py",
    "tests/datasets/test_shapes.py",
    "tests/explain/test_rise.py",
    "tests/training/test_on_device.py",
)


@dataclass(frozen=True)
class Row:
    """One environment.

    Attributes:
        name: For the table and `--only`.
        python: Version, such as "3.11".
        extras: Extras of the wheel.
        floors: Whether all that setup.py names is pinned to its lowest version.
        smoke: Program of `smoke/` to run, or None for the tests.
        backend: Value of KERAS_BACKEND.
        also: Further requirements.
    """

    name: str
    python: str
    extras: tuple = ()
    floors: bool = False
    smoke: str | None = None
    backend: str = "tensorflow"
    also: tuple = ()


ROWS = (
    Row("core", "3.11", smoke="core"),
    Row("tensorflow", "3.11", ("tensorflow",), smoke="backend"),
    Row("jax", "3.11", ("jax",), smoke="backend", backend="jax"),
    Row("torch", "3.11", ("torch",), smoke="backend", backend="torch"),
    Row("datasets", "3.11", ("datasets",), smoke="datasets"),
    Row("plot", "3.11", ("plot", "jax"), smoke="plot", backend="jax"),
    Row("recipes", "3.11", ("recipes",), smoke="recipes"),
    Row("keras-cv", "3.11", ("keras-cv",), smoke="keras_cv"),
    Row("keras-hub", "3.11", ("keras-hub", "tensorflow"), smoke="keras_hub"),
    Row("tensorboard", "3.11", ("tensorboard", "tensorflow"), smoke="tensorboard"),
    Row("lowest-3.10", "3.10", ("tests",), floors=True),
    Row("newest-3.10", "3.10", ("tests",)),
    Row("lowest-3.11", "3.11", ("tests",), floors=True),
    Row("newest-3.11", "3.11", ("tests",)),
    Row("lowest-3.12", "3.12", ("tests",), floors=True),
    Row("newest-3.12", "3.12", ("tests",)),
)


def find_python(version, given):
    """Returns the path of a Python of that version, or None."""
    candidate = given.get(version) or shutil.which(f"python{version}")
    if candidate is None:
        return None
    says = subprocess.run(
        [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
    )
    return candidate if says.stdout.strip() == version else None


def build_wheel(folder):
    """Returns the wheel of this tree, made from a copy of it so that nothing is left behind."""
    tree = folder / "tree"
    names = ("keras_patchmix", "setup.py", "pyproject.toml", "README.md", "LICENSE")
    tree.mkdir()
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, tree]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def floors(wheel, extras):
    """Returns the lowest versions that a wheel allows, as pinned requirements."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith("/METADATA"))
        lines = archive.read(name).decode().splitlines()
    pins = {}
    for line in lines:
        found = re.match(r"Requires-Dist: ([\w.-]+)>=([\w.]+)(?:; extra == \"([\w-]+)\")?$", line)
        if found and (found[3] is None or found[3] in extras):
            pins[found[1]] = found[2]
    return [f"{name}=={version}" for name, version in pins.items()]


def try_row(row, python, wheel, folder):
    """Installs and tries one environment; returns (outcome, installed versions, last line)."""
    environment = folder / row.name
    log = folder / f"{row.name}.log"
    with log.open("w") as output:

        def run(*command, **settings):
            output.write("+ " + " ".join(map(str, command)) + "\n")
            output.flush()
            status = subprocess.run(
                list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, **settings
            )
            return status.returncode == 0

        if not run(python, "-m", "venv", "--upgrade-deps", environment):
            return "no environment", {}, str(log)
        own = environment / "bin" / "python"
        target = f"{wheel}[{','.join(row.extras)}]" if row.extras else str(wheel)
        pins = floors(wheel, row.extras) if row.floors else []
        if not run(own, "-m", "pip", "install", "-q", target, *pins, *row.also):
            return "not installed", {}, last_line(log)
        listed = subprocess.run(
            [own, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
        )
        versions = {one["name"]: one["version"] for one in json.loads(listed.stdout)}
        settings = {
            "env": {**os.environ, "KERAS_BACKEND": row.backend, "TF_CPP_MIN_LOG_LEVEL": "2"},
            "cwd": folder,
        }
        settings["env"].pop("PYTHONPATH", None)
        if row.smoke:
            passed = run(own, HERE / "smoke" / f"use_{row.smoke}.py", **settings)
        else:
            settings["cwd"] = copy_tests(folder)
            passed = run(own, "-m", "pytest", "-q", "-n", "2", *TESTS, **settings)
    return "passed" if passed else "failed", versions, last_line(log)


def copy_tests(folder):
    """Returns a folder with the tests, but without the package: the installed one is tried."""
    target = folder / "checkout"
    if not target.exists():
        target.mkdir()
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("tests", "recipes", "docs"):
            shutil.copytree(ROOT / name, target / name, ignore=ignore)
        for name in ("README.md", "pyproject.toml", "setup.py"):
            shutil.copy(ROOT / name, target / name)
    return target


def last_line(path):
    """Returns the last line of a file that holds anything."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip(" =") if lines else ""


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], metavar="ROW")
    parser.add_argument("--python", nargs="+", default=[], metavar="VERSION=PATH")
    parser.add_argument("--work", type=Path, metavar="DIR", help="default: a temporary directory")
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    options = parser.parse_args()
    given = dict(one.split("=", 1) for one in options.python)
    folder = options.work or Path(tempfile.mkdtemp(prefix="keras-patchmix-compat-"))
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("*.whl"):
        leftover.unlink()
    shutil.rmtree(folder / "tree", ignore_errors=True)
    wheel = build_wheel(folder.resolve())
    print(f"{wheel.name}: {wheel.stat().st_size / 1000:.0f} kB", flush=True)
    print("\n| environment | Python | outcome | " + " | ".join(SHOWN) + " | seconds | last line |")
    print("|---" * (5 + len(SHOWN)) + "|", flush=True)
    result = {}
    for row in ROWS:
        if options.only and row.name not in options.only:
            continue
        start = time.perf_counter()
        python = find_python(row.python, given)
        if python is None:
            outcome, versions, line = "not run", {}, f"no python{row.python} found"
        else:
            outcome, versions, line = try_row(row, python, wheel, folder.resolve())
        shown = [versions.get(name, "") for name in SHOWN]
        seconds = f"{time.perf_counter() - start:.0f}"
        print("| " + " | ".join([row.name, row.python, outcome, *shown, seconds, line]) + " |")
        sys.stdout.flush()
        result[row.name] = outcome
        if not options.keep:
            shutil.rmtree(folder / row.name, ignore_errors=True)
    print("RESULT " + json.dumps(result))
    return 0 if all(outcome == "passed" for outcome in result.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
