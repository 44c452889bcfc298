"""The command line of an explanation is strict, and knows what decides the numbers."""

import dataclasses
import shlex

import pytest

from keras_patchmix.cli.explain.options import ExplainOptions
from keras_patchmix.cli.messages import naming

IMAGE = "--model a.keras --image b.png"
DATA = "--model a.keras --dataset shapes"


def options(text):
    return ExplainOptions.parse(shlex.split(text))


def test_defaults_are_those_of_the_dataclass():
    assert options(IMAGE) == ExplainOptions(model=("a.keras",), image=("b.png",))
    expected = ExplainOptions(model=("a.keras",), dataset="shapes", max_examples=100)
    found = dict(corruption="replacement", patches=7, level=0.4)
    assert options(DATA) == dataclasses.replace(expected, **found)
    assert options(f"{DATA} --corruption superimpose").patches is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--image b.png", "the following arguments are required: --model"),
        ("--model a.keras", "argument --image and --dataset: give one of them"),
        (f"{IMAGE} --dataset shapes", "argument --image and --dataset: give one of them"),
        (f"{IMAGE} --split test", "--split: is for --dataset"),
        (f"{IMAGE} --max-examples 100", "--max-examples: is for --dataset"),
        (f"{IMAGE} --level 0.4", "--level: is for --dataset"),
        (f"{DATA} --class 3", "--class: is for --image"),
        (f"{DATA} --mask m.png", "--mask: is for --image"),
        (f"{DATA} --method rise", "--method: rise is for --image"),
        (f"{IMAGE} --method rise --contrast 3", "--contrast: is for --method c-rise"),
        (
            f"{DATA} --corruption superimpose --patches 7",
            "--patches: is for --corruption replacement",
        ),
        (f"{DATA} --level 1", "argument --level: must be a number between 0 and 1, got '1'"),
        (f"{DATA} --patches 1", "argument --patches: must be a whole number of at least 2"),
        (f"{IMAGE} --num-masks 0", "argument --num-masks: must be a whole number of at least 1"),
        (f"{IMAGE} --scores log", "argument --scores: invalid choice: 'log'"),
        (f"{IMAGE} --tolerance x", "argument --tolerance: must be a number between 0 and 1"),
        (f"{IMAGE} --nummasks 3", "unrecognized arguments: --nummasks 3"),
    ],
)
def test_errors_name_the_flag(flags, message, capsys):
    with pytest.raises(SystemExit) as error:
        options(flags)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_reads_back_as_the_options_that_decide():
    for text in (
        f"{IMAGE} --image c --class 'a b' --class=-x --tolerance 0.1 --unsafe-load --output o",
        f"{DATA} --corruption superimpose --level 0.3 --scores logits --progress off",
        DATA,
    ):
        found = options(text)
        program, name, *parts = shlex.split(found.command_line())
        assert (program, name) == ("keras-patchmix", "explain")
        assert ExplainOptions.parse(parts).deciding() == found.deciding()
    assert "--seed" not in options(DATA).command_line()


def test_the_directory_names_time_and_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert options(IMAGE).new_directory().name.endswith("-b-explanation")
    folder = options("--model a.keras --dataset 'folder:/a/b c'").new_directory()
    assert folder.name.endswith("-a-b-c-explanation")


def test_arguments_of_the_library_are_named_as_flags():
    own = {"grid_size": "--patches"}
    with (
        pytest.raises(ValueError, match=r"^a: --class, --num-masks and --patches, `other`$"),
        naming("a: ", **(ExplainOptions.flags() | ExplainOptions.ARGUMENTS | own)),
    ):
        raise ValueError("`class_ids`, `num_masks` and `grid_size`, `other`")
