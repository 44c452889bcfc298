"""The pages of the API hold every public name, and nothing that is gone."""

import importlib
import inspect
import re

import pytest

pytest.importorskip("tensorflow_datasets")  # classes of builders are made with it

from tools import api_pages

ENTRY = re.compile(r"^(?:::: |## )([\w.]+)", re.M)


@pytest.mark.parametrize("room", api_pages.ROOMS)
def test_a_page_holds_every_public_name_of_its_room(room):
    text = (api_pages.API / api_pages.file_name(room)).read_text("utf-8")
    shown = [path.rpartition(".")[2] for path in ENTRY.findall(text) if path != room]
    linked = re.findall(rf"^- \[`{re.escape(room)}\.(\w+)`\]", text, re.M)
    assert sorted(shown + linked) == sorted(api_pages.public_names(room))


@pytest.mark.parametrize("room", api_pages.ROOMS)
def test_what_a_page_points_to_is_the_public_object(room):
    names = api_pages.public_names(room)
    text = (api_pages.API / api_pages.file_name(room)).read_text("utf-8")
    for path in re.findall(r"^::: ([\w.]+)", text, re.M):
        if path != room:
            module, _, name = path.rpartition(".")
            assert getattr(importlib.import_module(module), name) is names[name]


def test_every_public_room_has_a_page():
    found, waiting = set(), ["keras_patchmix"]
    while waiting:
        room = waiting.pop()
        found.add(room)
        names = api_pages.public_names(room).items()
        waiting += [f"{room}.{name}" for name, value in names if inspect.ismodule(value)]
    assert found == set(api_pages.ROOMS)
    written = {path.name for path in api_pages.API.glob("*.md")}
    assert written == {api_pages.file_name(room) for room in found}


def test_the_pages_are_those_that_the_script_writes():
    for name, text in api_pages.pages().items():
        assert (api_pages.API / name).read_text("utf-8") == text, "run tools/api_pages.py"
