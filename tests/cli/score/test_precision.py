"""The command with --precision: fewer images, and the files say so."""

import csv

import pytest

pytest.importorskip("tensorflow")

from keras_patchmix.occlusion import Report
from tests.cli.score.cases import run, small_model, write_folder, write_suite


def test_rows_stop_and_every_file_says_so(tmp_path, capsys):
    write_folder(tmp_path / "photos", count=60)
    write_suite(tmp_path / "suite.json")
    flags = [
        *("--dataset", f"folder:{tmp_path / 'photos'}", "--split", "all", "--batch-size", "8"),
        *("--suite", tmp_path / "suite.json", "--output", tmp_path / "out", "--precision", "15"),
    ]
    for name, seed in (("a", 1), ("b", 2)):
        small_model(seed).save(tmp_path / f"{name}.keras")
        flags += ["--model", tmp_path / f"{name}.keras"]
    status, out, _ = run(flags, capsys)
    assert status == 0
    assert "95 % interval" in out
    for name in "ab":
        report = Report.load(tmp_path / "out" / name)
        assert report.settings["sequential"]["population"] == 180
        assert report.settings["command"].endswith("--precision 15.0")
        assert all(row.n < 180 and len(row.interval) == 2 for row in report.rows)
    rows = list(csv.DictReader((tmp_path / "out" / "report.csv").open()))
    assert [float(row["low"]) for row in rows[4:]] == [row.interval[0] for row in report.rows]
    status, _, err = run([*flags[:-1], tmp_path / "b.keras", "--precision", "60"], capsys)
    assert status == 2
    assert "--precision: must be a number above 0 and below 50" in err
