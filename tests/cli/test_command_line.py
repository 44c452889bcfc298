"""The command: its help, its version, what it says of wrong names, and where results go."""

import re
import shlex
import subprocess
import sys

import pytest

from keras_patchmix import __version__
from keras_patchmix.base.run_directory import new_directory
from keras_patchmix.cli import main as command_line
from keras_patchmix.cli.main import COMMANDS, main, options_class
from keras_patchmix.cli.options import Options, option


def test_help_lists_the_commands_and_exit_statuses(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  {name} " in text
    assert "130 Ctrl-C" in text
    assert main([]) == 2


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"keras-patchmix {__version__}\n"


def test_an_unknown_command_is_refused_with_the_one_that_was_meant(capsys):
    assert main(["scor"]) == 2
    assert "Did you mean 'score'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_imports_no_backend(name):
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['keras-patchmix', {name!r}, '--help']\n"
        "try: runpy.run_module('keras_patchmix')\n"
        "except SystemExit: pass\n"
        "from keras_patchmix.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert f"usage: keras-patchmix {name}" in found.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_a_help_is_one_that_its_parser_takes(name):
    lines = options_class(name).DESCRIPTION.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("    keras-patchmix")]
    assert commands
    for other, *flags in commands:
        options_class(other).parse(flags)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--seed", "1"], ["--seed", "1", "--output", "runs/a b"]),
        (["--output", "mine"], ["--output", "mine"]),
        (["--output=mine"], ["--output=mine"]),
        (["--outputs"], ["--outputs", "--output", "runs/a b"]),
    ],
)
@pytest.mark.parametrize("installed", [True, False])
def test_the_line_that_goes_on_can_be_pasted(arguments, expected, installed, monkeypatch):
    monkeypatch.setattr(command_line.shutil, "which", lambda name: name if installed else None)
    program = ["keras-patchmix"] if installed else [sys.executable, "-m", "keras_patchmix"]
    options = options_class("train")(output="runs/a b")
    line = command_line._how_to_resume(options, arguments).removeprefix(". To resume: ")
    assert shlex.split(line) == [*program, "train", *expected]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("cifar10", "cifar10"),
        ("folder:/my photos/", "my-photos"),
        ("records:imagenet-records", "imagenet-records"),
        ("imagenette/160px-v2", "imagenette-160px-v2"),
        ("x" * 50, "x" * 40),
    ],
)
def test_a_new_directory_has_the_time_the_subject_and_the_purpose(
    subject, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    directory = new_directory(subject, "occlusion")
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{expected}-occlusion", directory.name)
    assert directory.is_dir()


def test_directories_asked_for_in_one_second_differ(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [new_directory("shapes", "occlusion") for _ in range(4)]
    assert len(set(made)) == 4


def test_a_flag_is_one_field(capsys):
    import dataclasses

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Toy(Options):
        COMMAND = "toy"
        size: int = option(3, "how large", kind=int, metavar="N")
        fast: bool = option(False, "no pause", decides=False)
        names: tuple = option((), "who", repeats=True)
        pair: tuple | None = option(None, "two", kind=float, nargs=2)

    toy = Toy.parse("--size 4 --fast --names a --names=-b --pair 1 2".split())
    assert toy == Toy(size=4, fast=True, names=("a", "-b"), pair=(1.0, 2.0))
    assert toy.deciding() == {"size": 4, "names": ["a", "-b"], "pair": [1.0, 2.0]}
    assert Toy.parse(shlex.split(toy.command_line())[2:]) == dataclasses.replace(toy, fast=False)
    with pytest.raises(SystemExit):
        Toy.parse(["--help"])
    assert "--size N          how large (default: 3)" in capsys.readouterr().out
    nought = Toy.parse(["--size", "0"])
    assert Toy.parse(shlex.split(nought.command_line())[2:]) == nought
