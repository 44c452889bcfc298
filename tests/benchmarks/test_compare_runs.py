"""Tables over seeds, of runs in the layout that `keras-patchmix train --compare none` leaves."""

import csv
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_patchmix.occlusion import PatchDrop, evaluate

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "compare_runs.py"
NUMBERS = np.arange(1, 41)  # image i is 6 i everywhere, so that a pixel says which it is
IMAGES = np.broadcast_to((6 * NUMBERS)[:, None, None, None], (40, 8, 8, 3)).astype("uint8")
LABELS = NUMBERS % 5


def load():
    spec = importlib.util.spec_from_file_location("compare_runs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_run(directory, mixing, seed, right, epochs=3):
    """A run whose model has the first images right, as many as `right` says."""

    def model(images):
        number = np.asarray(images)[:, -1, -1, 0].astype(int) // 6
        return np.eye(5)[(number + (number > right)) % 5]

    report = evaluate(model, IMAGES, LABELS, [PatchDrop(4, 0.5)], batch_size=8)
    directory.mkdir(parents=True)
    report.to_json(directory / "report.json")
    config = {"model": "convnext_mini", "mixing": mixing, "seed": seed, "epochs": epochs}
    (directory / "config.json").write_text(json.dumps(config))
    return report


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", *map(str, arguments)])
    load().main()
    out = capsys.readouterr().out
    return out, json.loads(out.splitlines()[-1].removeprefix("RESULT "))


def test_each_seed_is_paired_with_the_baseline_of_its_own_directory(tmp_path, monkeypatch, capsys):
    top1 = {}
    for seed, (mixed, plain) in {1: (24, 12), 2: (36, 12)}.items():
        for mixing, right in (("patchmix", mixed), ("none", plain)):
            folder = tmp_path / f"run-{seed}"
            folder = folder / "none" if mixing == "none" else folder
            top1[mixing, seed] = write_run(folder, mixing, seed, right).rows[0].top1
    runs = [tmp_path / f"run-{seed}{end}" for end in ("", "/none") for seed in (1, 2)]
    out, result = run(monkeypatch, capsys, *runs, "--csv", tmp_path / "all.csv")
    first = {one["mixing"]: one for one in result if one["name"] == "clean"}
    for mixing, one in first.items():
        assert one["seeds"] == {str(s): pytest.approx(top1[mixing, s], abs=1e-4) for s in (1, 2)}
    change = [top1["patchmix", seed] - top1["none", seed] for seed in (1, 2)]
    assert first["patchmix"]["difference"] == pytest.approx(np.mean(change), abs=1e-4)
    assert f"({100 * change[0]:+.1f}, {100 * change[1]:+.1f})" in out
    with open(tmp_path / "all.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    clean = [line for line in lines if line["row"] == "clean"]
    assert {(line["mixing"], int(line["seed"])) for line in clean} == set(top1)
    assert {float(line["share"]) for line in lines if line["row"] == "patch_drop_4x4_50"} == {0.5}


def test_runs_of_other_length_are_refused_by_name(tmp_path, monkeypatch, capsys):
    write_run(tmp_path / "a", "patchmix", 1, 12)
    write_run(tmp_path / "b", "none", 1, 12, epochs=2)
    with pytest.raises(SystemExit, match=r"same epochs: 3 in .*a, 2 in .*b"):
        run(monkeypatch, capsys, tmp_path / "a", tmp_path / "b")
