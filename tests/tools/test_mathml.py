"""Formulas of the pages become MathML."""

import re
from pathlib import Path

import pytest

markdown = pytest.importorskip("markdown")
pytest.importorskip("pymdownx")
mathml = pytest.importorskip("tools.mathml")

DOCS = Path(__file__).parents[2] / "docs"


def html_of(text):
    extensions = ["pymdownx.arithmatex", "tools.mathml", "tables"]
    settings = {"pymdownx.arithmatex": {"generic": True}}
    return markdown.markdown(text, extensions=extensions, extension_configs=settings)


def test_a_fraction_in_the_text_becomes_an_inline_element():
    html = html_of(r"a $\frac{1}{N}$ b")
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mi>N</mi></mrow></mfrac>" in html
    assert 'display="inline"' in html
    assert r'alttext="\frac{1}{N}"' in html
    assert "\\(" not in html


def test_a_formula_on_its_own_line_is_a_block():
    html = html_of("text\n\n$$\nx_A < y\n$$\n\nmore")
    assert 'display="block"' in html
    assert "<msub><mi>x</mi><mi>A</mi></msub>" in html
    assert "<mo>&lt;</mo>" in html


def test_formulas_in_tables_are_translated_too():
    html = html_of("| a |\n|---|\n| $x$ |")
    assert "<td><span" in html
    assert "<mi>x</mi>" in html


def test_code_and_prices_are_no_formulas():
    html = html_of("`$x$` costs $5 and $6")
    assert "<math" not in html


def test_a_command_that_is_not_known_raises():
    with pytest.raises(ValueError, match=r"`latex` must hold known commands.*\\nonsense"):
        mathml.to_mathml(r"\nonsense x", "inline")


@pytest.mark.parametrize("page", sorted((DOCS / "concepts").glob("*.md")), ids=lambda p: p.stem)
def test_all_formulas_of_the_pages_on_concepts_are_known(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    marked = len(re.findall(r"\$\$.*?\$\$|\$[^$\n]+\$", text, re.S))
    assert html_of(text).count("<math") == marked > 0
