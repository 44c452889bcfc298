"""Names that are no UTF-8, escapes of terminals, formulas: the command that explains."""

import csv
import os

import pytest

from tests import odd_names
from tests.cli.explain import cases
from tests.command_line import result


@pytest.fixture
def place(tmp_path):
    photos = tmp_path / os.fsdecode(b"d\xe9\x1b[31m")
    for label, name in enumerate(odd_names.CLASSES):
        for number in range(2):
            cases.save(photos / name / f"{number}.png", cases.color(label))
    for name in odd_names.FILES:
        (photos / odd_names.CLASSES[0] / name).write_bytes(b"broken")
    cases.by_color().save(tmp_path / "plain.keras")
    os.rename(tmp_path / "plain.keras", tmp_path / os.fsdecode(b"=\xe9\x1b.keras"))
    return tmp_path


@pytest.mark.parametrize("kind", ["data", "images"])
def test_no_name_ends_a_run_or_turns_a_terminal(place, capsys, kind):
    photos = place / os.fsdecode(b"d\xe9\x1b[31m")
    source = ["--dataset", f"folder:{photos}", "--split", "all", "--max-examples", 5]
    source += ["--patches", 3]
    if kind == "images":
        source = ["--image", photos / odd_names.CLASSES[0]]
    model = place / os.fsdecode(b"=\xe9\x1b.keras")
    output = place / os.fsdecode(b"out\xe9")
    flags = ["--model", model, *source, "--num-masks", 10, "--output", output]
    status, out, errors = cases.run([*flags, "--progress", "off"], capsys)
    assert (status, errors) == (0, "")
    odd_names.assert_printable(out)
    odd_names.assert_files_are_printable(output)
    assert result(out)["skipped"] == 2
    assert r"a\xe9.png (no image" in out
    assert r"a\xe9.png (2) (no image" in out
    assert (output / "explain.png").stat().st_size > 0
    with open(output / "rows.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {r"'=\xe9\x1b"}
    status, again, _ = cases.run([*flags, "--progress", "off"], capsys)
    assert status == 0
    assert result(again) == result(out)
