import base64
import hashlib
import json
import re
import tracemalloc

import numpy as np
import pytest

from keras_patchmix.occlusion import Report
from keras_patchmix.occlusion.page import write_page
from tests.occlusion.page_reader import Page
from tests.occlusion.page_reports import CONDITIONS, make_examples, make_report, row_name

HOSTILE = "</title></style><script>alert(1)</script>\"' onload='x' $a_b$ &amp; {{ 7 * 7 }}{% x %}"


@pytest.fixture(scope="module")
def report():
    return make_report(class_names=[f"kind {i}" for i in range(10)])


@pytest.fixture(scope="module")
def text(report):
    return write_page(report, examples=make_examples(report))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_it_stands_alone(text, page):
    names = {name for name, _ in page.elements}
    assert not names & {"script", "iframe", "object", "embed", "form", "base", "video", "audio"}
    for name, attributes in page.elements:
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key not in ("style", "srcset", "xlink:href")
            if key in ("src", "href"):
                assert value.startswith(
                    "data:image/png;base64," if name == "img" else ("#", "data:,")
                )
    assert not re.search(r"@import|url\(|https?://|//[a-z]", text.partition("</style>")[0])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
        assert set(attributes.get("aria-labelledby", "").split()) <= set(ids)


def test_a_browser_may_load_nothing_but_its_own_style(text, page):
    (policy,) = (
        attributes["content"]
        for _, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )


def test_text_and_curves_stand_out_from_the_page_light_and_dark(text):
    def luminance(color):
        values = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722)

    themes = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colors = {k: luminance(v) for k, v in re.findall(r"--([\w-]+): (#\w{6})", theme)}

        def contrast(a, b, of=colors):
            low, high = sorted((of[a], of[b]))
            return (high + 0.05) / (low + 0.05)

        for name in ("text", "soft", "good", "bad"):
            assert contrast(name, "paper") > 4.5
        assert contrast("warn", "warn-tint") > 4.5
        assert all(contrast(f"s{i}", "paper") > 3 for i in range(7))


def test_it_is_said_in_elements_that_mean_something(page):
    elements = page.elements
    assert ("html", {"lang": "en"}) in elements
    assert any(attributes.get("name") == "viewport" for _, attributes in elements)
    assert sum(name == "h1" for name, _ in elements) == 1
    count = sum(name == "table" for name, _ in elements)
    assert sum(name == "caption" for name, _ in elements) == count
    assert all("scope" in attributes for name, attributes in elements if name == "th")
    assert all(attributes["alt"] for name, attributes in elements if name == "img")
    graphics = [a for name, a in elements if name == "svg"]
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in graphics)
    assert any(a.get("role") == "img" for a in graphics)


def test_the_same_report_gives_the_same_bytes(text, tmp_path):
    again = make_report(class_names=[f"kind {i}" for i in range(10)])
    path = tmp_path / "new" / "report.html"
    assert write_page(again, path, make_examples(again)) == text
    assert path.read_bytes() == text.encode("utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_report_that_was_loaded_gives_the_same_page(report, text, tmp_path):
    report.to_json(tmp_path / "report.json")
    loaded = Report.load(tmp_path / "report.json")
    assert write_page(loaded, examples=make_examples(loaded)) == text


def test_names_that_come_from_data_stay_text():
    odd = "\udc80\x1b\u202e"
    conditions = ((*CONDITIONS[:5], (f"blur_{HOSTILE}", (7, 7), 0.5, 0.5)),)
    hostile = make_report(
        f"m{HOSTILE}",
        class_names=[f"{i}{HOSTILE}" for i in range(10)],
        conditions=conditions[0],
        silent=(row_name(*conditions[0][-1][:3]),),
        skipped=[{"name": f"f{HOSTILE}{odd}", "reason": f"r{HOSTILE}"}],
        preprocess=f"p{HOSTILE}",
        class_map={HOSTILE: [1]},
    )
    for reports in (hostile, {f"a{HOSTILE}": hostile, f"b{HOSTILE}": make_report()}):
        text = write_page(reports, examples=make_examples(hostile, 1))
        text.encode("utf-8")
        page = Page(text)
        names = {name for name, _ in page.elements}
        assert "script" not in names
        assert not any(key.startswith("on") for _, a in page.elements for key in a)
        assert text.count("</style>") == 1
        assert text.count("</title>") == text.count("<title>") == 1
        for start in "frp0" + ("m" if reports is hostile else "ab"):
            assert f"{start}{HOSTILE}" in page.text
        assert r"\x80\x1b\u202e" in text
        assert any(HOSTILE in a.get("alt", "") for _, a in page.elements)
    assert HOSTILE in json.loads(json.dumps(hostile.settings))["preprocess"]


def test_what_is_no_report_is_refused():
    with pytest.raises(ValueError, match="`reports` must be a Report or a dict"):
        write_page({})


def test_ten_thousand_images_of_a_thousand_classes_take_little_memory():
    big = make_report(n=10_000, classes=1000)
    tracemalloc.start()
    write_page(big)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
