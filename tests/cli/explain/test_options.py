"""The command line of an explanation is strict, and knows what decides the numbers."""

import dataclasses
import shlex

import pytest

from keras_patchmix.cli.explain import ExplanationOptions, parse_options
from keras_patchmix.cli.explain.options import naming_flags

IMAGE = "--model a.keras --image b.png"
DATA = "--model a.keras --dataset shapes"


def options(text):
    return parse_options(shlex.split(text))


def test_defaults_are_those_of_the_dataclass():
    assert options(IMAGE) == ExplanationOptions(("a.keras",), ("b.png",))
    expected = ExplanationOptions(("a.keras",), dataset="shapes", max_examples=100)
    found = dict(corruption="replacement", patches=7, level=0.4)
    assert options(DATA) == dataclasses.replace(expected, **found)
    assert options(f"{DATA} --corruption superimpose").patches is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--image b.png", "the following arguments are required: --model"),
        ("--model a.keras", "give either --image or --dataset"),
        (f"{IMAGE} --dataset shapes", "give either --image or --dataset"),
        (f"{IMAGE} --split test", "--split is for --dataset"),
        (f"{IMAGE} --max-examples 100", "--max-examples is for --dataset"),
        (f"{IMAGE} --level 0.4", "--level is for --dataset"),
        (f"{DATA} --class 3", "--class is for --image"),
        (f"{DATA} --mask m.png", "--mask is for --image"),
        (f"{DATA} --method rise", "--method rise is for --image"),
        (f"{IMAGE} --method rise --contrast 3", "--contrast is for --method c-rise"),
        (f"{DATA} --corruption superimpose --patches 7", "--patches is for --corruption replace"),
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
        program, recipe, *parts = shlex.split(found.command())
        assert (program, recipe) == ("python", "recipes/explain.py")
        assert parse_options(parts).deciding() == found.deciding()
    assert shlex.split(options(DATA).command())[2:] == DATA.split()


def test_the_directory_names_time_and_source():
    assert options(f"{IMAGE} --output here").directory() == "here"
    assert options(IMAGE).directory().endswith("-b-explanation")
    folder = options("--model a.keras --dataset 'folder:/a/b c'").directory()
    assert folder.endswith("-a-b-c-explanation")


def test_arguments_of_the_library_are_named_as_flags():
    with (
        pytest.raises(ValueError, match=r"^a: --class, --num-masks and --patches, `other`$"),
        naming_flags("a: ", grid_size="--patches"),
    ):
        raise ValueError("`class_ids`, `num_masks` and `grid_size`, `other`")
