"""A training that is killed and started again ends as one that nothing disturbed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow")

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "kill_test.py"


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def killed_twice(tmp_path_factory):
    """Two runs: one undisturbed, one killed while it wrote a checkpoint and once after that."""
    directory = tmp_path_factory.mktemp("killed")
    flags = f"--fork --kills 2 --epochs 4 --seed 6 --directory {directory}"
    process = subprocess.run(
        [sys.executable, SCRIPT, *flags.split()],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return directory, json.loads(process.stdout.strip().splitlines()[-1].removeprefix("RESULT "))


def test_kills_change_no_weight_and_no_line(killed_twice):
    _, result = killed_twice
    assert result["different"] == []
    assert (result["kills"], result["went_on"]) == (2, 2)
    assert result["while_writing"] >= 1


def test_a_difference_would_have_been_seen(killed_twice, monkeypatch):
    directory, _ = killed_twice
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import kill_test

    first, second = directory / "undisturbed", directory / "changed"
    shutil.copytree(directory / "killed", second)
    assert kill_test.differences(first, second) == []
    newest = second / "checkpoints" / "epoch-000003.npz"
    with np.load(newest) as file:
        arrays = dict(file)
    arrays["optimizer 0"] = arrays["optimizer 0"] + 1
    np.savez(newest, **arrays)
    rows = (second / "metrics.csv").read_text().splitlines()
    (second / "metrics.csv").write_text("\n".join([*rows, rows[-1]]) + "\n")
    lines = (second / "occlusion.jsonl").read_text()
    (second / "occlusion.jsonl").write_text(2 * lines)
    model = keras.models.load_model(second / "model.keras")
    model.optimizer.iterations.assign(0)
    model.save(second / "model.keras")
    found = kill_test.differences(first, second)
    assert found == ["metrics.csv", "occlusion.jsonl", "model.keras", "checkpoints"]


def test_the_lines_differ_in_times_at_most(killed_twice):
    directory, _ = killed_twice
    files = [directory / name / "occlusion.jsonl" for name in ("undisturbed", "killed")]
    first, second = ([json.loads(line) for line in file.open()] for file in files)
    assert len(first) == 2, "scored every other epoch"
    for line, other in zip(first, second, strict=True):
        differing = {key for key in line if line[key] != other[key]}
        assert differing <= {"seconds", "share_of_epoch"}
