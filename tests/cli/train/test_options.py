"""The command line is strict and says what is wrong."""

import ast
import dataclasses
import json
from pathlib import Path

import pytest

import keras_patchmix
from keras_patchmix.cli.train.options import TrainOptions

PUBLISHED = sorted(set(TrainOptions.presets()) - {"vit_mini"})


def test_defaults_are_those_of_the_dataclass():
    assert TrainOptions.parse([]) == TrainOptions()


def test_flags_arrive():
    options = TrainOptions.parse(
        "--dataset cifar10 --mixing cutmix --compare none --epochs 3 --mixing-ratio 0.2 0.5".split()
    )
    assert (options.dataset, options.mixing, options.compare) == ("cifar10", "cutmix", "none")
    assert (options.epochs, options.mixing_ratio) == (3, (0.2, 0.5))


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        ("--mixing patchmix+cutmix+mixup", "mixing", "patchmix+cutmix+mixup"),
        ("--mixing cutmix+mixup --mixing-weights 2 1", "mixing_weights", (2.0, 1.0)),
        ("--mixup-alpha 0.8", "mixup_alpha", 0.8),
        ("--mixing cutmix --mixing-alpha 2", "mixing_alpha", 2.0),
        ("--augmentation flip-crop", "augmentation", "flip-crop"),
        ("--rand-augment 0.5", "rand_augment", 0.5),
        ("--rand-augment-ops 3", "rand_augment_ops", 3),
        ("--random-erasing 0.25", "random_erasing", 0.25),
        ("--drop-path 0.1", "drop_path", 0.1),
        ("--precision mixed_bfloat16", "precision", "mixed_bfloat16"),
        ("--gradient-clip 0", "gradient_clip", 0.0),
        ("--ema 0.999", "ema", 0.999),
        ("--strategy cpu", "strategy", "cpu"),
        ("--model vit_tiny16", "model", "vit_tiny16"),
    ],
)
def test_every_flag_sets_its_field_alone(flags, field, value):
    options = TrainOptions.parse(flags.split())
    assert getattr(options, field) == value
    assert value != getattr(TrainOptions(), field)
    changed = {f.name for f in dataclasses.fields(options)} - {field, "mixing"}
    assert all(getattr(options, name) == getattr(TrainOptions(), name) for name in changed)


def test_every_option_is_read_somewhere():
    """A flag that nothing reads would be accepted and change nothing."""
    package = Path(keras_patchmix.__file__).parent
    read = {
        node.attr
        for path in package.rglob("*.py")
        if path.parent.name != "train" or path.name != "options.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and "options" in ast.unparse(node.value)
    }
    unread = {field.name for field in dataclasses.fields(TrainOptions)} - read
    assert not unread, f"{unread} are flags that no code reads: use `options.NAME` where they act"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epoch 3", "unrecognized arguments: --epoch"),
        ("--epochs 0", "argument --epochs: must be a whole number of at least 1, got '0'"),
        ("--epochs x", "argument --epochs: must be a whole number"),
        ("--learning-rate -1", "argument --learning-rate: must be a positive number"),
        ("--mixing-probability 2", "argument --mixing-probability: must be a number from 0 to 1"),
        ("--mixing blend", "argument --mixing: must be one of none, patchmix, cutmix, mixup"),
        ("--mixing patchmix+none", "argument --mixing: must be one of"),
        ("--mixing cutmix+cutmix", "argument --mixing: must be one of"),
        ("--mixing cutmix+mixup --mixing-weights 1", "must be one for each of cutmix+mixup"),
        ("--mixing-ratio 0.5 0.2", "argument --mixing-ratio: LOW must not exceed HIGH"),
        ("--compare patchmix", "argument --compare: is what --mixing is already"),
        ("--model resnet", "argument --model: must be one of"),
        ("--drop-path 1", "argument --drop-path: must be a number from 0 to below 1"),
        ("--ema 1", "argument --ema: must be a number from 0 to below 1"),
        ("--gradient-clip -1", "argument --gradient-clip: must be a number of at least 0"),
        ("--precision float16", "argument --precision: invalid choice: 'float16'"),
        ("--strategy gpu", "argument --strategy: invalid choice: 'gpu'"),
        ("--steps-per-epoch 0", "argument --steps-per-epoch: must be a whole number"),
        ("--config nowhere.json", "argument --config: must be one of"),
    ],
)
def test_errors_name_the_flag(flags, message, capsys):
    with pytest.raises(SystemExit) as error:
        TrainOptions.parse(flags.split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def written(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_settings_come_from_a_file_and_flags_win(tmp_path):
    settings = {"epochs": 7, "batch_size": 16, "mixing_ratio": [0.1, 0.2], "ema": None}
    path = written(tmp_path, {"about": "a test", **settings})
    for order in (["--config", path, "--epochs", "3"], ["--epochs", "3", f"--config={path}"]):
        expected = TrainOptions(epochs=3, batch_size=16, mixing_ratio=(0.1, 0.2))
        assert TrainOptions.parse(order) == expected


def test_the_settings_of_a_run_are_settings(tmp_path):
    options = TrainOptions.parse("--mixing cutmix+mixup --mixing-weights 1 3 --seed 5".split())
    path = written(tmp_path, {"recipe": "train", **options.to_dict(), "files": {}, "output": "x"})
    assert TrainOptions.parse(["--config", path]) == options
    # As runs of earlier versions wrote it.
    path = written(tmp_path, {**options.to_dict(), "checkpoint_every": None})
    assert TrainOptions.parse(["--config", path]) == options


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "holds unknown keys: epoch. Known: "),
        ({"checkpoint_every": 100}, "checkpoint_every (use steps_per_epoch"),
        ({"epochs": 0}, "argument --epochs: must be a whole number of at least 1, got '0'"),
        ("{", "not JSON"),
        ([1], "must hold a JSON object, got list"),
    ],
)
def test_files_are_checked_as_strictly_as_flags(content, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        TrainOptions.parse(["--config", written(tmp_path, content)])
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_recipes_can_be_read_and_name_their_source(name):
    options = TrainOptions.parse(["--config", name])
    assert options.epochs == 300
    assert options.batch_size in (1024, 4096)
    content = json.loads(TrainOptions.presets()[name].read_text())
    assert "arxiv.org" in content["source"]
    assert content["not_covered"]


def test_there_are_recipes_of_both_families():
    assert {name.partition("_")[0] for name in PUBLISHED} == {"convnext", "deit"}


def test_the_directory_names_time_data_and_mixing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    directory = TrainOptions(dataset="folder:/a/photos/").new_directory()
    assert directory.parent.name == "runs"
    assert directory.name.endswith("-a-photos-patchmix")
    directory = TrainOptions(mixing="cutmix+mixup").new_directory()
    assert directory.name.endswith("-shapes-cutmix-mixup")


def test_the_recipe_of_the_transformer_is_a_preset_that_another_one_replaces():
    mini = TrainOptions.parse(["--config", "vit_mini"])
    assert mini == TrainOptions(model="vit_mini4", learning_rate=1e-3, warmup_epochs=2.0)
    other = TrainOptions.parse(["--config", "vit_mini", "--config", "deit_tiny_300"])
    assert other == TrainOptions.parse(["--config", "deit_tiny_300"])


def test_where_is_written_decides_nothing():
    free = set(TrainOptions().to_dict()) - set(TrainOptions().deciding())
    assert free == {"output"}


def test_the_help_names_every_setting(capsys):
    with pytest.raises(SystemExit):
        TrainOptions.parse(["--help"])
    text = capsys.readouterr().out
    for field in dataclasses.fields(TrainOptions):
        assert "--" + field.name.replace("_", "-") in text


def test_choices_are_those_of_the_library():
    # Written again, as help must need no Keras.
    from keras_patchmix.cli.train import options
    from keras_patchmix.devices import strategies
    from keras_patchmix.training import augmentation, caching, mixing_steps

    assert options.AUGMENTATIONS == augmentation.AUGMENTATIONS
    assert options.CACHES == caching.CACHES
    assert options.STRATEGIES == strategies.NAMES
    assert options.MIXINGS == mixing_steps.MIXINGS
