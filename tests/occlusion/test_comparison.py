import math

import numpy as np
import pytest

from keras_patchmix.occlusion import Custom, PatchDrop, PatchReplacement, Report, evaluate
from keras_patchmix.occlusion.comparison import mcnemar, paired_interval
from tests.occlusion.closed_form import constant_data, pixel_reader

stats = pytest.importorskip("scipy.stats")
SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(4, 0.5)]


def report(y, x, suite=SUITE, count=90, **arguments):
    return evaluate(
        pixel_reader(y, x), constant_data(count, first_class=1), suite=suite, **arguments
    )


def test_differences_are_those_of_the_outcomes_image_by_image():
    a, b = report(2, 2), report(20, 12)
    comparison = Report.compare(a, b)
    assert [row.name for row in comparison.rows] == [row.name for row in a.rows]
    for row in comparison.rows:
        assert row.paired
        assert row.n == 90
        difference = a.correct[row.name].astype(float) - b.correct[row.name]
        assert row.difference == pytest.approx(difference.mean(), abs=1e-12)
        assert row.top1_a - row.top1_b == pytest.approx(row.difference, abs=1e-12)
        assert row.low <= row.difference <= row.high
        only = int((difference > 0).sum()), int((difference < 0).sum())
        if sum(only):
            assert row.p_value == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
        assert (row.low, row.high) == paired_interval(*only, 90)
    assert comparison.rows[0].difference == 0
    assert comparison.rows[0].p_value == 1
    turned = b.compare(a)
    assert [row.difference for row in turned.rows] == [-row.difference for row in comparison.rows]
    assert [row.p_value for row in turned.rows] == [row.p_value for row in comparison.rows]


@pytest.mark.parametrize(
    ("a", "b"), [(0, 0), (1, 0), (0, 5), (3, 8), (8, 3), (40, 41), (700, 900), (3000, 20), (6, 6)]
)
def test_the_p_value_is_that_of_the_exact_binomial_test(a, b):
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0
    assert mcnemar(a, b) == pytest.approx(expected, rel=1e-9)


def test_intervals_hold_the_difference_as_often_as_they_say():
    # Cells of a population of image pairs, and 4,000 samples of 200 images.
    cells = np.array([0.5, 0.22, 0.12, 0.16])  # both, only a, only b, none
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(200, cells, size=4000)
    held = 0
    for _, only_a, only_b, _ in drawn:
        low, high = paired_interval(only_a, only_b, 200)
        held += low <= 0.10 <= high
    # 95 %, 4 standard errors of 4,000 samples, and half a point for the method.
    assert abs(held / 4000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000) + 0.005


@pytest.mark.parametrize(("a", "b", "n"), [(0, 0, 5), (10, 0, 10), (0, 10, 10), (1, 1, 2)])
def test_intervals_stay_within_what_differences_can_be(a, b, n):
    low, high = paired_interval(a, b, n)
    assert -1 <= low < (a - b) / n + 1e-12
    assert low <= high <= 1
    if a == b:
        assert low == -high


def test_images_that_one_model_was_not_scored_on_are_left_out():
    def nan_for_some(images):
        scores = pixel_reader(2, 2)(images)
        scores[images[:, 2, 2, 0] == 0] = np.nan
        return scores

    data = constant_data(90, first_class=1)
    with pytest.warns(UserWarning, match="not finite"):
        a = evaluate(nan_for_some, data, suite=SUITE)
    b = report(20, 12)
    row = a.compare(b).row("patch_drop_4x4_50")
    scored = a.outcomes.top1["patch_drop_4x4_50"] >= 0
    assert row.n == scored.sum() < 90
    assert row.top1_b == b.correct["patch_drop_4x4_50"][scored].mean()
    with pytest.warns(UserWarning, match="90 of 90"):
        none = evaluate(lambda x: np.full((len(x), 6), np.nan), data, suite=SUITE)
    with pytest.raises(ValueError, match="rows in common"):
        none.compare(b)


def test_other_images_are_not_paired_and_that_is_said():
    a, b = report(2, 2), report(20, 12, seed=1)
    comparison = a.compare(b)
    row = comparison.row("patch_drop_4x4_50")
    assert not row.paired
    assert row.p_value is None
    p, q = a.row(row.name).top1, b.row(row.name).top1
    assert row.difference == pytest.approx(p - q, abs=1e-12)
    p, q = (90 * p + 1) / 92, (90 * q + 1) / 92
    half = 1.959964 * math.sqrt(p * (1 - p) / 92 + q * (1 - q) / 92)
    assert (row.low, row.high) == pytest.approx((p - q - half, p - q + half), abs=1e-6)
    assert comparison.notes == ["Not paired image by image, since these differ: seed."]
    fewer = report(2, 2, count=80).compare(a)
    assert "the order of the images" in fewer.notes[0]
    assert fewer.rows[1].n == 80


def test_another_bank_parts_the_rows_that_take_patches_from_it_and_no_others():
    a, b = report(2, 2), report(2, 2, bank_size=20)
    comparison = a.compare(b)
    assert [row.paired for row in comparison.rows] == [True, False, False, True]
    assert "Rows with foreign patches are not paired" in comparison.notes[0]
    # A suite without such rows has no bank, which parts nothing.
    without = a.compare(report(20, 12, SUITE[1:]))
    assert [row.name for row in without.rows] == ["clean", "patch_drop_4x4_50"]
    assert all(row.paired for row in without.rows)


def test_rows_that_only_one_has_are_named():
    comparison = report(2, 2, SUITE[:1]).compare(report(2, 2, SUITE[1:]))
    assert [row.name for row in comparison.rows] == ["clean"]
    assert "patch_drop_4x4_50" in comparison.notes[-1]


def test_the_table_reads_well():
    text = str(report(2, 2).compare(report(20, 12)))
    lines = text.splitlines()
    head = "top-1 % <lambda> (a) <lambda> (b) difference 95 % interval p"
    assert lines[0].split() == head.split()
    assert len(lines) == 6
    assert all(len(line) < 100 for line in lines)


def test_what_is_no_report_is_named():
    with pytest.raises(TypeError, match=r"`b` must be a Report.*b=3"):
        Report.compare(report(2, 2), 3)


def test_rows_of_corruptions_of_one_name_that_differ_are_not_paired():
    same, inverse = (
        evaluate(pixel_reader(0, 0), constant_data(9), suite=[Custom(fn, name="own")])
        for fn in (lambda image: image, lambda image: 255 - image)
    )
    compared = same.compare(inverse)
    assert compared.row("clean").paired
    assert not compared.row("own").paired
    assert any("other pixels are affected: own" in note for note in compared.notes)
