"""The outputs of a model are matched with the classes of a data set, or the match is refused."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_patchmix.cli.class_maps import (
    class_map,
    imagenet_outputs,
    read_class_map,
)
from keras_patchmix.cli.model_specs import ModelSpec


def loaded(asked=None, **kinds):
    spec = ModelSpec("net", "net.keras", class_map=asked)
    return SimpleNamespace(**{"spec": spec, "imagenet": False, "untrained": False, **kinds})


@pytest.fixture
def imagenet(monkeypatch):
    """Keras' list of classes, without the download: output i is n0000000i, class_i."""

    def decode(scores, top):
        assert scores.shape == (1000, 1000)
        assert top == 1
        best = np.argmax(scores, axis=1)
        return [[(f"n{i:08d}", "crane" if i in (134, 517) else f"Class_{i}", 1.0)] for i in best]

    monkeypatch.setattr(keras.applications.imagenet_utils, "decode_predictions", decode)


@pytest.mark.usefixtures("imagenet")
def test_classes_of_imagenet_are_found_by_wordnet_id_and_by_name():
    assert imagenet_outputs(("n00000007", "class 12", "class-3")) == [[7], [12], [3]]
    with pytest.raises(ValueError, match=r"no WordNet ids or names .*: 'crane', 'cat'"):
        imagenet_outputs(("crane", "cat", "class 1"))
    assert imagenet_outputs(("n00000134",)) == [[134]]


def test_without_a_network_the_way_out_is_named(monkeypatch):
    def decode(scores, top):
        raise Exception("URL fetch failure")  # as Keras does

    monkeypatch.setattr(keras.applications.imagenet_utils, "decode_predictions", decode)
    with pytest.raises(ValueError, match=r"cannot be had \(URL fetch .*--class-map FILE.json"):
        imagenet_outputs(("n00000001", "n00000002"))


@pytest.mark.usefixtures("imagenet")
def test_imagenet_models_are_mapped_where_it_is_needed():
    ids = tuple(f"n{i:08d}" for i in (5, 2))
    assert class_map(loaded(imagenet=True), 1000, ids) == [[5], [2]]
    every = tuple(f"n{i:08d}" for i in reversed(range(1000)))
    assert class_map(loaded(imagenet=True), 1000, every) == [[i] for i in reversed(range(1000))]
    named = tuple(f"own {i}" for i in range(1000))
    with pytest.warns(UserWarning, match="output 0 is 'Class 0' in ImageNet, class 0 .* 'own 0'"):
        assert class_map(loaded(imagenet=True), 1000, named) is None
    assert class_map(loaded("none", imagenet=True), 1000, named) is None
    assert class_map(loaded("imagenet"), 1000, ids) == [[5], [2]]
    with pytest.raises(ValueError, match="'net' returns 10 scores, not 1000"):
        class_map(loaded("imagenet"), 10, ids)
    with pytest.raises(ValueError, match="'airplane', 'bird'"):
        class_map(loaded(imagenet=True), 1000, ("airplane", "bird"))


def test_as_many_outputs_as_classes_need_no_map_and_others_do():
    assert class_map(loaded(), 3, ("a", "b", "c")) is None
    # Of a model without weights the first outputs will do.
    assert class_map(loaded(untrained=True), 1000, ("a", "b", "c")) == [[0], [1], [2]]
    for outputs in (2, 4, 1000):
        with pytest.raises(ValueError, match=f"returns {outputs} scores, but .* 3 classes"):
            class_map(loaded(), outputs, ("a", "b", "c"))


def test_two_classes_of_one_printable_name_are_refused(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"a\udce9": 0, r"a\xe9": 1, "b": 2}))
    with pytest.raises(ValueError, match=r"--class-map: .* two classes of the same"):
        read_class_map(str(path), 3, ("b",))


def test_a_class_that_is_missing_is_named_as_in_reports(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"b": 2}))
    with pytest.raises(ValueError, match=r"lacks the classes 'a\\xe9'"):
        read_class_map(str(path), 3, ("b", r"a\xe9"))


def test_a_map_is_read_from_a_file(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"b": [4, 0], "a": 3, "other": 1}))
    assert read_class_map(path, 5, ("a", "b")) == [[3], [4, 0]]
    assert class_map(loaded(str(path)), 5, ("b", "a")) == [[4, 0], [3]]


def test_a_folder_gives_the_outputs_of_some_of_its_classes(tmp_path):
    for name in ("cat", "dog", "owl"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"not read")
    assert class_map(loaded(str(tmp_path)), 3, ("owl", "cat")) == [[2], [0]]
    with pytest.raises(ValueError, match="lacks the classes 'eel'"):
        class_map(loaded(str(tmp_path)), 3, ("owl", "eel"))
    with pytest.raises(ValueError, match=r"for each of the 5 scores .* Received: 3 folders"):
        class_map(loaded(str(tmp_path)), 5, ("owl", "cat"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1, 2]", "must hold an object"),
        ('{"a": 1}', "lacks the classes 'b'"),
        ('{"a": 1, "b": 5}', "must give 'b' whole numbers from 0 to 4. Received: 5"),
        ('{"a": 1, "b": []}', "must give 'b' whole numbers"),
        ('{"a": 1, "b": true}', "must give 'b' whole numbers"),
        ('{"a": 1, "b": [2, 1]}', "gives an output to two classes"),
    ],
)
def test_maps_that_do_not_fit_are_refused(tmp_path, text, message):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_class_map(str(path), 5, ("a", "b"))


def test_a_map_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"--class-map: 'no.json' cannot be read"):
        read_class_map("no.json", 5, ("a", "b"))
