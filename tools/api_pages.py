"""Writes docs/api: every public name of every room, rooms that belong together on one page.

    python tools/api_pages.py

Public names are imported on first use, so that they stand in no module as such; this script asks
the packages for them and writes down where each is defined.
"""

import importlib
import inspect
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

API = Path(__file__).parents[1] / "docs" / "api"
# From the name of a page to the rooms on it. The first one gives the page its title.
PAGES = {
    "index": ("keras_patchmix",),
    "layers": ("keras_patchmix.layers", "keras_patchmix.mixing"),
    "occlusion": ("keras_patchmix.occlusion", "keras_patchmix.occluders"),
    "explain": ("keras_patchmix.explain",),
    "models": ("keras_patchmix.models",),
    "datasets": (
        "keras_patchmix.datasets",
        "keras_patchmix.datasets.shapes",
        "keras_patchmix.datasets.superimposing",
        "keras_patchmix.datasets.superimposed_masked_dataset",
        "keras_patchmix.datasets.realistic_occlusion_dataset",
    ),
    "training": ("keras_patchmix.training", "keras_patchmix.callbacks"),
}
ROOMS = [room for rooms in PAGES.values() for room in rooms]
NOTHING_TO_SHOW = {"__version__"}


def public_names(room):
    """Returns a dict from each public name of a room to the value.

    Args:
        room: Dotted name of a package or module. Without an `__all__`, public is what it defines
            itself and does not begin with an underscore.
    """
    module = importlib.import_module(room)
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == room
    ]
    return {name: getattr(module, name) for name in names if name not in NOTHING_TO_SHOW}


def page(rooms):
    """Returns the text of a page.

    Args:
        rooms: Dotted names of the rooms on it, in order.
    """
    lines = ["<!-- Written by tools/api_pages.py: change the docstrings instead. -->", ""]
    for room in rooms:
        lines += _section(room, level=1 if room == rooms[0] else 2)
    return "\n".join(lines)


def link(room):
    """Returns the link to a room from another page of the API."""
    name, rooms = next((name, rooms) for name, rooms in PAGES.items() if room in rooms)
    return f"{name}.md" if room == rooms[0] else f"{name}.md#{room}"


def _section(room, level):
    names = public_names(room)
    rooms = sorted(name for name, value in names.items() if inspect.ismodule(value))
    others = sorted(set(names) - set(rooms), key=lambda name: (name.lower(), name))
    anchor = f" {{ #{room} }}" if level > 1 else ""
    lines = [
        f"{'#' * level} {room}{anchor}",
        "",
        f"::: {room}",
        "    options:",
        "      show_root_heading: false",
        "      show_root_toc_entry: false",
        "      members: false",
        "",
    ]
    if rooms:
        links = (f"- [`{room}.{name}`]({link(f'{room}.{name}')})" for name in rooms)
        lines += ["Modules:", "", *links, ""]
    for name in others:
        lines += [*_entry(room, name, names[name], level + 1), ""]
    return lines


def _entry(room, name, value, level):
    # A class or a function knows its module; a constant does not, and has no docstring.
    if hasattr(value, "__module__"):
        options = ["    options:", f"      heading_level: {level}"] if level > 2 else []
        return [f"::: {value.__module__}.{name}", *options]
    items = ", ".join(f"`{item!r}`" for item in value)
    heading = f"{'#' * level} {name} {{ #{room}.{name} }}"
    return [heading, "", f"A {type(value).__name__} of {items}."]


def pages():
    """Returns a dict from the file name of each page to its text."""
    return {f"{name}.md": page(rooms) for name, rooms in PAGES.items()}


def main():
    """Writes the pages."""
    API.mkdir(exist_ok=True)
    for name, text in pages().items():
        (API / name).write_text(text, encoding="utf-8")
        print(API / name)


if __name__ == "__main__":
    main()
