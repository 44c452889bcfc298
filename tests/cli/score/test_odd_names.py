"""Names that are no UTF-8, escapes of terminals, formulas: the command and its files."""

import csv
import os

import numpy as np
import pytest

from keras_patchmix.occlusion import Report, write_page
from keras_patchmix.occlusion.plot import plot_reports
from tests import odd_names
from tests.cli.score import cases
from tests.command_line import result


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd")
    photos = cases.write_folder(root / os.fsdecode(b"d\xe9\x1b[31m"), 6, odd_names.CLASSES)
    for name in odd_names.FILES:
        (photos / odd_names.CLASSES[0] / name).write_bytes(b"broken")
    plain = root / "plain.keras"
    cases.small_model().save(plain)
    os.rename(plain, root / os.fsdecode(b"net\xe9\x1b[31m.keras"))
    cases.small_model(1).save(root / "@m.keras")
    cases.write_suite(root / "suite.json")
    return root


def flags(place, *names):
    models = [part for name in names for part in ("--model", place / name)]
    photos = place / os.fsdecode(b"d\xe9\x1b[31m")
    suite = ["--suite", place / "suite.json", "--per-class", "--progress", "off"]
    return [*models, "--dataset", f"folder:{photos}", "--split", "all", *suite]


def test_no_name_ends_a_run_or_turns_a_terminal(place, tmp_path, capsys):
    models = (os.fsdecode(b"net\xe9\x1b[31m.keras"), "@m.keras")
    output = tmp_path / os.fsdecode(b"out\xe9")
    status, out, errors = cases.run([*flags(place, *models), "--output", output], capsys)
    assert (status, errors) == (0, "")
    odd_names.assert_printable(out)
    odd_names.assert_files_are_printable(output)
    assert result(out)["skipped"] == 2
    for name in (*odd_names.SHOWN, r"net\xe9\x1b[31m", "@m"):
        assert name in out
    for name in (r"caf\xe9/a\xe9.png (no image", r"caf\xe9/a\xe9.png (2) (no image"):
        assert out.count(name) == 1, "each of two files of one printable name"
    assert r"caf\xe9" in (output / "report.html").read_text("utf-8")
    again = cases.run([*flags(place, *models), "--output", output], capsys)
    assert again[0] == 0
    assert "scored before" in again[1]
    assert again[1].splitlines()[2:] == out.splitlines()[-len(again[1].splitlines()) + 2 :]
    with open(next(output.rglob("classes.csv")), encoding="utf-8", newline="") as file:
        names = {row["class_name"] for row in csv.DictReader(file)}
    assert names == {r"caf\xe9", "'=cmd|' &calc'!A1", r"red\x1b[31m\u202e"}
    with open(output / "report.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {r"net\xe9\x1b[31m", "'@m"}
    assert not any(cell.startswith(("=", "@", "+")) for row in rows for cell in row.values())


def test_the_report_can_be_used_in_every_form(place, tmp_path, capsys):
    status, _, _ = cases.run([*flags(place, "@m.keras"), "--output", tmp_path / "out"], capsys)
    assert status == 0
    report = Report.load(tmp_path / "out")
    assert report.settings["class_names"] == sorted(
        odd_names.SHOWN, key=dict(zip(odd_names.SHOWN, odd_names.CLASSES, strict=True)).get
    )
    assert [entry["name"] for entry in report.skipped] == [
        r"caf\xe9/a\xe9.png",
        r"caf\xe9/a\xe9.png (2)",
    ]
    # Settings that were changed by hand are made printable where they leave.
    report.settings["model"] = "\udce9\x1b[31m"
    report.to_csv(tmp_path / "x.csv")
    report.to_json(tmp_path / "x.json")
    odd_names.assert_files_are_printable(tmp_path)
    for text in (str(report), report.table(), repr(report), write_page(report)):
        odd_names.assert_printable(text)
    for ending in ("png", "svg", "pdf"):
        report.plot(tmp_path / f"x.{ending}")
    plot_reports({"\udce9\x1b": report, "\udcea": report}, tmp_path / "both.svg")
    np.testing.assert_array_equal(Report.load(tmp_path / "x.json").correct["clean"].shape, [18])
