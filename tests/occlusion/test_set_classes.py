"""The names of a set's classes against those that a model's outputs stand for."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from keras_patchmix.occlusion import DatasetOcclusion
from keras_patchmix.occlusion.data import ExampleSource
from keras_patchmix.occlusion.occluded_split import (
    OccludedSplit,
    SetError,
    difference,
    names_of_outputs,
)
from keras_patchmix.scoring.class_map import ClassMap
from keras_patchmix.scoring.scorer import Scorer


class Named:
    """Three black images, and the names of their classes."""

    def __init__(self, *names):
        self.info = SimpleNamespace(class_names=names)

    def __iter__(self):
        yield {"images": np.zeros((3, 8, 8, 3), np.uint8), "labels": np.array([0, 1, 1])}


def first_output(images):
    return np.tile([1.0, 0.0], (len(images), 1))


def map_for(names, known, **arguments):
    """What `map_for` of a set of these names returns beside a data set of known ones."""
    member = DatasetOcclusion(Named(*names), name="hidden", **arguments)
    like = {
        "image_size": (8, 8),
        "dtype": np.uint8,
        "value_range": (0, 255),
        "outputs": names_of_outputs(known, None),
    }
    split = OccludedSplit(member, member.conditions[0], None, like, 3, None)
    return split.map_for(Scorer(first_output, 3))


@pytest.mark.parametrize(
    ("names", "known", "expected"),
    [
        (("cat", "dog"), ("cat", "dog"), None),
        (("Cat", "tree frog"), ("cat", "tree_frog"), None),
        (("ant", "bee"), ("cat", "dog"), ("class 0 is 'ant', and output 0 'cat'", False)),
        (("cat", "bee"), ("cat", "dog"), ("class 1 is 'bee', and output 1 'dog'", False)),
        (("dog", "cat"), ("cat", "dog"), ("class 0 is 'dog', and output 0 'cat'", True)),
        (("owl", "cat", "dog"), ("cat", "dog"), ("class 0 is 'owl', and output 0 'cat'", False)),
        (("ant", "bee"), None, None),
    ],
)
def test_names_are_compared_in_their_order(names, known, expected):
    assert difference(names_of_outputs(known, None), names) == expected


def test_outputs_have_the_names_that_the_data_sets_own_map_gives_them():
    known = names_of_outputs(("cat", "dog"), ClassMap([[1], [0, 3]]))
    assert known == {1: "cat", 0: "dog", 3: "dog"}
    assert difference(known, ("cat", "dog")) == ("class 0 is 'cat', and output 0 'dog'", True)
    assert difference(known, ("dog", "cat", "any", "dog")) is None


def test_what_says_nothing_of_its_names_has_none():
    assert ExampleSource(Named("cat", "dog")).class_names == ("cat", "dog")
    assert ExampleSource((np.zeros((1, 8, 8, 3)), np.zeros(1))).class_names is None


def test_other_names_are_warned_of_with_the_set_and_the_first_pair():
    with pytest.warns(UserWarning, match=r"'hidden' .*class 1 is 'bee'.*`class_map`"):
        assert map_for(("cat", "bee"), ("cat", "dog")) is None


@pytest.mark.parametrize("arguments", [{}, {"class_map": None}])
def test_the_same_names_in_another_order_are_refused(arguments):
    with pytest.raises(SetError, match=r"'hidden': .*another order.*`class_map`.*class 0"):
        map_for(("dog", "cat"), ("cat", "dog"), **arguments)


@pytest.mark.parametrize(
    ("names", "known", "arguments"),
    [
        (("dog", "cat"), ("cat", "dog"), {"class_map": [1, 0]}),
        (("ant", "bee"), ("cat", "dog"), {"class_map": [0, 1]}),
        (("ant", "bee"), ("cat", "dog"), {"class_map": None}),
        (("ant", "bee"), None, {}),
    ],
)
def test_what_is_said_or_not_known_passes_in_silence(names, known, arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = map_for(names, known, **arguments)
    assert (found is None) == (arguments.get("class_map") is None)
