"""The check of the site finds what is wrong with a page."""

import importlib.util
import shutil

import pytest

from tools.links import broken_links

GOOD = '<html><body><h1 id="top">A</h1><a href="b/#place">b</a><a href="#top">top</a></body></html>'
OTHER = '<html><body><p id="place">B</p><a href="../">a</a></body></html>'


def site_of(directory, home, other=OTHER):
    (directory / "b").mkdir()
    (directory / "index.html").write_text(home)
    (directory / "b" / "index.html").write_text(other)
    return directory


def test_links_between_pages_and_places_are_followed(tmp_path):
    assert broken_links(site_of(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("c/", "index.html: c/ leads nowhere"),
        ("b/#nowhere", "index.html: b/#nowhere names a place that is not there"),
        ("#nowhere", "index.html: #nowhere names a place that is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path, link, message):
    site = site_of(tmp_path, GOOD.replace("b/#place", link))
    assert broken_links(site) == [message]


def test_other_hosts_and_letters_are_not_followed(tmp_path):
    home = GOOD.replace("b/#place", "https://example.org/x").replace("#top", "mailto:a@b")
    assert broken_links(site_of(tmp_path, home)) == []


HAS_BROWSER = shutil.which("chromium") and importlib.util.find_spec("websocket")
FAULTY = """<html><body style="width:700px"><div class="md-content"><img src="no.png" alt="x">
<span class="arithmatex">\\(x\\)</span><div style="width:700px">wide</div>
<article><p>A share $p$ <code>$1</code></p><p><code>$2</code></p></article>
<div class="arithmatex" style="width:90px;overflow-x:auto"><math>
<mtext>a_long_formula_without_a_break</mtext></math></div></div>
<script src="http://127.0.0.2:9/other.js"></script><script>console.error("told")</script></body>"""


@pytest.mark.skipif(not HAS_BROWSER, reason="needs chromium and websocket-client")
def test_a_browser_sees_every_kind_of_fault(tmp_path):
    from tools.check_site import check_pages

    head = (
        '<head><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    )
    pages = [page.replace("<body", f"{head}</head><body") for page in (FAULTY, OTHER)]
    site = site_of(tmp_path, *pages)
    wrong, count = check_pages(site, windows=(("phone", 390, 844, False),))
    assert count == 2
    assert all(what.startswith("phone, index.html: ") for what in wrong)
    said = "\n".join(wrong)
    for part in (
        "asks another host: http://127.0.0.2:9/other.js",
        "404: http://127.0.0.1",
        "console: ['told']",
        "picture is missing: no.png",
        "formula is not drawn: \\(x\\)",
        "formula is not drawn: A share $p$",
        "formula is wider than the page: ",
        "708 pixels wide in a window of 390: ['<div style=",
    ):
        assert part in said
    assert "formula is not drawn: $2" not in said  # it is code
