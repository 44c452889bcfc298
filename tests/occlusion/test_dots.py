"""Sets of occluded images on the page and in pictures."""

import re

import numpy as np
import pytest

from keras_patchmix.occlusion import OccludedSet, Report, Row, plot_reports, write_page
from keras_patchmix.occlusion.intervals import wilson
from keras_patchmix.occlusion.outcomes import Outcomes
from keras_patchmix.occlusion.panels import curves_of
from tests.occlusion.page_reader import Page
from tests.occlusion.page_reports import make_report

pytest.importorskip("matplotlib")


def with_sets(report, sets, share=None, skipped=()):
    """Adds sets, a dict from names to (n, number of right images), to a report made by hand."""
    rows, datasets = list(report.rows), {}
    for name, (n, right) in sets.items():
        p = right / n if n else None
        error = (p * (1 - p) / n) ** 0.5 if n else None
        rows.append(Row(name, "hidden", None, None, share, n, p, None, error, 10 - n, f"{name}:x"))
        top1 = {name: np.where(np.arange(10) < right, 1, 0 if n else -1).astype(np.int8)}
        outcomes = Outcomes(np.arange(10) % 2, np.arange(10), top1, {})
        settings = {
            "dataset": name,
            "split": "x",
            "class_names": ["<b>even</b>", "odd"],
            "class_map": None,
            "labels_sha256": name,
            "image_size": [224, 224],
        }
        datasets[name] = OccludedSet(settings, outcomes, list(skipped))
    return Report(rows, report.settings, report.outcomes, report.skipped, datasets)


@pytest.fixture(scope="module")
def report():
    entry = {"name": "x.png", "reason": "cut off"}
    return with_sets(
        make_report(), {"hidden_a": (10, 6), "hidden_b": (0, 0)}, share=0.25, skipped=[entry]
    )


@pytest.fixture(scope="module")
def both(report):
    other = with_sets(make_report("resnet", 0.5), {"hidden_a": (10, 3)}, share=0.25)
    return {"convnext": report, "resnet": other}


def test_dots_have_wilsons_interval_and_the_color_of_the_models_curves(both):
    found = curves_of(both).sets
    assert list(found) == ["hidden_a", "hidden_b"]
    first, second = found["hidden_a"]
    assert (first.label, first.number, first.y) == ("convnext", 0, 60.0)
    assert (second.label, second.number, second.y) == ("resnet", 1, 30.0)
    assert (second.low / 100, second.high / 100) == pytest.approx(wilson(0.3, 10))
    assert [dot.y for dot in found["hidden_b"]] == [None]
    assert curves_of({"model": make_report()}).sets == {}


def test_sets_are_on_no_curve_and_in_no_worst_row(report):
    without = make_report()
    assert curves_of({"model": report}).panels == curves_of({"model": without}).panels
    lead, lead_without = (
        Page(re.search(r'<div class="lead">.*?</div>', write_page(each), re.DOTALL)[0]).text
        for each in (report, without)
    )
    assert lead == f"{lead_without} Of occluded images it has 60.0 % of 10 right in hidden_a."


def cells(page, row):
    found = re.search(rf'<tr data-row="{row}">(.*?)</tr>', page, re.DOTALL)[1]
    return [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", found)]


def test_the_page_has_rows_dots_classes_settings_and_skipped_files(report):
    page = write_page(report)
    assert cells(page, "hidden_a")[:6] == ["hidden_a", "", "", "25.0", "60.00", "15.49"]
    assert cells(page, "hidden_b")[4] == "–"
    text = Page(page).text
    assert "hidden a, convnext_tiny: top-1 60.0 % (31.3 to 83.2). " in page
    assert "hidden b, convnext_tiny: no image scored." in page
    assert "hidden_a: classes, by rising accuracy" in text
    assert "<b>even</b>" not in page
    assert "<b>even</b>" in text
    assert "hidden_a: split" in text
    assert "hidden_a: x.png" in text
    assert "Hidden_b" not in text


def test_a_share_that_is_not_known_is_a_dash():
    page = write_page(with_sets(make_report(), {"hidden": (10, 6)}))
    assert cells(page, "hidden")[3] == "–"


def test_a_page_without_sets_says_nothing_of_them():
    assert "ccluded images" not in write_page(make_report())


def test_several_models_stand_side_by_side_and_other_images_are_warned_about(both):
    page = write_page(both)
    assert "hidden a, resnet: top-1 30.0 %" in page
    text = Page(page).text
    assert "not scored on the same images of" not in text
    both["resnet"].datasets["hidden_a"].settings["labels_sha256"] = "others"
    try:
        text = Page(write_page(both)).text
    finally:
        both["resnet"].datasets["hidden_a"].settings["labels_sha256"] = "hidden_a"
    assert "The models were not scored on the same images of hidden_a." in text


@pytest.mark.parametrize("several", [False, True])
def test_the_picture_has_a_panel_of_dots_at_the_accuracies(report, both, several):
    figure = plot_reports(both if several else report)
    titles = {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_visible()}
    axis = titles["Sets of occluded images"]
    drawn = [container.lines[0].get_xdata()[0] for container in axis.containers]
    assert list(drawn) == ([60.0, 30.0] if several else [60.0])
    assert [text.get_text() for text in axis.texts] == ["hidden a", "hidden b"]
    assert "and those of the sets" in figure.get_suptitle()
    figure.draw_without_rendering()


def test_names_are_shown_as_they_are(tmp_path):
    report = with_sets(make_report(), {"a_" * 60 + "$x$": (10, 6)})
    plot_reports(report, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000
