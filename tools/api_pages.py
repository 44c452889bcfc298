"""Writes docs/api: one page a room, with every public name of it.

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
ROOMS = (
    "keras_patchmix",
    "keras_patchmix.layers",
    "keras_patchmix.mixing",
    "keras_patchmix.occlusion",
    "keras_patchmix.callbacks",
    "keras_patchmix.explain",
    "keras_patchmix.models",
    "keras_patchmix.datasets",
    "keras_patchmix.datasets.shapes",
    "keras_patchmix.datasets.superimposing",
    "keras_patchmix.datasets.superimposed_masked_dataset",
    "keras_patchmix.datasets.realistic_occlusion_dataset",
    "keras_patchmix.occluders",
    "keras_patchmix.training",
)
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


def page(room):
    """Returns the text of a room's page."""
    names = public_names(room)
    rooms = sorted(name for name, value in names.items() if inspect.ismodule(value))
    others = sorted(set(names) - set(rooms), key=lambda name: (name.lower(), name))
    lines = [
        "<!-- Written by tools/api_pages.py: change the docstrings instead. -->",
        "",
        f"# {room}",
        "",
        f"::: {room}",
        "    options:",
        "      show_root_heading: false",
        "      show_root_toc_entry: false",
        "      members: false",
        "",
    ]
    if rooms:
        links = (f"- [`{room}.{name}`]({file_name(f'{room}.{name}')})" for name in rooms)
        lines += ["Rooms:", "", *links, ""]
    for name in others:
        lines += [*_entry(room, name, names[name]), ""]
    return "\n".join(lines)


def file_name(room):
    """Returns the name of the page of a room; that of the package is the index."""
    inner = room.removeprefix("keras_patchmix").removeprefix(".")
    return f"{inner.replace('.', '_') or 'index'}.md"


def _entry(room, name, value):
    # A class or a function knows its module; a constant does not, and has no docstring.
    if hasattr(value, "__module__"):
        return [f"::: {value.__module__}.{name}"]
    items = ", ".join(f"`{item!r}`" for item in value)
    return [f"## {name} {{ #{room}.{name} }}", "", f"A {type(value).__name__} of {items}."]


def pages():
    """Returns a dict from the file name of each page to its text."""
    return {file_name(room): page(room) for room in ROOMS}


def main():
    """Writes the pages."""
    API.mkdir(exist_ok=True)
    for name, text in pages().items():
        (API / name).write_text(text, encoding="utf-8")
        print(API / name)


if __name__ == "__main__":
    main()
