"""Which examples `max_examples` takes: a share of every stretch of the data."""

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchmix import explain
from keras_patchmix.occlusion import DatasetOcclusion, PatchDrop, PatchReplacement, evaluate
from keras_patchmix.occlusion.choice import spread, within
from keras_patchmix.occlusion.data import ExampleSource
from tests.occlusion.closed_form import (
    Batches,
    K,
    batched,
    constant_data,
    median_reader,
    scores_of,
)

SUITE = [PatchReplacement(4, 0.5)]


class Unsized:
    """Batches of a data set that does not say how many there are."""

    def __init__(self, *data, size=7):
        self.data, self.size = data, size

    def __iter__(self):
        for start in range(0, len(self.data[0]), self.size):
            yield tuple(part[start : start + self.size] for part in self.data)


class Endless(Batches):
    num_batches = None

    def __getitem__(self, step):
        return super().__getitem__(step % len(self))


def sorted_data(count):
    images, labels = constant_data(count)
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


@given(st.integers(1, 300), st.integers(1, 3000))
def test_each_stretch_of_the_data_gives_one_example(count, total):
    positions = spread(count, total)
    count = min(count, total)
    # Stretch i holds the positions p with floor(i n / m) <= p < floor((i + 1) n / m).
    for i, position in enumerate(positions.tolist()):
        assert i * total // count <= position < (i + 1) * total // count
    assert len(positions) == count


@given(st.integers(1, 50), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 200))
def test_the_chosen_ones_of_a_stretch_are_those_within_it(count, more, start, length):
    positions = spread(count, count + more)
    expected = [p - start for p in positions.tolist() if start <= p < start + length]
    assert within(positions, start, length).tolist() == expected


def test_sorted_classes_give_equal_shares():
    labels = np.repeat(np.arange(10), 300)
    for count in (10, 30, 1000):
        counts = np.bincount(labels[spread(count, 3000)], minlength=10)
        assert counts.tolist() == [count // 10] * 10
    assert np.bincount(labels[spread(2000, 3000)]).tolist() == [200] * 10


def test_classes_that_take_turns_all_come_up():
    # Every tenth example would be of one class. 300 of 3000, 10 classes: 30 each, 5 sigma.
    counts = np.bincount(spread(300, 3000) % 10, minlength=10)
    assert np.all(abs(counts - 30) < 5 * np.sqrt(300 * 0.1 * 0.9))


def test_whatever_the_form_and_the_batches_the_same_examples_are_scored():
    images, labels = sorted_data(60)
    forms = [
        (images, labels),
        {"images": images, "labels": labels},
        batched((images, labels), 9),
        batched((images, labels), 50),
        Batches((images, labels), 7),
        list(zip(images, labels, strict=True)),
        [(images[:11], labels[:11]), (images[11:], labels[11:])],
    ]
    reports = [
        evaluate(median_reader, form, suite=SUITE, max_examples=12, batch_size=size)
        for form in forms
        for size in (None, 5)
    ]
    assert reports[0].outcomes.index.tolist() == spread(12, 60).tolist()
    assert np.bincount(reports[0].outcomes.labels).tolist() == [2] * K
    for report in reports[1:]:
        assert report.outcomes.to_dict() == reports[0].outcomes.to_dict()
    assert {report.settings["choice"] for report in reports} == {"spread"}


@pytest.mark.parametrize("suite", [SUITE, [PatchDrop(4, 0.5)]], ids=["bank", "no bank"])
def test_an_example_meets_the_fate_that_it_has_in_a_whole_run(suite):
    data = batched(constant_data(60), 8)
    whole = evaluate(median_reader, data, suite=suite)
    few = evaluate(median_reader, data, suite=suite, max_examples=13)
    assert few.settings["bank_sha256"] == whole.settings["bank_sha256"]
    chosen = few.outcomes.index
    for name in ("top1", "pixels"):
        for row, values in getattr(few.outcomes, name).items():
            expected = getattr(whole.outcomes, name)[row][chosen]
            np.testing.assert_array_equal(values, expected)
    if suite is SUITE:
        np.testing.assert_array_equal(few.outcomes.donors, whole.outcomes.donors[chosen])


def test_batches_without_a_chosen_example_are_not_scored():
    scored = []

    def reader(images):
        scored.append(len(images))
        return median_reader(images)

    report = evaluate(reader, Batches(constant_data(60), 6), suite=SUITE, max_examples=4)
    assert scored == [4, 4]
    assert report.rows[0].n == 4


def test_single_examples_that_can_be_asked_for_are_read_only_where_chosen():
    images, labels = constant_data(40)
    asked = []

    class Photos:
        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            asked.append(i)
            return images[i], labels[i]

    (batch,) = ExampleSource(Photos(), max_examples=5)
    assert batch.index.tolist() == spread(5, 40).tolist()
    assert asked == [0, *batch.index]  # the first one tells that elements are examples


def test_more_than_there_are_is_all():
    report = evaluate(median_reader, constant_data(20), suite=SUITE, max_examples=50)
    assert report.outcomes.index.tolist() == list(range(20))


def test_of_a_data_set_of_unknown_length_the_first_are_taken_and_what_lacks_is_named():
    data = Unsized(*sorted_data(60))
    with pytest.warns(
        UserWarning, match="first 20 examples.* 4 of 6 .*: class 2, class 3, "
    ) as caught:
        report = evaluate(median_reader, data, suite=SUITE, max_examples=20)
    assert caught[0].filename == __file__
    names = ["ant", "bee", "cat", "dog", "eel", "fox"]
    with pytest.warns(UserWarning, match="4 of 6 classes are missing: cat, dog, eel, fox"):
        evaluate(median_reader, data, suite=SUITE, max_examples=20, class_names=names)
    assert report.outcomes.index.tolist() == list(range(20))
    assert report.settings["choice"] == "first"
    assert report.settings["max_examples"] == 20


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (Unsized(*constant_data(60)), 20),
        (Unsized(*sorted_data(60)), 61),
        (Endless(constant_data(60), 6), 20),
    ],
    ids=["mixed", "whole", "endless"],
)
def test_where_no_class_lacks_nothing_is_said(data, count):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        report = evaluate(median_reader, data, suite=SUITE, max_examples=count)
    assert report.rows[0].n == min(count, 60)


def test_an_endless_data_set_that_lacks_classes_is_warned_of():
    with pytest.warns(UserWarning, match="5 of 6 classes are missing: class 1, class 2, "):
        evaluate(
            median_reader, Endless(sorted_data(60), 6), suite=[PatchDrop(4, 0.5)], max_examples=6
        )


def test_sets_of_occluded_images_are_spread_over_too():
    images, labels = sorted_data(60)
    suite = [DatasetOcclusion((images, labels), max_examples=6, name="own")]
    found = evaluate(median_reader, constant_data(20), suite=suite).datasets["own"]
    assert found.outcomes.labels.tolist() == list(range(K))
    assert found.settings["choice"] == "spread"
    suite = [DatasetOcclusion(Unsized(images, labels), max_examples=6, name="own")]
    with pytest.warns(UserWarning, match="5 of 6 classes are missing"):
        found = evaluate(median_reader, constant_data(20), suite=suite).datasets["own"]
    assert found.settings["choice"] == "first"


def probabilities(images):
    return np.exp(scores_of(np.asarray(images)[:, 14, 14, 0]) / 40)


SELECTIVITY = {"num_masks": 4, "verbose": False, "from_logits": True, "max_examples": 6}


def test_selectivity_is_measured_on_examples_of_all_classes():
    images, labels = sorted_data(60)
    for data in ((images, labels), batched((images, labels), 11)):
        report = explain.selectivity_benchmark(probabilities, data, **SELECTIVITY)
        assert [row["label"] for row in report.rows] == list(range(K))
        assert report.settings["choice"] == "spread"


class WithoutEnd(Unsized):
    """Batches that repeat, of a data set that does not say so."""

    def __iter__(self):
        while True:
            yield from super().__iter__()


@pytest.mark.parametrize("corruption", [PatchReplacement(4, 0.5), PatchDrop(4, 0.5)], ids=repr)
@pytest.mark.parametrize("form", [Unsized, WithoutEnd])
def test_selectivity_of_an_unknown_length_is_of_the_examples_that_evaluate_takes(form, corruption):
    images, labels = sorted_data(60)
    order = np.r_[5:15, :5, 15:60]  # of two classes, so that there is a bank of them
    data = form(images[order], labels[order])
    with pytest.warns(UserWarning, match="its first 6 examples, and these are of class 0, class 1"):
        report = explain.selectivity_benchmark(
            probabilities, data, corruption=corruption, **SELECTIVITY
        )
    with pytest.warns(UserWarning, match="4 of 6 classes are missing"):
        scored = evaluate(median_reader, data, suite=[corruption], max_examples=6)
    assert [row["index"] for row in report.rows] == scored.outcomes.index.tolist() == [*range(6)]
    assert report.settings["choice"] == scored.settings["choice"] == "first"


class Declared:
    """Batches of a data set that says how many examples it holds."""

    def __init__(self, num_examples, form=Unsized, count=20, skipped=0):
        self.num_examples = num_examples
        self.skipped = {f"{number}.png": "damaged" for number in range(skipped)}
        self._data = form(*sorted_data(count))

    def __iter__(self):
        return iter(self._data)


@pytest.mark.parametrize("suite", [SUITE, [PatchDrop(4, 0.5)]], ids=["bank", "no bank"])
@pytest.mark.parametrize(
    "data",
    [
        *map(Declared, (100, 21, 19, 1, 0, -1)),
        Declared(20, WithoutEnd),
        Declared(22, skipped=1),
    ],
)
def test_a_number_of_examples_that_the_data_set_does_not_hold_is_refused(data, suite):
    received = f"`num_examples`.*Received: num_examples={data.num_examples}, "
    with pytest.raises(ValueError, match=received):
        evaluate(median_reader, data, suite=suite, max_examples=10)


def test_single_examples_by_number_are_as_many_as_declared():
    examples = list(zip(*sorted_data(20), strict=True))

    class Photos(list):
        num_examples = 20

    for number in (20, 20, 19, 21):
        Photos.num_examples = number
        source = ExampleSource(Photos(examples), max_examples=5)
        refused = pytest.raises(ValueError, match="`num_examples`")
        for _ in range(2):  # in the second pass those that are chosen are asked for
            with contextlib.nullcontext() if number == 20 else refused:
                (batch,) = source
                assert batch.index.tolist() == spread(5, 20).tolist()


@pytest.mark.parametrize("declared", [20, 21, 23])
def test_what_was_skipped_counts_among_the_declared_examples_or_not(declared):
    data = Declared(declared, skipped=3)
    report = evaluate(median_reader, data, suite=SUITE, max_examples=10)
    chosen = spread(10, declared)
    assert report.outcomes.index.tolist() == chosen[chosen < 20].tolist()


def test_where_all_are_taken_their_number_is_of_no_concern():
    assert evaluate(median_reader, Declared(100), suite=SUITE).rows[0].n == 20
