"""The member of a suite itself: names, rows, configuration, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_patchmix.occlusion import DatasetOcclusion, PatchDrop, deserialize, evaluate, serialize
from tests.occlusion.closed_form import batched, constant_data, pixel_reader
from tests.occlusion.occluded_data import occluded

READER = pixel_reader(9, 4)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("superimposed_masked_dataset", "superimposed_masked_dataset"),
        ("shapes/32px_occluded", "shapes_32px_occluded"),
        ("my_set:1.0.0", "my_set_1_0_0"),
        ("folder:/data/my photos/", "my_photos"),
        ("records:/data/smd/1.0.0", "smd"),
        ("records:smd", "smd"),
        (constant_data(6), "occluded_images"),
    ],
)
def test_the_default_name_comes_from_the_data_set(dataset, name):
    member = DatasetOcclusion(dataset)
    assert [condition.name for condition in member.conditions] == [name]


def test_several_splits_are_rows_of_their_own():
    splits = ["coverage_20", "coverage_40", "test[:50%]"]
    member = DatasetOcclusion("smd", splits, name="own")
    conditions = member.conditions
    assert [c.name for c in conditions] == ["own_coverage_20", "own_coverage_40", "own_test_50"]
    assert [c.data for c in conditions] == [f"smd:{split}" for split in splits]
    assert {(c.corruption, c.grid, c.level) for c in conditions} == {("own", None, None)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": None}, "`dataset` must be .*have to be given again"),
        ({"dataset": ""}, "`dataset` must be"),
        ({"dataset": 3}, "`dataset` must be"),
        ({"dataset": iter([1])}, "`dataset` can be iterated only once"),
        ({"split": []}, "`split` must be"),
        ({"split": ["a", 3]}, "`split` must be"),
        ({"split": ["a", "a"]}, "`split` must be"),
        ({"image_size": 0}, "`image_size` must be"),
        ({"image_size": (3, 4, 5)}, "`image_size` must be"),
        ({"class_map": "imagenet"}, '`class_map` must be "auto"'),
        ({"class_map": [1, 1]}, "`class_map` must hold"),
        ({"max_examples": 0}, "`max_examples` must be"),
        ({"max_examples": True}, "`max_examples` must be"),
        ({"name": "a b"}, "`name` must be"),
        ({"name": "50%"}, "`name` must be"),
        ({"name": "a.b"}, "`name` must be"),
        ({"name": "clean"}, "`name` must be"),
        ({"name": "loss"}, "`name` must be"),
        ({"name": "occlusion_mean"}, "`name` must be"),
        ({"dataset": constant_data(6), "split": "train"}, "`split` is for data sets by name"),
        ({"dataset": constant_data(6), "image_size": 8}, "`image_size` is for data sets by name"),
        ({"dataset": constant_data(6), "data_dir": "x"}, "`data_dir` is for data sets by name"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DatasetOcclusion(**{"dataset": "smd", **arguments})


def test_a_suite_with_sets_is_json_and_back():
    suite = [
        PatchDrop(2, 0.5),
        DatasetOcclusion("smd"),
        DatasetOcclusion(
            "folder:photos",
            ["train", "test"],
            (32, np.int64(48)),
            Path("data"),
            ([np.int64(4), 5], 0),
            np.int64(7),
            "mine",
        ),
        DatasetOcclusion("rod", class_map=None),
    ]
    text = json.dumps(serialize(suite))
    assert deserialize(text) == suite
    assert json.loads(text)[2]["config"] == {
        "dataset": "folder:photos",
        "split": ["train", "test"],
        "image_size": [32, 48],
        "data_dir": "data",
        "class_map": [[4, 5], [0]],
        "max_examples": 7,
        "name": "mine",
    }
    by_hand = '[{"class_name": "DatasetOcclusion", "config": {"dataset": "smd"}}]'
    assert deserialize(by_hand) == suite[1:2]


def test_sets_differ_by_any_argument_and_objects_by_what_they_are():
    one = DatasetOcclusion("smd")
    assert one == DatasetOcclusion("smd", class_map="auto")
    assert one != DatasetOcclusion("smd", class_map=None)
    assert one != DatasetOcclusion("smd", "train", name="smd")
    data = constant_data(6)
    assert DatasetOcclusion(data) == DatasetOcclusion(data)
    assert DatasetOcclusion(data) != DatasetOcclusion(constant_data(6))
    assert hash(DatasetOcclusion(data)) == hash(DatasetOcclusion(data))


def test_images_given_as_an_object_are_not_written_but_noted():
    suite = [DatasetOcclusion(occluded(6, 0), name="mine")]
    with pytest.raises(ValueError, match="'mine', whose images were given as an object"):
        serialize(suite)
    report = evaluate(READER, constant_data(12), suite=suite)
    assert report.settings["suite"][0]["config"]["dataset"] is None
    with pytest.raises(ValueError, match="null stands for images that were given as an object"):
        deserialize(report.settings["suite"])


def test_two_members_cannot_share_a_row():
    one = DatasetOcclusion(occluded(6, 0), name="patch_drop_2x2_50")
    with pytest.raises(ValueError, match=r"Two members of `suite` share .*'patch_drop_2x2_50'"):
        evaluate(READER, constant_data(6), suite=[PatchDrop(2, 0.5), one])


@pytest.mark.parametrize("form", ["arrays", "tuple", "batches", "dicts", "single"])
def test_data_in_every_form_has_the_same_row(form):
    data = occluded(11, 4)
    pair = data["images"], data["labels"]
    forms = {
        "arrays": data,
        "tuple": pair,
        "batches": batched(pair, 3),
        "dicts": [{key: value[i : i + 4] for key, value in data.items()} for i in (0, 4, 8)],
        "single": list(zip(*pair, strict=True)),
    }
    report = evaluate(READER, constant_data(12), suite=[DatasetOcclusion(forms[form])])
    row = report.row("occluded_images")
    assert (row.n, row.top1) == (11, 7 / 11)
