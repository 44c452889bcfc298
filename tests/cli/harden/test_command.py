"""The hardening command on a folder of photographs: three parts, a model, a page, going on."""

import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from keras_patchmix.datasets.loading import parse_source
from keras_patchmix.occlusion import Report
from keras_patchmix.training import fine_tuning, hardened
from tests.command_line import result, subcommand
from tests.training.test_hardening import SIZE, blind, compile_model, data, network
from tests.without_tensorflow import need_a_pipeline

need_a_pipeline()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    for number, (image, label) in enumerate(zip(*data(600, 0), strict=True)):
        folder = root / "photos" / ("left", "right")[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    model = network()
    compile_model(model)
    model.fit(*data(256, 1), batch_size=32, epochs=4, verbose=0)
    model.save(root / "model.keras")
    return root


def flags(place, output, *more):
    return [
        *("--model", str(place / "model.keras"), "--dataset", f"folder:{place / 'photos'}"),
        *("--epochs", "3", "--batch-size", "32", "--learning-rate", "0.003", "--grid-size", "4"),
        *("--max-clean-drop", "2", "--augmentation", "none", "--output", str(output), *more),
    ]


@pytest.fixture(scope="module")
def finished(place):
    assert subcommand("harden")(flags(place, place / "out")) == 0
    return place / "out"


def test_it_writes_a_model_that_loads_and_reports_before_and_after(finished, place):
    before, after = Report.load(finished / "before"), Report.load(finished)
    line = json.loads((finished / "line.json").read_text())["line"]
    (chosen,) = (point for point in line if point["chosen"])
    assert chosen["share"] > 0
    assert chosen["occluded"] > line[0]["occluded"]
    assert after.settings["share"] == chosen["share"]
    assert before.outcomes.labels.tolist() == after.outcomes.labels.tolist()
    model = keras.saving.load_model(finished / "hardened.keras")
    old = keras.saving.load_model(place / "model.keras")
    assert [type(layer) for layer in model.layers] == [type(layer) for layer in old.layers]
    same = zip(model.get_weights(), old.get_weights(), strict=True)
    assert not all(np.array_equal(one, other) for one, other in same)
    page = (finished / "report.html").read_text()
    assert "The line of weights" in page
    assert f"against clean accuracy; chosen: {100 * chosen['share']:.0f} %" in page
    assert "Patch replacement, 4×4, 30\u00a0%</bdi></th>" in page
    assert {path.name for path in finished.iterdir()} >= {"config.json", "line.png", "report.csv"}
    assert not (finished / "backup").exists()


def test_the_same_command_prints_a_finished_run_again(finished, place, capsys):
    assert subcommand("harden")(flags(place, finished)) == 0
    out = capsys.readouterr().out
    assert "This run is finished" in out
    assert set(result(out)["top1"]) == {"before", "after"}
    assert "The hardened model beats the original in " in out
    assert "Clean accuracy changes by " in out
    assert subcommand("harden")(flags(place, finished, "--seed", "5")) == 1
    assert "--seed" in capsys.readouterr().err


def test_interrupted_it_goes_on_and_ends_in_the_same_model(finished, place, monkeypatch, capsys):
    step, calls = fine_tuning.FineTuning.step, []

    def stopping(self, batch, number, progress):
        calls.append(number)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return step(self, batch, number, progress)

    monkeypatch.setattr(fine_tuning.FineTuning, "step", stopping)
    output = place / "again"
    assert subcommand("harden")(flags(place, output)) == 130
    assert "To resume: " in capsys.readouterr().err
    assert subcommand("harden")(flags(place, output)) == 0
    assert calls[20] == 15  # an epoch has fifteen batches
    one, other = (keras.saving.load_model(d / "hardened.keras") for d in (finished, output))
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


def test_interrupted_in_the_reports_it_goes_on_there(finished, place, monkeypatch, capsys):
    output = place / "late"

    def stopping(*_, **__):
        assert (output / "hardened.keras").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hardened, "evaluate", stopping)
        assert subcommand("harden")(flags(place, output)) == 130
    first = capsys.readouterr().out
    assert "epoch 3 of 3: loss " in first
    monkeypatch.setattr(fine_tuning.FineTuning, "step", None)
    assert subcommand("harden")(flags(place, output)) == 0
    second = capsys.readouterr().out
    assert "scoring before" in second
    assert "scoring after" in second
    table = first[first.index("weights ") :].split("\n\n")[0]
    assert table in second
    one, other = (Report.load(directory) for directory in (finished, output))
    assert [row.top1 for row in other.rows] == pytest.approx([row.top1 for row in one.rows])


def test_broken_photographs_of_each_part_are_counted_and_named(place, tmp_path, capsys):
    shutil.copytree(place / "photos", tmp_path / "photos")
    source = parse_source(f"folder:{tmp_path / 'photos'}")
    names = {part: source.listed(part)[1][3][0] for part in ("train", "validation", "test")}
    for name in names.values():
        path = tmp_path / "photos" / name
        path.write_bytes(path.read_bytes()[:60])
    asked = flags(place, tmp_path / "out", "--epochs", "1")
    asked[asked.index("--dataset") + 1] = f"folder:{tmp_path / 'photos'}"
    assert subcommand("harden")(asked) == 0
    out = capsys.readouterr().out
    reason = "(damaged, or cut off)"
    assert f"1 validation image could not be read: {names['validation']} {reason}\n" in out
    replaced = "could not be read; for each, training took the next image of its class"
    assert f"1 training or validation image {replaced}: {names['train']} {reason}\n" in out
    assert f"Could not be read: {names['test']} {reason}\n" in out


def test_what_does_not_fit_is_an_error_of_one_line(place, tmp_path, capsys):
    inputs = keras.Input((SIZE, SIZE, 3))
    three = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    three.save(tmp_path / "three.keras")
    wrong = [*flags(place, tmp_path / "a")[2:], "--model", str(tmp_path / "three.keras")]
    assert subcommand("harden")(wrong) == 1
    assert "--model three: tells 3 classes apart, but the data set has 2" in capsys.readouterr().err
    blind().save(tmp_path / "blind.keras")
    wrong = [*flags(place, tmp_path / "b")[2:], "--model", str(tmp_path / "blind.keras")]
    assert subcommand("harden")(wrong) == 1
    assert "must be better than chance" in capsys.readouterr().err
    few = tmp_path / "few"
    for name in ("left", "right"):
        (few / name).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(data(1, number)[0][0]).save(few / name / f"{number}.png")
    wrong = flags(place, tmp_path / "c", "--batch-size", "8")
    wrong[wrong.index("--dataset") + 1] = f"folder:{few}"
    assert subcommand("harden")(wrong) == 1
    assert "--dataset" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        subcommand("harden")([*flags(place, tmp_path / "d"), "--model", "other.keras"])
    assert "one model is hardened at a time" in capsys.readouterr().err


def test_epochs_and_minutes_exclude_each_other(capsys):
    flags = ["--model", "m.keras", "--dataset", "shapes", "--epochs", "2", "--minutes", "5"]
    with pytest.raises(SystemExit) as error:
        subcommand("harden")(flags)
    assert error.value.code == 2
    assert "--epochs and --minutes: give one of them" in capsys.readouterr().err


def test_shares_of_images_that_exceed_one_are_refused_before_anything_is_written(tmp_path, capsys):
    output = tmp_path / "results"
    flags = ["--model", "m.keras", "--dataset", "shapes", "--output", str(output)]
    with pytest.raises(SystemExit) as error:
        subcommand("harden")([*flags, "--foreign", "0.8"])
    assert error.value.code == 2
    said = capsys.readouterr().err
    assert "--foreign and --black" in said
    assert "got 0.8 and 0.25" in said
    assert not output.exists()
