"""The study of patch selectivity keeps the results of its runs apart."""

import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_patchmix.explain.selectivity import SelectivityReport

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def study(monkeypatch):
    """The script, whose measurements are the bias of the model that they are given."""
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module("selectivity_study")

    def measured(model, data, corruption, backup, max_examples, **settings):
        value = float(model.get_weights()[1][0])
        row = {"index": 0, "label": 0, "contrast": 1, "predicted": 0, "share": 0.5}
        rows = [{**row, "num_masks": 1, "noise": 0.1, "selectivity": value}]
        described = {
            "model": "net", "corruption": {"class_name": "C", "config": {}}, "num_masks": 1,
            "grid_size": 4, "keep_probability": 0.5, "from_logits": True, "seed": 0,
            "value_range": [0, 255],
        }  # fmt: skip
        examples = {"images": np.zeros((1, 2, 2, 3)), "masks": np.eye(2)[None] > 0}
        return SelectivityReport(rows, described, {**examples, "maps": np.full((1, 2, 2), value)})

    monkeypatch.setattr(module, "open_data", lambda config, options: None)
    monkeypatch.setattr(module.explain, "selectivity_benchmark", measured)
    monkeypatch.setattr(module.explain, "plot_saliency", lambda *_, **__: None)
    return module


def trained(directory, mixing, seed, value):
    """Writes what a training leaves; the selectivity of its model is a value."""
    directory.mkdir(parents=True, exist_ok=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.zeros((1, 1)), np.array([value])])
    model.save(directory / "model.keras")
    config = {"dataset": "d", "image_size": 2, "model": "net", "mixing": mixing, "seed": seed}
    (directory / "config.json").write_text(json.dumps(config))


@pytest.fixture
def runs(tmp_path):
    """Two seeds, as `train --compare none` writes them, and their baselines inside."""
    places = [tmp_path / "runs" / f"net-{seed}" for seed in (1, 2)]
    for seed, place in enumerate(places, start=1):
        trained(place, "patchmix", seed, 0.5 + seed / 10)
        trained(place / "none", "none", seed, 0.2 + seed / 100)
    return [*places, *(place / "none" for place in places)]


def called(study, monkeypatch, capsys, runs, *flags):
    monkeypatch.setattr(sys, "argv", ["selectivity_study.py", *map(str, runs), *flags])
    study.main()
    return json.loads(capsys.readouterr().out.splitlines()[-1].removeprefix("RESULT "))


def test_baselines_inside_the_runs_are_told_apart(study, runs, tmp_path, monkeypatch, capsys):
    flags = ["--output", str(tmp_path / "sel")]
    for _ in range(2):  # measured, then read
        numbers = called(study, monkeypatch, capsys, runs, *flags)
        found = {one["mixing"]: one for one in numbers if one["corruption"] == "replacement"}
        assert found["none"]["selectivity"] == pytest.approx(0.215)  # of 0.21 and 0.22
        assert found["patchmix"]["selectivity"] == pytest.approx(0.65)
        assert found["patchmix"]["difference"] == pytest.approx(0.435)
    assert (tmp_path / "sel" / "net-2" / "none" / "replacement.json").exists()


def test_results_of_another_model_or_of_other_flags_are_refused(
    study, runs, tmp_path, monkeypatch, capsys
):
    flags = ["--output", str(tmp_path / "sel")]
    called(study, monkeypatch, capsys, runs, *flags)
    with pytest.raises(SystemExit, match=r"is not of .* or of other flags"):
        called(study, monkeypatch, capsys, runs, *flags, "--num-masks", "7")
    trained(runs[3], "none", 2, 0.4)
    with pytest.raises(SystemExit, match=r"none/replacement\.json is not of"):
        called(study, monkeypatch, capsys, runs, *flags)


def test_two_runs_of_one_seed_are_refused(study, runs, tmp_path, monkeypatch, capsys):
    trained(runs[1], "patchmix", 1, 0.3)
    with pytest.raises(SystemExit, match="Two runs of net, patchmix with seed 1"):
        called(study, monkeypatch, capsys, runs, "--output", str(tmp_path / "sel"))
