"""Single outcomes, rows of classes, and files that load back."""

import csv
import io
import json

import numpy as np
import pytest

from keras_patchmix.occlusion import (
    Outcomes,
    PatchDrop,
    PatchPermutation,
    PatchReplacement,
    Report,
    build_bank,
    evaluate,
)
from tests.occlusion.closed_form import (
    SIZE,
    K,
    constant_data,
    median_reader,
    pixel_reader,
    scores_of,
)

SUITE = [PatchReplacement(7, (0.1, 0.5)), PatchDrop(3, 0.5), PatchPermutation(2)]
NAMES = tuple(f"class {i}" for i in range(K))


@pytest.fixture(scope="module")
def report():
    return evaluate(
        pixel_reader(9, 4), constant_data(50), suite=SUITE, seed=2, class_names=NAMES, bank_size=30
    )


def test_single_outcomes_say_what_was_right_and_how_much_was_affected(report):
    images, labels = constant_data(50)
    np.testing.assert_array_equal(report.outcomes.labels, labels)
    np.testing.assert_array_equal(report.outcomes.index, np.arange(50))
    for condition, corrupted, pixels in PatchDrop(3, 0.5)(images, seed=2):
        np.testing.assert_array_equal(report.outcomes.pixels[condition.name], pixels)
        right = np.argmax(scores_of(corrupted[:, 9, 4, 0]), 1) == labels
        np.testing.assert_array_equal(report.outcomes.top1[condition.name], right)
    for row in report.rows:
        assert report.outcomes.pixels[row.name].sum() / (50 * SIZE**2) == row.share


def test_the_pairing_is_recorded(report):
    images, labels = constant_data(50)
    bank = build_bank([(images, labels)], 30, seed=2)
    expected = bank.index[bank.pair(labels, np.arange(50), 2)]
    np.testing.assert_array_equal(report.outcomes.donors, expected)
    assert np.all(labels[report.outcomes.donors] != labels)
    without = evaluate(pixel_reader(9, 4), constant_data(50), suite=[PatchDrop(2)])
    assert without.outcomes.donors is None


def test_a_report_loads_back(report, tmp_path):
    report.skipped.append({"name": "a.png", "reason": "broken"})
    try:
        report.to_json(tmp_path / "report.json")
    finally:
        report.skipped.clear()
    for path in (tmp_path, tmp_path / "report.json", str(tmp_path)):
        loaded = Report.load(path)
        assert loaded.rows == report.rows
        assert loaded.summary == report.summary
        assert loaded.settings == report.settings
        assert loaded.skipped == [{"name": "a.png", "reason": "broken"}]
        assert loaded.to_csv() == report.to_csv()
        assert loaded.to_json() == (tmp_path / "report.json").read_text()
        assert loaded.class_rows() == report.class_rows()
        np.testing.assert_array_equal(loaded.outcomes.donors, report.outcomes.donors)
        assert [row.difference for row in loaded.compare(report).rows] == [0.0] * 5


def test_a_report_of_the_first_version_loads_without_outcomes(report, tmp_path):
    data = json.loads(report.to_json())
    for key in ("outcomes", "skipped", "sha256"):
        del data[key]
    data["schema_version"] = 1
    (tmp_path / "old.json").write_text(json.dumps(data))
    old = Report.load(tmp_path / "old.json")
    assert old.rows == report.rows
    assert old.correct == {}
    with pytest.raises(ValueError, match="does not hold the outcomes"):
        old.class_rows()
    comparison = old.compare(report)
    assert not comparison.rows[1].paired
    assert "does not hold the single outcomes" in comparison.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", r"x\.json' is damaged or is not a report.*: not JSON"),
        ("[]", r"x\.json' is damaged or is not a report.*: schema_version"),
        ('{"rows": []}', r"x\.json' is damaged or is not a report.*: schema_version"),
        ('{"schema_version": 99}', "needs a later keras-patchmix.*version 99"),
    ],
)
def test_a_file_that_is_no_report_is_named(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        Report.load(tmp_path / "x.json")
    with pytest.raises(FileNotFoundError):
        Report.load(tmp_path / "y.json")


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_outcomes_round_trip(count):
    rng = np.random.default_rng(count)
    outcomes = Outcomes(
        rng.integers(0, 2**31, count),
        rng.integers(0, 2**62, count),
        {"clean": rng.integers(-1, 2, count).astype(np.int8)},
        {"clean": rng.integers(0, 2**31, count)},
        rng.integers(0, 2**40, count),
    )
    back = Outcomes.from_dict(json.loads(json.dumps(outcomes.to_dict())))
    assert len(back) == count
    for key in ("labels", "index", "donors"):
        np.testing.assert_array_equal(getattr(back, key), getattr(outcomes, key))
        assert getattr(back, key).dtype == np.int64
    for key, dtype in (("top1", np.int8), ("pixels", np.int64)):
        np.testing.assert_array_equal(getattr(back, key)["clean"], getattr(outcomes, key)["clean"])
        assert getattr(back, key)["clean"].dtype == dtype


def test_rows_of_classes_add_up_to_the_rows(report):
    rows = report.class_rows()
    assert len(rows) == 5 * K
    for row in report.rows:
        mine = [entry for entry in rows if entry.name == row.name]
        assert [entry.label for entry in mine] == list(range(K))
        assert [entry.class_name for entry in mine] == list(NAMES)
        assert sum(entry.n for entry in mine) == row.n
        right = sum(entry.n * entry.top1 for entry in mine)
        assert right / row.n == pytest.approx(row.top1, abs=1e-12)
        for entry in mine:
            of_class = report.outcomes.labels == entry.label
            assert entry.top1 == report.correct[row.name][of_class].mean()
            assert entry.drop == report.correct["clean"][of_class].mean() - entry.top1
            assert entry.standard_error == pytest.approx(
                np.sqrt(entry.top1 * (1 - entry.top1) / entry.n), abs=1e-12
            )
    # Black is the nearest to class 0, which a drop therefore does not harm.
    drops = {entry.label: entry.drop for entry in rows if entry.name == "patch_drop_3x3_50"}
    assert drops[0] == 0 < drops[5]


def test_a_class_without_a_scored_image_has_no_accuracy():
    def model(images):
        scores = scores_of(images[:, 0, 0, 0])
        scores[images[:, 0, 0, 0] == 10] = np.nan
        return scores

    with pytest.warns(UserWarning, match="not finite"):
        report = evaluate(model, constant_data(30), suite=[PatchDrop(2, 1.0)])
    first, *others = report.class_rows()[:K]
    assert (first.n, first.top1, first.standard_error, first.drop) == (0, None, None, None)
    assert {(row.n, row.top1) for row in others} == {(5, 1.0)}
    dropped = report.class_rows()[K]
    assert (dropped.n, dropped.top1, dropped.drop) == (5, 1.0, None)


def test_rows_of_classes_are_written_as_csv(report, tmp_path):
    assert report.to_class_csv(tmp_path / "classes.csv") is None
    text = report.to_class_csv()
    assert (tmp_path / "classes.csv").read_text() == text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 5 * K
    assert lines[7]["class_name"] == "class 1"
    assert float(lines[7]["top1"]) == report.class_rows()[7].top1


@pytest.mark.parametrize("names", ["abc", [], [1, 2], ["a", 2]])
def test_wrong_class_names_are_named(names):
    with pytest.raises(ValueError, match="`class_names` must be a sequence of strings"):
        evaluate(pixel_reader(9, 4), constant_data(12), suite=SUITE[1:2], class_names=names)


@pytest.mark.parametrize("count", [2, 5, 7])
def test_class_names_are_those_of_all_classes(count):
    with pytest.raises(ValueError, match=rf"`class_names` must name each of the 6.*{count} names"):
        evaluate(median_reader, constant_data(12), suite=SUITE[1:2], class_names=["a"] * count)


@pytest.mark.parametrize("columns", [5, 12])
def test_labels_have_a_column_for_each_class_of_the_scores(columns):
    images, labels = constant_data(12)
    labels = np.eye(columns)[labels % 4]
    for class_map in (None, range(6)):
        with pytest.raises(ValueError, match=f"6 classes.*labels of {columns} columns"):
            evaluate(median_reader, images, labels, suite=SUITE[1:2], class_map=class_map)
    mapped = {"class_map": [0, 1, 2, 3]}
    report = evaluate(
        median_reader, images, np.eye(4)[np.arange(12) % 4], suite=SUITE[1:2], **mapped
    )
    assert report.settings["num_classes"] == 4


class Skipping:
    """A data set that could not read everything."""

    def __init__(self):
        self.skipped = {"b.png": "truncated", "a.png": "no image"}

    def __iter__(self):
        yield constant_data(12)


def test_what_the_data_set_skipped_is_in_the_report():
    report = evaluate(pixel_reader(9, 4), Skipping(), suite=SUITE[1:2])
    assert report.skipped == [
        {"name": "a.png", "reason": "no image"},
        {"name": "b.png", "reason": "truncated"},
    ]
    assert "2 images could not be read: a.png, b.png" in str(report)
    assert json.loads(report.to_json())["skipped"] == report.skipped
