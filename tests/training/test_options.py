"""The command line is strict and says what is wrong."""

import pytest

from keras_patchmix.training import TrainOptions, parse_options


def test_defaults_are_those_of_the_dataclass():
    assert parse_options([]) == TrainOptions()


def test_flags_arrive():
    options = parse_options(
        "--dataset cifar10 --mixing cutmix --compare none --epochs 3 --mixing-ratio 0.2 0.5".split()
    )
    assert (options.dataset, options.mixing, options.compare) == ("cifar10", "cutmix", "none")
    assert (options.epochs, options.mixing_ratio) == (3, (0.2, 0.5))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epoch 3", "unrecognized arguments: --epoch"),
        ("--epochs 0", "argument --epochs: must be a whole number of at least 1, got '0'"),
        ("--epochs x", "argument --epochs: must be a whole number"),
        ("--learning-rate -1", "argument --learning-rate: must be a positive number"),
        ("--mixing-probability 2", "argument --mixing-probability: must be a number from 0 to 1"),
        ("--mixing blend", "argument --mixing: invalid choice: 'blend'"),
        ("--mixing-ratio 0.5 0.2", "argument --mixing-ratio: LOW must not exceed HIGH"),
        ("--compare patchmix", "argument --compare: is what --mixing is already"),
        ("--model resnet", "argument --model: invalid choice: 'resnet'"),
    ],
)
def test_errors_name_the_flag(flags, message, capsys):
    with pytest.raises(SystemExit) as error:
        parse_options(flags.split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_the_directory_names_time_data_and_mixing():
    directory = TrainOptions(dataset="folder:/a/photos/").directory()
    assert directory.startswith("runs/")
    assert directory.endswith("-a-photos-patchmix")
    assert TrainOptions(output="here").directory() == "here"
