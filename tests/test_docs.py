"""The code in the pages of docs/ runs as it is printed."""

import importlib.util
import re
from pathlib import Path

import keras
import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("attention_labels.md", "explain.md", "explain_models.md", "occlusion.md", "pipelines.md")
BLOCK = re.compile(r"(?:<!-- needs: (?P<needs>[\w ]+) -->\n)?```python\n(?P<code>.*?)```", re.S)


def is_here(needs):
    """Whether a package is installed or, for "x backend", x is the Keras backend."""
    name, _, backend = needs.partition(" ")
    if backend:
        return keras.backend.backend() == name
    return importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("page", PAGES)
def test_the_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [match.groupdict() for match in BLOCK.finditer((DOCS / page).read_text("utf-8"))]
    assert len(blocks) == (DOCS / page).read_text("utf-8").count("```python")
    names, run = {}, 0
    for block in blocks:
        if block["needs"] is None or is_here(block["needs"]):
            exec(compile(block["code"], page, "exec"), names)
            run += 1
    assert run >= 1


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_pages_and_pictures_that_they_name_exist(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
