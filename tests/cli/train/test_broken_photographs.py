"""Broken photographs that are trained on: another takes their place, and they are named."""

import re

import pytest

from tests.cli.train.cases import use_small_network, write_folder
from tests.command_line import subcommand
from tests.without_tensorflow import need_a_pipeline

need_a_pipeline()


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """Runs the command in this process; returns its status, what it printed, and its errors."""
    monkeypatch.chdir(tmp_path)
    use_small_network(monkeypatch)

    def run(*flags):
        status = subcommand("train")(list(map(str, flags)))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.mark.parametrize(
    "cache", ["decoded", pytest.param("encoded", marks=pytest.mark.slow), "none"]
)
def test_a_training_photograph_that_is_broken_is_counted_and_named(run_here, tmp_path, cache):
    write_folder(tmp_path / "photos")
    for name in ("torn.png", "also.jpg"):
        (tmp_path / "photos" / "class1" / name).write_bytes(b"\x89PNG\r\n\x1a\n torn")
    flags = ["--dataset", f"folder:{tmp_path / 'photos'}", "--train-split", "all", "--epochs", 2]
    # The last images of a pass that fill no batch are read in another one.
    flags += ["--batch-size", 8, "--occlusion-examples", 4, "--cache", cache]
    status, printed, errors = run_here(*flags, "--output", tmp_path / "a")
    assert status == 0, errors
    (line,) = [line for line in printed.splitlines() if "could not be read" in line]
    assert line.startswith("2 training or validation images could not be read; for each, training")
    assert re.search(r": class1/also.jpg \(.+\); class1/torn.png \(", line)  # decoders give reasons


def test_a_class_without_readable_photographs_ends_it_with_a_line_that_names_one(
    run_here, tmp_path
):
    write_folder(tmp_path / "photos")
    for path in (tmp_path / "photos" / "class1").iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n torn")
    flags = ("--dataset", f"folder:{tmp_path / 'photos'}", "--train-split", "all")
    flags = (*flags, "--batch-size", 30, "--epochs", 1, "--output", tmp_path / "a")
    status, _, errors = run_here(*flags)
    assert status == 1
    last = errors.strip().splitlines()[-1]
    assert "Cannot decode the image file" in last
    assert "class1/" in last
    assert "keras-patchmix records --dataset" in last
