"""Classes by number and by name, and models whose outputs are not the classes."""

import json

import keras
import numpy as np
import pytest

from keras_patchmix.cli.explain.classes import ModelClasses, model_classes
from keras_patchmix.cli.model_specs import ModelSpec
from keras_patchmix.scoring.loading import LoadedModel
from keras_patchmix.scoring.scorer import classifier


def loaded(model=None, **settings):
    return LoadedModel(ModelSpec("net", "net.keras", **settings), model, None, (4, 4))


def test_classes_are_found_by_name_and_by_the_number_of_the_output(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"English Springer": [4, 2], "tench": 1, "3": 0}))
    classes = model_classes(loaded(class_map=str(path)), 5)
    assert classes.outputs == [[4, 2], [1], [0]]
    for text, place in (("tench", 1), ("english_springer", 0), ("2", 0), ("1", 1), ("3", 2)):
        assert classes.find(text, "--class") == place
    for text in ("5", "-1", "trout"):
        with pytest.raises(ValueError, match="--class must be the number of an output, or the"):
            classes.find(text, "--class")
    assert classes.name(1) == "tench"
    assert ModelClasses(5).name(1) == "class 1"


@pytest.mark.parametrize("prefix", ["", "folder:"])
@pytest.mark.parametrize("parts", [(), ("train",)])
def test_outputs_are_named_by_the_folders_of_photos(tmp_path, prefix, parts):
    for number, name in enumerate(("church", "tench", "Garbage truck")):
        folder = tmp_path.joinpath(*parts, name)
        folder.mkdir(parents=True)
        (folder / f"{number}.png").write_bytes(b"not read")
    found = model_classes(loaded(class_map=f"{prefix}{tmp_path}"), 3)
    assert found == ModelClasses(3, ("Garbage truck", "church", "tench"))
    assert found.find("garbage truck", "--class") == 0
    with pytest.raises(ValueError, match=r"Did you mean 'church'\? Received: 'chruch'"):
        found.find("chruch", "--class")
    with pytest.raises(ValueError, match=r"for each of the 4 scores .* Received: 3 folders"):
        model_classes(loaded(class_map=str(tmp_path)), 4)


def test_the_probability_of_a_class_is_the_sum_of_its_outputs():
    logits = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5, use_bias=False)])
    model.set_weights([np.eye(5, dtype=np.float32)])
    found = classifier(loaded(model), [[4, 2], [1], [0]], from_logits=True)
    assert not found.from_logits
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.stack([share[:, 4] + share[:, 2], share[:, 1], share[:, 0]], 1)
    np.testing.assert_allclose(found.model(logits), expected, rtol=1e-5)
    assert classifier(loaded(model), None, True).model is model
