"""Models of one output in the commands and the callbacks: classifiers of two classes."""

import keras
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")

from keras_patchmix.callbacks import OcclusionBenchmark, SelectivityBenchmark
from keras_patchmix.explain import selectivity_benchmark
from keras_patchmix.occlusion import PatchDrop, Report
from tests.command_line import result, subcommand

SIZE = 16
SUITE = '[{"class_name": "PatchDrop", "config": {"grid_size": 2, "levels": 0.25}}]'


def brightness(activation):
    """A model of one output: how much brighter than the middle an image is."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, activation),
        ]
    )
    # At most 1 in size: as probabilities all logits of dark images would be of class 0 too.
    model.layers[1].set_weights([np.full((3, 1), 0.002), np.array([-0.006 * 127.5])])
    return model


def images():
    labels = np.arange(12) % 2
    values = np.where(labels == 1, 150, 100) + np.arange(12)
    return np.tile(values[:, None, None, None], (SIZE, SIZE, 3)).astype(np.uint8), labels


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    for number, (image, label) in enumerate(zip(*images(), strict=True)):
        folder = root / "photos" / ("dark", "light")[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    (root / "suite.json").write_text(SUITE)
    for name, activation in (("logit", None), ("probability", "sigmoid")):
        brightness(activation).save(root / f"{name}.keras")
    return root


@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_the_command_scores_them(kind, place, tmp_path, capsys):
    flags = ["--dataset", f"folder:{place / 'photos'}", "--split", "all", "--batch-size", "4"]
    flags += ["--model", str(place / f"{kind}.keras"), "--suite", str(place / "suite.json")]
    assert subcommand("score")([*flags, "--output", str(tmp_path / "out")]) == 0
    report = Report.load(tmp_path / "out")
    assert report.rows[0].top1 == 1
    assert report.settings["one_output"] == kind
    assert result(capsys.readouterr().out)["top1"][kind]["clean"] == 1
    wrong = {"logit": "probabilities", "probability": "logits"}[kind]
    assert (
        subcommand("score")([*flags, "--scores", wrong, "--output", str(tmp_path / "other")]) == 1
    )
    assert "--scores" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_the_command_explains_them(kind, place, tmp_path, capsys):
    flags = ["--dataset", f"folder:{place / 'photos'}", "--split", "all", "--num-masks", "8"]
    flags += ["--model", str(place / f"{kind}.keras"), "--max-examples", "4", "--figures", "1"]
    flags += [
        "--patches",
        "2",
        "--level",
        "0.5",
        "--grid-size",
        "2",
        "--output",
        str(tmp_path / "x"),
    ]
    assert subcommand("explain")(flags) == 0
    word = {"logit": "logits", "probability": "probabilities"}[kind]
    assert f"returns {word}" in capsys.readouterr().out


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_callbacks_and_selectivity_score_them(activation):
    model = brightness(activation)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=activation is None))
    settings = {"num_masks": 8, "grid_size": 2, "verbose": False}
    callbacks = [
        OcclusionBenchmark(images(), suite=[PatchDrop(2, 0.25)], verbose=False),
        SelectivityBenchmark(images(), max_examples=4, **settings),
    ]
    model.optimizer.learning_rate = 0.0
    logs = model.fit(*images(), verbose=0, callbacks=callbacks).history
    assert logs["val_occlusion_clean"] == [1]
    report = selectivity_benchmark(model, images(), max_examples=4, **settings)
    assert logs["val_patch_selectivity"] == [report.mean]
    assert report.settings["from_logits"] == (activation is None)
