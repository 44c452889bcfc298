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
    with pytest.raises(SystemExit):
        run([*flags, "--precision", "60"], capsys)
    assert "--precision: must be a number above 0 and below 50" in capsys.readouterr().err


def test_rows_stop_once_the_difference_to_another_report_is_known(tmp_path, capsys):
    write_folder(tmp_path / "photos", count=60)
    write_suite(tmp_path / "suite.json")
    flags = [
        *("--dataset", f"folder:{tmp_path / 'photos'}", "--split", "all", "--batch-size", "8"),
        *("--suite", tmp_path / "suite.json", "--model", tmp_path / "small.keras"),
    ]
    small_model(1).save(tmp_path / "small.keras")
    assert run([*flags, "--output", tmp_path / "whole"], capsys)[0] == 0
    first = tmp_path / "whole" / "report.json"
    short = [*flags, "--output", tmp_path / "short", "--precision", "15", "--compare-to", first]
    status, out, _ = run(short, capsys)
    assert status == 0
    report, whole = Report.load(tmp_path / "short"), Report.load(first)
    assert report.settings["sequential"]["compared_to"] == str(first)
    whole.settings["model"] = str(first)  # both models are called "small"
    # The same model: every difference is 0, so that all rows stop at once, whatever they are.
    (count,) = {row.n for row in report.rows}
    assert count < 180
    assert str(report.compare(whole)) in out
    status, again, _ = run(short, capsys)
    assert status == 0
    assert str(report.compare(whole)) in again
    wrong = [*flags, "--output", tmp_path / "other", "--compare-to", first, "--seed", "1"]
    status, _, err = run([*wrong, "--precision", "15"], capsys)
    assert status == 1
    assert "--compare-to must be a report of the same images. Received: --seed 0 there" in err
    missing = [*flags, "--precision", "15", "--compare-to", tmp_path / "none.json"]
    status, _, err = run(missing, capsys)
    assert status == 1
    assert "--compare-to: there is no file" in err
    with pytest.raises(SystemExit):
        run(wrong, capsys)
    assert "--compare-to: needs --precision" in capsys.readouterr().err
