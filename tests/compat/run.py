r"""Installs the wheel in clean environments, the lowest and the newest, and tries it in each.

    python tests/compat/run.py
    python tests/compat/run.py --only "lowest-*" torch-newest --python 3.10=/opt/python3.10
    python tests/compat/run.py --work compat --keep

Rows are of two kinds. Extras: the wheel with one extra and nothing else, then a program of
`tests/compat/smoke` that uses what the extra is for. Versions: a Python, then a part of the tests.
Of each, the lowest versions that setup.py allows (what its requirements name, pinned), and the
newest that the installer finds. uv installs where it is found, pip where not.

With `--work`, `rows.json` and `table.md` there grow with every row, and a row that has passed with
the same wheel and the same tests is not done again. The last line is RESULT and a JSON object. A
row whose Python is not found is "not run", which is no success: the exit status is 1 unless all
rows passed.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHOWN = (
    "keras",
    "numpy",
    "tensorflow",
    "jax",
    "torch",
    "tensorflow-datasets",
    "keras-cv",
    "keras-hub",
)
# Of every room something, in a few minutes.
TESTS = (
    "tests/test_package.py",
    "tests/test_public_api.py",
    "tests/mixing/test_patches.py",
    "tests/layers/test_patch_mixing.py",
    "tests/layers/test_patch_mixing_refusals.py",
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
        smoke: Program of `smoke/` to run, or None for the tests.
        backend: Value of KERAS_BACKEND.
    """

    name: str
    python: str
    extras: tuple = ()
    smoke: str | None = None
    backend: str = "tensorflow"

    @property
    def floors(self):
        """Whether all that setup.py names is pinned to its lowest version."""
        return "lowest" in self.name


@dataclass
class Tried:
    """What became of a row.

    Attributes:
        outcome: "passed", "failed", "not installed" or "not run".
        python: Version in full.
        versions: Dict from each installed package to its version.
        seconds: For installing and trying.
        line: The last line that was printed.
        tried: Digest of the wheel and of what was run.
    """

    outcome: str
    python: str = ""
    versions: dict = field(default_factory=dict)
    seconds: int = 0
    line: str = ""
    tried: str = ""


def _extra(name, extras, smoke, backend="tensorflow", lowest="3.10"):
    # The newest on a Python in between, as the rows of versions have the outer ones.
    return (
        Row(f"{name}-lowest", lowest, extras, smoke, backend),
        Row(f"{name}-newest", "3.11", extras, smoke, backend),
    )


ROWS = (
    *_extra("core", (), "core"),
    *_extra("tensorflow", ("tensorflow",), "backend"),
    *_extra("jax", ("jax",), "backend", "jax"),
    *_extra("torch", ("torch",), "backend", "torch", lowest="3.11"),
    *_extra("datasets", ("datasets",), "datasets"),
    *_extra("report", ("report", "jax"), "report", "jax"),
    *_extra("recipes", ("recipes",), "recipes"),
    *_extra("keras-cv", ("keras-cv",), "keras_cv"),
    *_extra("keras-hub", ("keras-hub", "tensorflow"), "keras_hub", lowest="3.11"),
    *_extra("tensorboard", ("tensorboard", "tensorflow"), "tensorboard"),
    Row("lowest-3.10", "3.10", ("tests",)),
    Row("newest-3.10", "3.10", ("tests",)),
    Row("lowest-3.11", "3.11", ("tests",)),
    Row("newest-3.11", "3.11", ("tests",)),
    Row("lowest-3.12", "3.12", ("tests",)),
    Row("newest-3.12", "3.12", ("tests",)),
    Row("newest-3.13", "3.13", ("tests",)),  # NumPy 1.26 has no wheel for it
)


def find_python(version, given):
    """Returns the path of a Python of that version and its version in full, or (None, "")."""
    candidate = given.get(version) or shutil.which(f"python{version}")
    if candidate is None:
        return None, ""
    program = "import platform; print(platform.python_version())"
    says = subprocess.run([candidate, "-c", program], capture_output=True, text=True).stdout.strip()
    return (candidate, says) if says.startswith(f"{version}.") else (None, "")


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
    shutil.rmtree(tree)
    return next(folder.glob("*.whl"))


def floors(wheel, extras):
    """Returns the lowest versions that a wheel allows, as pinned requirements."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith("/METADATA"))
        lines = archive.read(name).decode().splitlines()
    pins = {}
    for line in lines:
        found = re.match(r"Requires-Dist: ([\w.-]+)>=([\d.]+)(?:; extra == \"([\w-]+)\")?$", line)
        if found and (found[3] is None or found[3] in extras):
            pins[found[1]] = max(pins.get(found[1], "0"), found[2], key=_as_numbers)
    return [f"{name}=={version}" for name, version in pins.items()]


def _as_numbers(version):
    return tuple(map(int, version.split(".")))


def digest(wheel, row):
    """Returns a digest of what a row tries: the modules of the wheel, and the programs run."""
    found = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            found.update(name.encode() + archive.read(name))
    programs = [HERE / "smoke" / f"use_{row.smoke}.py"] if row.smoke else map(ROOT.joinpath, TESTS)
    for path in programs:
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def try_row(row, python, wheel, folder):
    """Installs and tries one environment; returns (outcome, installed versions, last line)."""
    environment = folder / row.name
    shutil.rmtree(environment, ignore_errors=True)
    own = environment / "bin" / "python"
    uv = shutil.which("uv")
    target = f"{wheel}[{','.join(row.extras)}]" if row.extras else str(wheel)
    pins = floors(wheel, row.extras) if row.floors else []
    log = folder / f"{row.name}.log"
    with log.open("w") as output:

        def run(*command, **settings):
            output.write("+ " + " ".join(map(str, command)) + "\n")
            output.flush()
            status = subprocess.run(
                list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, **settings
            )
            return status.returncode == 0

        if uv:
            made = run(uv, "venv", "-q", "--python", python, environment)
            install = (uv, "pip", "install", "-q", "--python", own)
        else:
            made = run(python, "-m", "venv", "--upgrade-deps", environment)
            install = (own, "-m", "pip", "install", "-q")
        if not (made and run(*install, target, *pins)):
            return "not installed", {}, last_line(log)
        versions = installed(own)
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


def installed(python):
    """Returns a dict from each package that a Python has to its version."""
    program = (
        "import importlib.metadata as m, json\n"
        "print(json.dumps({one.metadata['Name']: one.version for one in m.distributions()}))"
    )
    listed = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return {name.lower().replace("_", "-"): own for name, own in json.loads(listed.stdout).items()}


def copy_tests(folder):
    """Returns a folder with the tests, but without the package: the installed one is tried."""
    target = folder / "checkout"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("tests", "tools", "recipes", "docs"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    for name in ("README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, target / name)
    return target


def last_line(path):
    """Returns the last line of a file that holds anything: of pytest's, the line that counts."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    counts = [line for line in lines if re.match(r"=* ?\d+ (passed|failed|skipped)", line)]
    return [*lines, *counts][-1].strip(" =") if lines else ""


def head():
    """Returns the first two lines of the table."""
    names = ["environment", "Python", "outcome", "with", "what it said last", "seconds"]
    return "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"


def line(name, tried):
    """Returns a row of the table."""
    found = [f"{one} {tried.versions[one]}" for one in SHOWN if one in tried.versions]
    said = re.split(r", \d+ warning| in \d", tried.line)[0]  # of pytest what counts
    cells = [name, tried.python, tried.outcome, ", ".join(found), said, str(tried.seconds)]
    return "| " + " | ".join(cells) + " |"


def write_table(folder, done):
    """Writes what has been done so far: `rows.json` and `table.md`."""
    rows = {name: asdict(tried) for name, tried in done.items()}
    (folder / "rows.json").write_text(json.dumps(rows, indent=1))
    lines = [line(row.name, done[row.name]) for row in ROWS if row.name in done]
    (folder / "table.md").write_text("\n".join([head(), *lines]) + "\n")


def main():
    """Tries the rows and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=["*"], metavar="ROW", help="or patterns")
    parser.add_argument("--python", nargs="+", default=[], metavar="VERSION=PATH")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="default: one of this tree")
    parser.add_argument("--work", type=Path, metavar="DIR", help="default: a temporary directory")
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    options = parser.parse_args()
    rows = [row for row in ROWS if any(fnmatch(row.name, one) for one in options.only)]
    if not rows:
        parser.error(f"--only: none of {', '.join(row.name for row in ROWS)}")
    given = dict(one.split("=", 1) for one in options.python)
    folder = (options.work or Path(tempfile.mkdtemp(prefix="keras-patchmix-compat-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if options.wheel is None:
        for leftover in folder.glob("*.whl"):
            leftover.unlink()
    wheel = options.wheel.resolve() if options.wheel else build_wheel(folder)
    print(f"{wheel.name}: {wheel.stat().st_size / 1000:.0f} kB\n\n{head()}", flush=True)
    kept = folder / "rows.json"
    stored = json.loads(kept.read_text()) if kept.exists() else {}
    done = {name: Tried(**values) for name, values in stored.items()}
    for row in rows:
        tried = digest(wheel, row)
        earlier = done.get(row.name)
        if not (earlier and earlier.outcome == "passed" and earlier.tried == tried):
            done[row.name] = try_and_time(row, given, wheel, folder)
            done[row.name].tried = tried
            write_table(folder, done)
            if not options.keep:
                shutil.rmtree(folder / row.name, ignore_errors=True)
        print(line(row.name, done[row.name]), flush=True)
    result = {row.name: done[row.name].outcome for row in rows}
    print("RESULT " + json.dumps(result))
    return 0 if all(outcome == "passed" for outcome in result.values()) else 1


def try_and_time(row, given, wheel, folder):
    """Returns what became of a row."""
    python, version = find_python(row.python, given)
    if python is None:
        return Tried("not run", line=f"no python{row.python} found")
    start = time.perf_counter()
    outcome, versions, said = try_row(row, python, wheel, folder)
    return Tried(outcome, version, versions, round(time.perf_counter() - start), said)


if __name__ == "__main__":
    sys.exit(main())
