"""Sets of occluded images in a benchmark: rows, shares, classes, checks, comparison."""

import csv
import io
import itertools
import math

import numpy as np
import pytest

from keras_patchmix.occlusion import (
    Benchmark,
    DatasetOcclusion,
    PatchDrop,
    PatchReplacement,
    Report,
    Summary,
    evaluate,
)
from tests.occlusion.closed_form import K, constant_data, pixel_reader, scores_of, small_model
from tests.occlusion.occluded_data import occluded

READER = pixel_reader(9, 4)
NAMES = [f"kind {i}" for i in range(K)]
COVERAGE = np.linspace(0, 0.5, 11)
SETS = [
    DatasetOcclusion(occluded(11, 4, COVERAGE, range(50, 61)), name="one"),
    DatasetOcclusion(occluded(7, 0), name="two"),
]
SUITE = [SETS[0], PatchDrop(2, 0.5), SETS[1]]


def run(model=READER, suite=SUITE, data=None, **settings):
    return evaluate(model, data or constant_data(40), suite=suite, **{"batch_size": 16, **settings})


@pytest.fixture(scope="module")
def report():
    return run(class_names=NAMES)


def test_a_set_is_a_row_with_its_own_images(report):
    assert [row.name for row in report.rows] == ["clean", "patch_drop_2x2_50", "one", "two"]
    one, two = report.rows[2:]
    assert (one.corruption, one.grid, one.level, one.data) == ("one", None, None, "one")
    assert (one.n, one.top1, one.n_nonfinite) == (11, 7 / 11, 0)
    assert one.standard_error == math.sqrt(7 / 11 * 4 / 11 / 11)
    # A wrong pixel is that of the class before, so the right one comes second or third; but of the
    # first class, before which is the last one.
    assert one.top5 == 10 / 11
    assert one.share == np.mean(COVERAGE)
    assert (two.n, two.top1, two.top5, two.share) == (7, 1.0, 1.0, None)
    assert [row.data for row in report.rows[:2]] == [None, None]


def test_the_other_rows_are_as_without_sets(report):
    without = run(suite=SUITE[1:2], class_names=NAMES)
    assert report.rows[:2] == without.rows
    assert report.summary[:1] == without.summary
    assert report.outcomes.to_dict() == without.outcomes.to_dict()
    assert {**report.settings, "suite": None} == {**without.settings, "suite": None}


def test_the_summary_invents_no_drop_and_no_curve(report):
    assert report.summary[1:] == [
        Summary("one", None, (), 7 / 11, None, None),
        Summary("two", None, (), 1.0, None, None),
    ]


def test_every_image_of_a_set_is_recorded(report):
    one, two = report.datasets["one"], report.datasets["two"]
    assert one.outcomes.labels.tolist() == [i % K for i in range(11)]
    assert one.outcomes.index.tolist() == list(range(50, 61))
    assert one.outcomes.top1["one"].tolist() == [0] * 4 + [1] * 7
    pixels = [round(share * 28 * 28) for share in COVERAGE]
    assert one.outcomes.pixels["one"].tolist() == pixels
    assert two.outcomes.index.tolist() == list(range(7))
    assert two.outcomes.pixels == {}
    assert report.correct["one"].tolist() == [False] * 4 + [True] * 7
    assert one.settings["n"] == 11
    assert one.settings["num_classes"] == K
    assert one.settings["image_size"] == [28, 28]


def test_files_hold_the_sets_and_give_them_back(report, tmp_path):
    report.to_json(tmp_path / "report.json")
    loaded = Report.load(tmp_path)
    assert loaded.rows == report.rows
    assert loaded.to_json() == report.to_json()
    assert loaded.to_csv() == report.to_csv()
    lines = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [line["data"] for line in lines] == ["", "", "one", "two"]
    assert [line["n"] for line in lines] == ["40", "40", "11", "7"]
    assert [line["share"] for line in lines] == ["0.0", "0.5", str(np.mean(COVERAGE)), ""]
    digests = [line["labels_sha256"] for line in lines]
    assert digests[2] == report.datasets["one"].settings["labels_sha256"]
    assert len(set(digests)) == 3


def test_the_table_names_sets_and_how_many_images_they_have(report):
    lines = report.table().splitlines()
    (one,) = (line for line in lines if line.startswith("one  ") and "90.91" in line)
    assert one.split() == ["one", "25.0", "%", "63.64", "14.50", "90.91"]
    assert "one: 11 images of its own." in lines
    assert "two: 7 images of its own." in lines


def test_classes_are_the_sets_own(report):
    rows = {(row.name, row.label): row for row in report.class_rows()}
    assert rows["one", 0].n == 2
    assert (rows["one", 0].top1, rows["one", 4].top1) == (0.5, 1.0)
    assert rows["one", 0].drop is None
    assert rows["one", 0].class_name is None
    assert rows["clean", 0].class_name == "kind 0"
    assert rows["patch_drop_2x2_50", 1].drop is not None
    lines = list(csv.DictReader(io.StringIO(report.to_class_csv())))
    assert sum(line["name"] == "two" for line in lines) == K


def test_a_suite_may_hold_sets_alone():
    report = run(suite=[SETS[1]])
    assert [row.name for row in report.rows] == ["clean", "two"]
    assert "two: 7 images" in report.table()


def test_the_benchmarks_own_limit_is_for_sets_that_have_none():
    own = DatasetOcclusion(occluded(11, 4), max_examples=9, name="own")
    report = run(suite=[own, SETS[1]], max_examples=5)
    assert [row.n for row in report.rows] == [5, 9, 5]
    assert report.row("own").top1 == 5 / 9
    assert report.datasets["own"].settings["max_examples"] == 9
    assert report.datasets["two"].settings["max_examples"] == 5


def test_preprocessing_is_the_benchmarks():
    shapes = []

    def halved(images):
        shapes.append(images.shape)
        return images / 2

    def reader(images):
        return scores_of(2 * np.asarray(images)[:, 9, 4, 0])

    report = run(reader, preprocess=halved)
    assert report.row("one").top1 == 7 / 11
    assert set(shapes) == {(16, 28, 28, 3)}  # one batch size, one trace


def test_the_map_of_the_other_data_is_not_the_sets():
    def turned(images):
        return READER(images)[:, ::-1]

    backwards = list(range(K))[::-1]
    report = run(turned, [SETS[1]], class_map=backwards)
    assert (report.rows[0].top1, report.row("two").top1) == (1.0, 0.0)
    mapped = DatasetOcclusion(occluded(7, 2), class_map=backwards, name="two")
    report = run(turned, [mapped], class_map=backwards)
    assert report.row("two").top1 == 5 / 7
    assert report.datasets["two"].settings["class_map"] == [[i] for i in backwards]


class Watched:
    """Data that counts how often it is gone through."""

    def __init__(self, data):
        self.data, self.begun, self.ended = data, 0, 0

    def __iter__(self):
        self.begun += 1
        for i in range(0, len(self.data[0]), 4):
            yield tuple(part[i : i + 4] for part in self.data)
        self.ended += 1


def test_an_error_in_a_later_batch_names_the_set_too():
    images, labels = constant_data(40)
    labels = np.where(np.arange(40) == 33, 9, labels)
    with pytest.raises(ValueError, match=r"DatasetOcclusion 'late': Labels must be below.*label 9"):
        run(suite=[DatasetOcclusion((images, labels), name="late")])


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (
            DatasetOcclusion(constant_data(6), class_map=[*range(K - 1), K + 3], name="far"),
            "DatasetOcclusion 'far': `class_map` names the output 9",
        ),
        (
            DatasetOcclusion((constant_data(6)[0], np.arange(6) + 3), name="many"),
            "DatasetOcclusion 'many': Labels must be below 6.*Received: label 8",
        ),
        (
            DatasetOcclusion((constant_data(6)[0], np.full(6, 0.5)), name="half"),
            "DatasetOcclusion 'half': `labels` must be class ids",
        ),
        (
            DatasetOcclusion({**occluded(6, 0), "coverage": np.full(6, 20.0)}, name="percent"),
            "DatasetOcclusion 'percent': \"coverage\" must hold the share",
        ),
        (
            DatasetOcclusion({**occluded(6, 0), "coverage": np.full(6, np.nan)}, name="nan"),
            "DatasetOcclusion 'nan': \"coverage\" must hold the share",
        ),
    ],
)
def test_a_set_that_does_not_fit_is_named_before_the_long_pass(member, message):
    data = Watched(constant_data(40))
    with pytest.raises(ValueError, match=message):
        run(suite=[PatchDrop(2, 0.5), member], data=data)
    assert data.ended == 0


def test_a_size_that_the_model_does_not_take_is_named_before_the_long_pass():
    images = np.zeros((6, 20, 20, 3), np.uint8)
    member = DatasetOcclusion((images, np.arange(6)), name="small")
    data = Watched(constant_data(40))
    with pytest.raises(ValueError, match=r"DatasetOcclusion 'small': `model` takes .*\(20, 20, 3"):
        run(small_model(), [member], data)
    assert data.ended == 0


def test_main_data_with_a_key_coverage_is_taken_as_before():
    images, labels = constant_data(12)
    data = {"images": images, "labels": labels, "coverage": np.array(["much"] * 12)}
    assert run(data=data, suite=[PatchDrop(2, 0.5)]).rows[0].n == 12


def test_a_set_in_batches_larger_than_the_benchmarks_is_scored_in_its_batches():
    sizes = []

    def reader(images):
        sizes.append(len(images))
        return READER(images)

    report = run(reader, [SETS[0]], batch_size=4)
    assert report.row("one").top1 == 7 / 11
    assert set(sizes) == {4}


def test_images_without_a_finite_output_are_counted_in_the_row():
    def reader(images):
        scores = np.array(READER(images))
        scores[np.asarray(images)[:, 0, 0, 0] == 50] = np.nan
        return scores

    with pytest.warns(UserWarning, match=r"2 of 11 \(one\)"):
        report = run(reader)
    assert (report.row("one").n, report.row("one").n_nonfinite) == (9, 2)


class Skipping(Watched):
    skipped = {"bad.png": "cut off"}  # noqa: RUF012


def test_what_a_set_could_not_read_is_named_with_the_set():
    member = DatasetOcclusion(Skipping(constant_data(6)), name="photos")
    report = run(suite=[member])
    assert report.skipped == []
    assert report.datasets["photos"].skipped == [{"name": "bad.png", "reason": "cut off"}]
    assert report.all_skipped == [{"name": "photos: bad.png", "reason": "cut off"}]
    assert "1 images could not be read: photos: bad.png" in report.table()


def test_files_of_one_printable_name_are_told_apart():
    data = Watched(constant_data(6))
    data.skipped = {"a\\x1b.png": "empty", "a\x1b.png": "cut off"}
    report = run(suite=[DatasetOcclusion(data, name="photos")])
    expected = [("a\\x1b.png", "cut off"), ("a\\x1b.png (2)", "empty")]
    found = report.datasets["photos"].skipped
    assert [(one["name"], one["reason"]) for one in found] == expected
    assert len(report.all_skipped) == 2


def test_two_models_are_compared_image_by_image_on_a_set(report):
    other = run(lambda images: scores_of(np.asarray(images)[:, 20, 20, 0]))
    comparison = other.compare(report)
    one = comparison.row("one")
    assert (one.paired, one.n, one.difference) == (True, 11, 4 / 11)
    assert one.p_value == 2 / 2**4
    assert comparison.notes == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (occluded(11, 4, COVERAGE / 2, range(50, 61)), "the coverage of the images"),
        (occluded(11, 4, COVERAGE, range(11)), "the indices of the images"),
        (occluded(12, 4, np.linspace(0, 1, 12)), "the order of the images, or the images"),
    ],
)
def test_sets_of_other_images_are_not_paired(report, changed, reason):
    other = run(suite=[DatasetOcclusion(changed, name="one"), *SUITE[1:]])
    comparison = report.compare(other)
    assert not comparison.row("one").paired
    assert comparison.row("two").paired
    (note,) = comparison.notes
    assert note.startswith("one: not paired image by image, since these differ: ")
    assert reason in note


def test_a_row_of_a_corruption_is_not_compared_with_a_set_of_its_name(report):
    other = run(suite=[DatasetOcclusion(occluded(7, 0), name="patch_drop_2x2_50")])
    assert [row.name for row in report.compare(other).rows] == ["clean"]


def test_bars_are_named_after_the_model_and_the_set(monkeypatch):
    titles = []

    class Bar:
        def __init__(self, verbose, title):
            titles.append(title)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def start(self, total, done=0):
            pass

        def add(self, count):
            pass

    from keras_patchmix.occlusion import passes

    monkeypatch.setattr(passes, "Progress", Bar)
    Benchmark(constant_data(40), [PatchReplacement(2, 0.5), *SETS]).run(READER, title="net")
    assert titles == ["net", "net: one", "net: two"]


def test_sets_are_opened_once_for_several_models():
    data = Watched(constant_data(12))
    made = Benchmark(constant_data(12), [DatasetOcclusion(data, name="one")])
    for i in range(1, 4):
        made.run(READER)
        assert (data.begun, data.ended) == (2 * i, i)  # its first batch, and all


def test_the_order_of_members_does_not_matter():
    first, *others = (run(suite=list(order)) for order in itertools.permutations(SUITE))
    for other in others:
        assert sorted(map(repr, other.rows)) == sorted(map(repr, first.rows))


def test_a_set_in_another_range_than_the_benchmarks_is_warned_of():
    images, labels = constant_data(12)
    shrunk = {"images": (images / 255).astype(np.float32), "labels": labels}
    suite = [DatasetOcclusion(shrunk, name="small")]
    with pytest.warns(UserWarning, match="The images of the set 'small' span .* value_range"):
        evaluate(READER, (images, labels), suite=suite, batch_size=6)
