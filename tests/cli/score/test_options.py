"""The command line is strict, says what is wrong, and knows what decides the numbers."""

import shlex

import pytest

from keras_patchmix.cli.model_specs import model_specs
from keras_patchmix.cli.score.options import ScoreOptions

NEEDED = "--model keras.applications:VGG16 --dataset shapes".split()


def options(text):
    return ScoreOptions.parse([*NEEDED, *shlex.split(text)])


def test_defaults_are_those_of_the_dataclass():
    expected = ScoreOptions(model=("keras.applications:VGG16",), dataset="shapes")
    assert ScoreOptions.parse(NEEDED) == expected


def test_flags_arrive_and_repeat():
    found = options(
        "--model b=keras.applications:VGG19 --weights none --weights b=imagenet --seed 3"
    )
    assert found.model == ("keras.applications:VGG16", "b=keras.applications:VGG19")
    assert found.weights == ("none", "b=imagenet")
    assert found.seed == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--dataset shapes", "the following arguments are required: --model"),
        ("--model a.keras", "the following arguments are required: --dataset"),
        ("--model a --dataset b --batchsize 3", "unrecognized arguments: --batchsize"),
        ("--model a --dataset b --batch-size 0", "argument --batch-size: must be a whole number"),
        (
            "--model a --dataset b --seed -1",
            "argument --seed: must be a whole number of at least 0",
        ),
        ("--model a --dataset b --image-size 4", "argument --image-size: must be a whole number"),
        ("--model a --dataset b --progress no", "argument --progress: invalid choice: 'no'"),
    ],
)
def test_errors_name_the_flag(flags, message, capsys):
    with pytest.raises(SystemExit) as error:
        ScoreOptions.parse(flags.split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_help_shows_defaults_and_every_flag(capsys):
    with pytest.raises(SystemExit) as error:
        ScoreOptions.parse(["--help"])
    assert error.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--seed N random seed (default: 0)" in text
    assert "--import MODULE" in text
    assert "'test[:50%]'" in text


def test_the_directory_names_time_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    directory = ScoreOptions(model=("m",), dataset="folder:/a/my photos/").new_directory()
    assert directory.is_dir()
    assert directory.parent.name == "runs"
    assert directory.name.endswith("-a-my-photos-occlusion")


def test_where_results_go_and_what_is_printed_decide_nothing():
    assert options("--output x --per-class --progress off").deciding() == options("").deciding()
    assert options("--seed 1").deciding() != options("").deciding()


def test_the_command_reads_back_as_the_options_that_decide():
    found = options("--seed 3 --import 'a b' --import c --unsafe-load --split=-x --per-class")
    program, name, *parts = shlex.split(found.command_line())
    assert (program, name) == ("keras-patchmix", "score")
    assert ScoreOptions.parse(parts).deciding() == found.deciding()
    assert "--per-class" not in parts
    assert ScoreOptions.parse(shlex.split(options("").command_line())[2:]) == options("")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/model.keras", "b/model.keras", "lr=1/net.keras"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")


@pytest.mark.usefixtures("files")
def test_models_are_named_by_their_files_or_as_asked():
    def named(*models):
        return [spec.name for spec in model_specs(ScoreOptions(model=models, dataset="shapes"))]

    assert named("a/model.keras") == ["model"]
    assert named("plain=a/model.keras", "my net=b/model.keras") == ["plain", "my net"]
    assert named("a/model.keras", "b/model.keras") == ["a-model", "b-model"]
    assert named("lr=1/net.keras") == ["net"]
    assert named("keras.applications:VGG16") == ["VGG16"]


@pytest.mark.usefixtures("files")
def test_a_setting_holds_for_all_models_or_for_the_one_named():
    models = ("a=a/model.keras", "b=keras.applications:VGG16", "c=keras.applications:VGG16")
    found = model_specs(
        ScoreOptions(
            model=models,
            dataset="x",
            weights=("none", "c=imagenet"),
            preprocess=("a=unit",),
            class_map=("b=m",),
        )
    )
    assert [spec.weights for spec in found] == ["none", "none", "imagenet"]
    assert [spec.preprocess for spec in found] == ["unit", None, None]
    assert [spec.class_map for spec in found] == [None, "m", None]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        (("none.keras",), {}, "There is no file 'none.keras'"),
        (("a=a/model.keras", "A=b/model.keras"), {}, "--model: two models share a name"),
        (("a/model.keras",), {"weights": ("b=none",)}, "--weights: there is no model 'b', only 'm"),
        (("a/model.keras",), {"preprocess": ("b=unit",)}, "--preprocess: there is no model 'b'"),
        (("a=a/model.keras",), {"weights": ("a=none",)}, "--weights is for keras.applications"),
        (("a/model.keras",), {"weights": ("none",)}, "--weights is for keras.applications"),
    ],
)
def test_models_that_do_not_fit_are_named(models, more, message):
    with pytest.raises(ValueError, match=message):
        model_specs(ScoreOptions(model=models, dataset="shapes", **more))


@pytest.mark.parametrize(
    ("holds", "message"),
    [
        (
            "saved_model.pb",
            r"SavedModel.*model\.save\('NAME\.keras'\).*keras_patchmix\.models\.open_model",
        ),
        ("other", "'made' is a directory"),
    ],
)
def test_a_directory_is_no_model(tmp_path, monkeypatch, holds, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / holds).write_bytes(b"")
    with pytest.raises(ValueError, match=f"^--model must be a file.*{message}"):
        model_specs(ScoreOptions(model=("made",), dataset="shapes"))
