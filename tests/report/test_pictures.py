"""Figures within a page: readable as HTML, in the page's colors, without styles of their own."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_patchmix.report.pictures import inline_svg
from keras_patchmix.report.style import BAD, COLORS, PAPER
from tests.occlusion.page_reader import Page

X, Y = [0.0, 1.0, 3.0, 10.0], [2.0, 8.0, 5.0, 1.0]


@pytest.fixture
def figure():
    figure = Figure(figsize=(4, 3))
    axis = figure.subplots()
    axis.plot(X, Y, color=COLORS[1], marker="s", markeredgecolor=PAPER, clip_on=False)
    axis.fill_between(X, Y, color=COLORS[0], alpha=0.15, linewidth=0)
    axis.text(2, 2, "<b>&", color=BAD, fontsize=7)
    return figure


def test_marks_stand_where_the_points_are(figure):
    places = np.array(
        [
            (float(a["x"]), float(a["y"]))
            for name, a in Page(inline_svg(figure, "", "a")).elements
            if name == "use" and a.get("fill") == "var(--s1)"
        ]
    )
    for found, values in zip(places.T, (X, Y), strict=True):
        slope, offset = np.polyfit(values, found, 1)
        np.testing.assert_allclose(found, np.array(values) * slope + offset, atol=1e-3)
    assert np.all(np.diff(places[:, 0]) > 0)
    assert places[1, 1] == places[:, 1].min()  # the highest is nearest to the top of the page


def test_it_has_the_colors_of_the_page_and_no_style(figure):
    text = inline_svg(figure, 'a "b"\x1b', "a")
    page = Page(text)
    name, attributes = page.elements[0]
    assert name == "svg"
    assert attributes["role"] == "img"
    assert attributes["aria-label"] == r'a "b"\x1b'
    assert not {"width", "height"} & set(attributes)
    assert "style" not in {name for name, _ in page.elements}
    assert not any({"style", "xlink:href"} & set(a) for _, a in page.elements)
    assert set(re.findall("#[0-9a-f]{6}", text)) == set()
    labels = {
        a["fill"]: a["font-size"] for name, a in page.elements if "fill" in a and name == "text"
    }
    assert labels == {"var(--bad)": "7px"}
    assert "<b>&" in page.text


def test_two_figures_of_a_page_share_no_name(figure):
    def names(text):
        return {a["id"] for _, a in Page(text).elements if "id" in a}

    first, second = (inline_svg(figure, "", name) for name in "ab")
    assert names(first)
    assert not names(first) & names(second)
    assert inline_svg(figure, "", "a") == first
