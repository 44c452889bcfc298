"""The pages of the API hold every public name, and nothing that is gone."""

import importlib
import inspect
import re

import pytest

pytest.importorskip("tensorflow_datasets")  # classes of builders are made with it

from tools import api_pages

ROOM = re.compile(r"^::: ([\w.]+)\n    options:\n      show_root_heading: false\n", re.M)
ENTRY = re.compile(r"^(?:::: |#{2,3} )([\w.]+)", re.M)


def sections():
    """Returns a dict from each room to what its page says below its docstring."""
    found = {}
    for name in api_pages.PAGES:
        _, *parts = ROOM.split((api_pages.API / f"{name}.md").read_text("utf-8"))
        assert not set(parts[::2]).intersection(found)
        found.update(zip(parts[::2], parts[1::2], strict=True))
    return found


@pytest.mark.parametrize("room", api_pages.ROOMS)
def test_a_page_holds_every_public_name_of_its_room(room):
    text = sections()[room]
    shown = [path.rpartition(".")[2] for path in ENTRY.findall(text) if path not in api_pages.ROOMS]
    linked = re.findall(rf"^- \[`{re.escape(room)}\.(\w+)`\]", text, re.M)
    assert sorted(shown + linked) == sorted(api_pages.public_names(room))


@pytest.mark.parametrize("room", api_pages.ROOMS)
def test_what_a_page_points_to_is_the_public_object(room):
    names = api_pages.public_names(room)
    for path in re.findall(r"^::: ([\w.]+)", sections()[room], re.M):
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name) is names[name]


def test_every_public_room_is_on_one_page():
    found, waiting = [], ["keras_patchmix"]
    while waiting:
        room = waiting.pop()
        found.append(room)
        names = api_pages.public_names(room).items()
        waiting += [f"{room}.{name}" for name, value in names if inspect.ismodule(value)]
    assert sorted(found) == sorted(api_pages.ROOMS)
    written = {path.stem for path in api_pages.API.glob("*.md")}
    assert written == set(api_pages.PAGES)


def test_a_link_names_the_page_and_the_place_of_a_room():
    assert api_pages.link("keras_patchmix.layers") == "layers.md"
    assert api_pages.link("keras_patchmix.mixing") == "layers.md#keras_patchmix.mixing"


def test_the_pages_are_those_that_the_script_writes():
    for name, text in api_pages.pages().items():
        assert (api_pages.API / name).read_text("utf-8") == text, "run tools/api_pages.py"
