"""The section of the page about patch selectivity."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from keras_patchmix.explain import SelectivityReport
from keras_patchmix.occlusion.page import write_page
from keras_patchmix.report import saliency
from keras_patchmix.report.pictures import data_uri
from keras_patchmix.report.selectivity import Strip, draw_strips
from tests.occlusion.page_reader import Page, number
from tests.occlusion.page_reports import make_report

SETTINGS = {
    "model": "m",
    "corruption": {"class_name": "PatchReplacement", "config": {"grid_size": [7, 7]}},
    "num_masks": 2000,
    "grid_size": 7,
    "keep_probability": 0.5,
    "from_logits": True,
    "value_range": [0, 255],
    "seed": 3,
}
HOSTILE = "</title></style><script>alert(1)</script>\"' onload='x'"


def selectivity(shift=0.0, count=20, side=8, kept=3, **settings):
    """A report of known values: 0.4 to 0.8 in equal steps, and a shift."""
    rows = [
        {
            "index": 10 + i,
            "label": i % 10,
            "contrast": (i + 1) % 10,
            "predicted": i % 10 if i < 15 else (i + 1) % 10,
            "share": 0.25,
            "num_masks": 2000,
            "noise": 0.1 + 0.01 * i,
            "selectivity": 0.4 + 0.4 * i / max(1, count - 1) + shift,
        }
        for i in range(count)
    ]
    draws = np.random.default_rng(0)
    masks = np.zeros((kept, side, side), bool)
    masks[:, : side // 2, : side // 2] = True
    examples = {
        "images": draws.integers(0, 256, (kept, side, side, 3), np.uint8),
        "masks": masks,
        "maps": draws.normal(size=(kept, side, side)).astype(np.float32),
    }
    return SelectivityReport(rows, {**SETTINGS, **settings}, examples if kept else {})


@pytest.fixture(scope="module")
def reports():
    return {
        name: make_report(name, class_names=[f"kind {i}" for i in range(10)])
        for name in ("first", "second")
    }


@pytest.fixture(scope="module")
def found():
    return {"first": selectivity(0.1), "second": selectivity()}


@pytest.fixture(scope="module")
def text(reports, found):
    return write_page(reports, selectivity=found)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_table_holds_mean_interval_and_count(page, found):
    (table,) = (t for t in page.tables if t[0][1:3] == ["Mean", "95 % interval"])
    for line, (name, report) in zip(table[1:], found.items(), strict=True):
        low, high = report.interval
        assert line[0] == name
        assert number(line[1]) == pytest.approx(report.mean, abs=5e-4)
        assert line[2] == f"{low:.3f} to {high:.3f}"
        assert line[3:] == ["20", "75.0", "0.20"]


def test_two_models_are_compared_image_by_image(reports, page, found):
    assert (
        "first minus second, image by image: +0.100 (95 % interval +0.100 to +0.100)" in page.text
    )
    other = selectivity(num_masks=100)
    unlike = Page(write_page(reports, selectivity={**found, "second": other}))
    assert "Not compared image by image: `other` must be measured in the same" in unlike.text
    assert "2,000 masks of 7×7 cells" in unlike.text
    assert "second: 100 masks of 7×7 cells" in unlike.text
    alone = Page(write_page(reports["first"], selectivity=found["first"]))
    assert "image by image" not in alone.text


def test_dots_and_means_stand_where_the_values_are(text, found):
    strips = [
        Strip(name, number, report.values, report.mean, *report.interval)
        for number, (name, report) in enumerate(found.items())
    ]
    (axis,) = draw_strips(strips).axes
    _, *lines = axis.lines  # the first one is 0.5
    for place, (strip, dots) in enumerate(zip(strips, axis.collections, strict=True)):
        bar, mean = lines[2 * place : 2 * place + 2]
        np.testing.assert_allclose(dots.get_offsets()[:, 0], strip.values)
        assert np.all(dots.get_offsets()[:, 1].astype(int) == place)
        assert tuple(bar.get_xdata()) == (strip.low, strip.high)
        assert list(mean.get_xdata()) == [strip.mean]
        assert mean.get_marker() == "os"[place]
    assert "first: mean 0.700 (" in text


def test_pictures_are_images_and_maps_with_their_numbers(page, found):
    pictures = {a["alt"]: a["src"] for name, a in page.elements if name == "img"}
    assert len(pictures) == 3 * 3
    row = found["second"].rows[1]
    assert row["selectivity"] == pytest.approx(0.42, abs=5e-3)
    value = f"{row['selectivity']:.2f}"
    alt = f"kind 1, image 11, saliency map of second, patch selectivity {value}"
    image, values, mask = (
        found["second"].examples[name][1] for name in ("images", "maps", "masks")
    )
    assert pictures[alt] == data_uri(saliency.picture(image / 255, mask, values))
    told = f"kind 1 against kind 2, image 11 25 % foreign first {0.1 + row['selectivity']:.2f}"
    assert f"{told} second {value}" in page.text


def decoded(file):
    return np.asarray(Image.open(io.BytesIO(file)))[..., :3].astype(int)


def test_colors_go_from_the_lowest_value_to_the_highest_over_the_gray_image():
    image, mask = np.full((2, 2, 1), 0.4), np.zeros((2, 2), bool)
    picture = decoded(saliency.picture(image, mask, np.array([[1.0, 2.0], [2.5, 3.0]])))
    assert picture.shape == (160, 160, 3)
    shown = picture[40::80, 40::80]
    colors = matplotlib.colormaps["RdBu_r"]([[0.0, 0.5], [0.75, 1.0]])[..., :3]
    np.testing.assert_allclose(shown, 255 * (0.6 * colors + 0.4 * 0.4), atol=2)
    assert shown[0, 0, 2] > shown[0, 0, 0], "the lowest is blue"
    assert shown[1, 1, 0] > shown[1, 1, 2], "the highest is red"


@pytest.mark.parametrize("shape", [(8, 8), (64, 64), (400, 200)])
def test_foreign_parts_are_outlined_whatever_the_size(shape):
    image, mask = np.full((*shape, 3), 0.5), np.zeros(shape, bool)
    mask[: shape[0] // 2, : shape[1] // 2] = True
    picture = decoded(saliency.picture(image, mask))[..., 0]
    height, width = picture.shape
    assert (height, width) == (160, 160 * shape[1] // shape[0])
    line = picture[height // 4]
    assert line[width // 2 - 1 : width // 2 + 1].max() > 150
    assert line[width // 2 - 3 : width // 2 + 3].min() < 100
    assert np.abs(np.delete(line, range(width // 2 - 3, width // 2 + 3)) - 128).max() <= 1
    assert np.abs(picture[-height // 4] - 128).max() <= 1


def test_the_same_reports_give_the_same_bytes_and_none_leaves_the_page_as_it_was(
    reports, found, text
):
    again = {"second": selectivity(), "first": selectivity(0.1)}
    assert write_page(reports, selectivity=again) == text
    assert write_page(reports, selectivity={}) == write_page(reports)
    assert "Patch selectivity" not in write_page(reports)
    single = reports["first"]
    assert single.to_html(selectivity=found["first"]) == write_page(
        single, selectivity={"first": found["first"]}
    )


def test_a_report_that_was_loaded_has_numbers_and_no_pictures(reports, found, tmp_path):
    found["first"].to_json(tmp_path / "a.json")
    loaded = SelectivityReport.load(tmp_path / "a.json")
    shown = Page(write_page(reports["first"], selectivity=loaded))
    assert "0.700" in shown.text
    assert "Maps" not in shown.text
    assert not any(name == "img" for name, _ in shown.elements)


def test_names_stay_text():
    hostile = make_report(f"m{HOSTILE}", class_names=[f"{i}{HOSTILE}" for i in range(10)])
    name = f"n{HOSTILE}"
    text = write_page({name: hostile}, selectivity={name: selectivity()})
    read = Page(text)
    assert "script" not in {element for element, _ in read.elements}
    assert not any(key.startswith("on") for _, a in read.elements for key in a)
    assert f"0{HOSTILE} against 1{HOSTILE}" in read.text


def test_pictures_are_few_enough_for_a_small_page(reports):
    names = [f"model {i}" for i in range(6)]
    many = {name: make_report(name) for name in names}
    found = {name: selectivity(side=160, kept=4) for name in names}
    assert len(write_page(many, selectivity=found)) < 1_600_000


@pytest.mark.parametrize("wrong", [{"third": 0}, {"third": selectivity()}, selectivity(), 3])
def test_what_does_not_belong_to_the_reports_is_refused(reports, wrong):
    with pytest.raises(ValueError, match="`selectivity` must be a dict from names in `reports`"):
        write_page(reports, selectivity=wrong)
