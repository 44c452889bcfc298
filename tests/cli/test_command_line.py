"""What the commands of the recipes share: how to go on, and where results go."""

import re
import shlex
import sys

import pytest

from keras_patchmix.cli.command_line import again, new_directory


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--seed", "1"], ["--seed", "1", "--output", "runs/a b"]),
        (["--output", "mine"], ["--output", "mine"]),
        (["--output=mine"], ["--output=mine"]),
        (["--outputs"], ["--outputs", "--output", "runs/a b"]),
    ],
)
def test_the_command_that_goes_on_names_the_directory_once(arguments, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["recipes/do it.py"])
    said = shlex.split(again(arguments, "runs/a b"))
    assert said == [sys.executable, "recipes/do it.py", *expected]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("cifar10", "cifar10"),
        ("folder:/my photos/", "my-photos"),
        ("records:imagenet-records", "imagenet-records"),
        ("imagenette/160px-v2", "imagenette-160px-v2"),
        ("x" * 50, "x" * 40),
    ],
)
def test_a_new_directory_has_the_time_the_source_and_the_purpose(source, expected):
    name = new_directory(source, "occlusion")
    assert re.fullmatch(rf"runs/\d{{8}}-\d{{6}}-{expected}-occlusion", name)
