"""Suites written as JSON and read back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix.corruptions import modules
from keras_patchmix.corruptions.superimpose import Superimpose
from keras_patchmix.occlusion import (
    Condition,
    Corruption,
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    default_suite,
    deserialize,
    evaluate,
    extended_suite,
    serialize,
)
from keras_patchmix.occlusion.suite import check_suite
from tests.occlusion.closed_form import constant_data, median_reader


class Invert(Corruption):
    """A corruption of a user's own."""

    kind = "invert"

    def __init__(self, strength=1.0):
        self.strength = strength

    @property
    def conditions(self):
        return (Condition(self.name, None, self.strength),)

    def plan(self, images, labels, index, *, seed=0, bank=None, value_range=(0, 255)):
        return {"white": value_range[1]}

    def apply(self, images, plan, condition):
        out = (plan["white"] - images).astype(images.dtype)
        return out, np.full(len(images), images.shape[1] * images.shape[2])

    def get_config(self):
        return {"strength": self.strength}


side = st.integers(1, 20)
grids = st.one_of(side, st.tuples(side, side))
# From 30 % on, and on 4 patches or more, every level affects a patch.
levels = st.lists(st.integers(300, 1000), min_size=1, max_size=4, unique=True).map(
    lambda values: tuple(value / 1000 for value in values)
)
patches = grids.filter(lambda grid: (grid**2 if isinstance(grid, int) else grid[0] * grid[1]) > 3)
fills = st.one_of(
    st.sampled_from(["black", "mean", "image_mean", "noise", "zero"]),
    st.integers(-9, 300),
    st.floats(-1, 1),
)
MEMBERS = {
    "PatchReplacement": st.builds(PatchReplacement, patches, levels),
    "PatchDrop": st.builds(
        PatchDrop, patches, levels, fills, st.sampled_from(["random", "salient", "non-salient"])
    ),
    "PatchPermutation": st.builds(
        PatchPermutation,
        st.lists(st.tuples(side, st.integers(2, 9)), min_size=1, max_size=3, unique=True),
    ),
    "Superimpose": st.builds(Superimpose, levels=st.floats(0.01, 0.9)),
}
members = st.one_of(*MEMBERS.values())


def test_every_corruption_of_the_package_is_among_the_members():
    missing = set(modules()) - set(MEMBERS) - {"Custom"}  # JSON cannot hold a function
    assert not missing, f"{missing}: put them into MEMBERS"


@given(st.lists(members, min_size=1, max_size=4))
def test_a_suite_is_equal_to_itself_after_json(suite):
    values = serialize(suite)
    text = json.dumps(values, allow_nan=False)
    assert deserialize(text) == suite
    assert deserialize(values) == suite
    assert serialize(deserialize(text)) == values
    assert [c.conditions for c in deserialize(text)] == [c.conditions for c in suite]


def test_the_text_is_stable():
    assert json.dumps(serialize([PatchDrop(7, (0.5, 0.2)), PatchPermutation((4, 2))])) == (
        '[{"class_name": "PatchDrop", "config": {"grid_size": [7, 7], "levels": [0.2, 0.5], '
        '"fill": "black", "order": "random"}}, '
        '{"class_name": "PatchPermutation", "config": {"grid_sizes": [[2, 2], [4, 4]]}}]'
    )


@pytest.mark.parametrize("make", [default_suite, extended_suite])
def test_suites_of_the_package_come_back(make):
    suite = make(224)
    assert deserialize(json.dumps(serialize(suite))) == suite


def test_what_was_written_before_orders_were_there_is_read():
    config = {"grid_size": [14, 14], "levels": [0.2], "fill": "black"}
    assert deserialize([{"class_name": "PatchDrop", "config": config}]) == [PatchDrop(14, 0.2)]


def test_dicts_stand_for_corruptions_wherever_a_suite_is_asked_for():
    suite = [PatchDrop(7, 0.3), PatchReplacement(4, 0.5)]
    assert check_suite(serialize(suite)) == tuple(suite)
    assert check_suite([suite[0], *serialize(suite[1:])]) == tuple(suite)
    data = constant_data()
    ours = evaluate(median_reader, data, suite=suite)
    read = evaluate(median_reader, data, suite=json.loads(json.dumps(serialize(suite))))
    assert read.rows == ours.rows
    assert deserialize(read.settings["suite"]) == suite


def test_classes_of_users_are_custom_objects():
    suite = [Invert(0.5), PatchDrop(7)]
    text = json.dumps(serialize(suite))
    assert deserialize(text, {"Invert": Invert}) == suite
    with pytest.raises(ValueError, match=r"Known: .*PatchDrop.*Superimpose.*class_name='Invert'"):
        deserialize(text)
    with pytest.raises(ValueError, match=r"Known: .*Invert.*class_name='Blur'"):
        deserialize([{"class_name": "Blur", "config": {}}], {"Invert": Invert})
    with pytest.raises(ValueError, match=r"`custom_objects` must hold subclasses.*Invert=3"):
        deserialize(text, {"Invert": 3})

    class PatchDropOfMine(PatchDrop):
        """Stands in for the package's class of that name."""

    made = deserialize(serialize([PatchDrop(7)]), {"PatchDrop": PatchDropOfMine})
    assert type(made[0]) is PatchDropOfMine


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("no json", r"`suite` must be JSON.*suite='no json'"),
        ("{}", r"`suite` must be a list"),
        ([], r"`suite` must be a list"),
        ([3], r"`suite` must be a list.*\[3\]"),
        ([{"class_name": "PatchDrop"}], r"keys \"class_name\".*'PatchDrop'"),
        ([{"class_name": "PatchDrop", "config": []}], r"\"config\", a dict"),
        ([{"class_name": ["PatchDrop"], "config": {}}], r"a string.*\['PatchDrop'\]"),
        (
            [{"class_name": "PatchDrop", "config": {"grid": 7, "levels": 0.5}}],
            r"PatchDrop takes the arguments grid_size, levels, fill, order.*'grid'",
        ),
        (
            [{"class_name": "PatchDrop", "config": {"grid_size": 0}}],
            r"`grid_size` must be a positive",
        ),
    ],
)
def test_what_cannot_be_read_is_named(suite, message):
    with pytest.raises(ValueError, match=message):
        deserialize(suite)


def test_what_cannot_be_written_is_named():
    with pytest.raises(ValueError, match=r"`get_config`.*JSON values.*Invert"):
        serialize([Invert(np.float32(0.5))])
    with pytest.raises(ValueError, match=r"`suite` must be a list"):
        serialize(PatchDrop())
