"""What `evaluate` takes as labels, range and name, and what it says of what it does not take."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest

from keras_patchmix.callbacks import OcclusionBenchmark
from keras_patchmix.occlusion import Benchmark, PatchDrop, evaluate
from keras_patchmix.occlusion.settings import BenchmarkSettings
from tests.occlusion.closed_form import SIZE, K, constant_data, median_reader, pixel_reader


def test_label_forms_and_weights_score_alike():
    images, labels = constant_data(30)
    forms = [labels, labels[:, None], np.eye(K)[labels], np.eye(K, dtype=np.int32)[labels]]
    forms += [form.tolist() for form in forms] + [tuple(labels)]
    reports = [evaluate(pixel_reader(3, 3), (images, form)) for form in forms]
    reports += [evaluate(pixel_reader(3, 3), images, form) for form in forms]
    reports += [
        evaluate(pixel_reader(3, 3), [(images[:9], form[:9]), (images[9:], form[9:])])
        for form in forms
    ]
    reports += [evaluate(pixel_reader(3, 3), {"images": images, "labels": form}) for form in forms]
    reports.append(evaluate(pixel_reader(3, 3), (images, labels, np.zeros(30))))
    assert all(report.rows == reports[0].rows for report in reports)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1], [1]], "`labels`.* must have one length .*: lists of lengths 1, 2"),
        ([[0, 1], 1], "`labels`.* must have one length .*: lists of lengths 0, 2"),
        (["cat", "dog"], "`labels` must be one array, or numbers in lists"),
        ([np.arange(2), np.arange(2)], "`labels` must be one array, or numbers in lists"),
    ],
)
def test_lists_that_are_no_labels_are_refused(labels, message):
    images, _ = constant_data(2)
    for data in ((images, labels), [(images, labels)]):
        with pytest.raises(ValueError, match=message):
            evaluate(pixel_reader(3, 3), data)


def test_a_suite_in_the_place_of_labels_is_pointed_out():
    with pytest.raises(ValueError, match="a suite is given as `suite=`"):
        evaluate(median_reader, constant_data(9)[0], [PatchDrop(2)])


@pytest.mark.parametrize(
    ("images", "value_range", "warns"),
    [
        (constant_data(8)[0], (0, 255), False),
        (constant_data(8)[0] / np.float32(255), (0, 255), True),
        (constant_data(8)[0] / np.float32(255), (0, 1), False),
        (constant_data(8)[0].astype(np.float32) - 100, (0, 255), True),
        (np.zeros((8, SIZE, SIZE, 3), np.float32), (0, 255), False),
    ],
)
def test_a_value_range_that_cannot_be_is_named(images, value_range, warns):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluate(
            median_reader, (images, np.arange(8) % 2), suite=[PatchDrop(2)], value_range=value_range
        )
    assert [w.filename for w in caught if "value_range" in str(w.message)] == [__file__] * warns


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": 3}, "`model` must be a Keras model, .*model=3"),
        ({"seed": 1.5}, r"`seed` must be an integer.*1\.5"),
        ({"preprocess": "caffe"}, "`preprocess` must be a function.*'caffe'"),
        ({"value_range": (255, 0)}, "`value_range` must be a pair"),
        ({"value_range": 255}, "`value_range` must be a pair"),
        ({"verbose": "yes"}, "`verbose` must be"),
        ({"suite": "drop"}, "`suite` must be a list"),
        ({"max_examples": 0}, "`max_examples`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"name": ""}, "`name` must be a string"),
        ({"name": 3}, "`name` must be a string.*3"),
        ({"bank_size": 1}, "`size` must be an integer of at least 2"),
        ({"model": lambda x: {"a": x}}, "one array of scores.*dict of 1"),
        ({"model": lambda x: x}, r"shape \(batch, classes\).*shape \(9, 28, 28, 3\)"),
        ({"model": lambda x: np.zeros((len(x), 1))}, "`from_logits` must say"),
        ({"model": lambda x: np.zeros((len(x), 0))}, r"`model` must return logits.*\(9, 0\)"),
        ({"model": lambda x: np.zeros((2 * len(x), 6))}, r"`model` must return logits.*\(18, 6\)"),
        ({"from_logits": 1}, "`from_logits` must be True"),
        ({"model": lambda x: np.zeros((len(x), 4))}, "Labels must be below 4.*label 5"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"model": median_reader, "x": constant_data(9), **change}
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


def test_a_report_is_called_as_it_was_asked_to_be():
    plain, mixed = (evaluate(median_reader, constant_data(9), name=n) for n in (None, "mixed"))
    assert plain.settings["model"] == median_reader.__name__
    assert mixed.settings["model"] == "mixed"
    assert mixed.table().startswith("mixed: 9 images")
    head = str(plain.compare(mixed)).splitlines()[0].split()
    assert head[2:4] == [median_reader.__name__, "mixed"]


def test_a_model_without_a_name_is_called_by_its_class():
    class Reader:
        name = None  # as a module of PyTorch has none

        def __call__(self, images):
            return median_reader(images)

    report = evaluate(Reader(), constant_data(9), suite=[PatchDrop(2, 0.25)])
    assert report.settings["model"] == "Reader"
    assert report.table().startswith("Reader: 9 images")


def test_the_progress_bar_shows_when_wanted(capsys):
    evaluate(median_reader, constant_data(9), verbose=True)
    assert "\nocclusion\n9/9 - " in capsys.readouterr().out
    evaluate(median_reader, constant_data(9), verbose=False)
    evaluate(median_reader, constant_data(9))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("front", [evaluate, Benchmark, OcclusionBenchmark])
def test_each_front_takes_all_settings_with_their_defaults(front):
    parameters = inspect.signature(front).parameters
    own = {"max_examples": 2000} if front is OcclusionBenchmark else {}
    for field in dataclasses.fields(BenchmarkSettings):
        assert parameters[field.name].default == own.get(field.name, field.default), field.name


def test_each_front_hands_all_settings_on():
    settings = {
        "seed": 3,
        "max_examples": 4,
        "preprocess": abs,
        "value_range": (0.0, 1.0),
        "batch_size": 5,
        "bank_size": 6,
        "saliency": len,
        "class_map": [1, 0],
        "class_names": ["a", "b"],
        "from_logits": True,
        "precision": 3.0,
    }
    for made in (
        Benchmark(constant_data(8), **settings).settings,
        OcclusionBenchmark(constant_data(8), **settings)._benchmark.settings,
    ):
        values = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
        assert values.pop("class_map").outputs == [[1], [0]]
        assert {**values, "class_map": [1, 0]} == settings
