"""Where a progress bar shows, and how much it writes."""

import sys

import keras
import pytest

from keras_patchmix.base.progress import Progress, spanning


def bar_of(capsys, verbose="auto", total=3, done=0, steps=(1, 1, 1)):
    capsys.readouterr()
    with Progress(verbose, "photos\x1b") as progress:
        progress.start(total, done)
        for step in steps:
            progress.add(step)
    return capsys.readouterr().out


@pytest.mark.needs("ipykernel")
def test_a_notebook_shows_a_bar_and_a_process_that_could_start_one_does_not(capsys):
    from ipykernel.kernelapp import IPKernelApp

    assert bar_of(capsys) == ""
    try:
        IPKernelApp.instance()
        assert "photos" in bar_of(capsys)
    finally:
        IPKernelApp.clear_instance()
    assert bar_of(capsys) == ""


def test_a_terminal_shows_a_bar_unless_none_is_wanted(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert "3/3" in bar_of(capsys)
    assert bar_of(capsys, False) == ""


@pytest.mark.parametrize(
    ("arguments", "ending"),
    [
        ({}, "3/3 - "),
        ({"total": 90, "done": 60, "steps": [1] * 30}, "30/30 - "),
        ({"total": 200, "steps": [1] * 150}, "150/200 - "),
        ({"total": None}, None),
    ],
    ids=["whole", "going on", "stopped early", "of unknown length"],
)
def test_a_log_gets_a_title_and_at_most_one_line_more(arguments, ending, capsys):
    lines = bar_of(capsys, True, **arguments).strip("\n").split("\n")
    assert lines[0] == r"photos\x1b"
    assert len(lines) == (1 if ending is None else 2)
    assert ending is None or lines[1].startswith(ending)


def test_a_log_of_lines_has_a_title_and_notes_and_no_bar(capsys):
    for verbose, expected in ((2, "photos\nepoch 1\n"), (False, ""), ("auto", "")):
        with Progress(verbose, "photos") as progress:
            progress.start(2)
            progress.start(2)
            progress.add(2)
            progress.note("epoch 1")
        assert capsys.readouterr().out == expected


def test_a_call_within_a_longer_one_moves_its_bar(capsys):
    with Progress(True, "outer") as outer:
        outer.start(2)
        with spanning(outer, "inner") as inner:
            inner.start(7)
            inner.add(2)
    assert "inner" not in (out := capsys.readouterr().out)
    assert "2/2" in out


def test_another_verbose_is_refused():
    with pytest.raises(ValueError, match='`verbose` must be "auto", True or False'):
        Progress("yes", "photos")


def test_it_follows_the_logging_of_keras(capsys):
    keras.config.disable_interactive_logging()
    try:
        assert "3/3" not in bar_of(capsys, True)
    finally:
        keras.config.enable_interactive_logging()
