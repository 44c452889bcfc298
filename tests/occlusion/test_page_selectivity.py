"""The section of the page about patch selectivity."""

import base64
import io
import re

import numpy as np
import pytest

from keras_patchmix.explain import SelectivityReport
from keras_patchmix.occlusion.page import maps, write_page
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


def section(text):
    return text.partition('id="selectivity"')[2].partition('id="rows"')[0]


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
    part = section(text)
    for place, report in enumerate(found.values()):
        places = re.findall(
            rf'<circle cx="([\d.]+)" cy="[\d.]+" r="2.2" class="dot s{place}"', part
        )
        values = report.values
        x = np.array(places, float)
        slope, offset = np.polyfit(values, x, 1)
        np.testing.assert_allclose(x, slope * values + offset, atol=0.06)
        blind = re.search(r'd="M([\d.]+) \d+v\d+M\1 \d+v\d+" class="axis d1"', part)
        assert float(blind.group(1)) == pytest.approx(slope * 0.5 + offset, abs=0.06)
        pattern = rf'data-model="{list(found)[place]}"'
        group = next(g for g in part.split("<g")[1:] if pattern in g)
        low, high = (float(v) for v in re.search(r"M([\d.]+) [\d.]+H([\d.]+)", group).groups())
        ends = slope * np.array(report.interval) + offset
        np.testing.assert_allclose([low, high], ends, atol=0.06)
    assert "first: mean 0.700 (" in part


def decoded(address):
    image = pytest.importorskip("PIL.Image")
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(image.open(io.BytesIO(data)))


def test_pictures_are_images_and_maps_with_their_numbers(page, found):
    pictures = {a["alt"]: a["src"] for name, a in page.elements if name == "img"}
    assert len(pictures) == 1 + 3 * 3
    row = found["second"].rows[1]
    assert row["selectivity"] == pytest.approx(0.42, abs=5e-3)
    value = f"{row['selectivity']:.2f}"
    alt = f"kind 1, image 11, saliency map of second, patch selectivity {value}"
    parts = [found["second"].examples[name][1] for name in ("images", "maps", "masks")]
    wanted = maps.overlaid(*parts, (0, 255))
    np.testing.assert_array_equal(decoded(pictures[alt]), wanted)
    told = f"kind 1 against kind 2, image 1125 % foreignfirst{0.1 + row['selectivity']:.2f}"
    assert f"{told}second{value}" in page.text


def test_colours_go_from_the_lowest_value_to_the_highest_over_the_grey_image():
    image = np.full((2, 2, 1), 100, np.uint8)
    mask = np.zeros((2, 2), bool)
    picture = maps.overlaid(image, np.array([[1.0, 2.0], [2.5, 3.0]]), mask, (0, 255))
    assert picture.shape == (160, 160, 3)
    shown = picture[40::80, 40::80].astype(int)
    wanted = maps.colours(np.array([[-1.0, 0.0], [0.5, 1.0]]))
    np.testing.assert_array_equal(shown, np.rint(0.6 * wanted + 40))
    assert shown[0, 0, 2] > shown[0, 0, 0], "the lowest is blue"
    assert shown[1, 1, 0] > shown[1, 1, 2], "the highest is orange"
    flat = maps.overlaid(image, np.full((2, 2), 7.0), mask, (0, 255))
    assert (flat == np.rint(0.6 * 247 + 40)).all()


@pytest.mark.parametrize(("side", "wanted"), [(8, 160), (64, 128), (160, 160), (400, 134)])
def test_foreign_parts_are_outlined_whatever_the_size(side, wanted):
    image = np.full((side, side, 3), 128, np.uint8)
    mask = np.zeros((side, side), bool)
    mask[: side // 2, : side // 2] = True
    picture = maps.outlined(image, mask, (0, 255))
    assert picture.shape == (wanted, wanted, 3)
    half = wanted // 2
    line = picture[wanted // 4, :, 0].tolist()
    assert line[half - 1 : half + 1] == [255, 0]
    assert set(line) == {0, 128, 255}
    assert (picture[-wanted // 4] == 128).all()


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
