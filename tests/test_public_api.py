"""The public names and their signatures are those of tests/public_api.txt, so that none changes
unnoticed.
"""

import ast
import difflib
import importlib.util
import inspect
from pathlib import Path

import pytest

import keras_patchmix
from tests import public_api
from tools.api_pages import ROOMS, public_names

PACKAGE = Path(keras_patchmix.__file__).parent

NEEDS_TFDS = {
    "keras_patchmix.datasets",
    "keras_patchmix.datasets.superimposed_masked_dataset",
    "keras_patchmix.datasets.realistic_occlusion_dataset",
    "keras_patchmix.datasets.shapes",
}


def written(room):
    """Returns the lines of the file about a room, without those of the rooms in it."""
    lines = public_api.FILE.read_text("utf-8").splitlines()
    return [line for line in lines if room_of(line) == room]


def room_of(line):
    return max((room for room in ROOMS if line.startswith(f"{room}.")), key=len)


@pytest.mark.parametrize("room", ROOMS)
def test_the_public_names_of_a_room_are_as_written_down(room):
    if room in NEEDS_TFDS:
        pytest.importorskip("tensorflow_datasets")
    files = ("tests/public_api.txt", "the code")
    change = list(difflib.unified_diff(written(room), public_api.listing(room), *files, n=0))
    assert not change, (
        "a public name or signature has changed. If that is meant, write it down in CHANGELOG.md "
        "(docs/contributing.md says what is promised), then run python -m tests.public_api\n"
        + "\n".join(change)
    )


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_and_constructors_say_the_types_of_all_arguments(room):
    if room in NEEDS_TFDS:
        pytest.importorskip("tensorflow_datasets")
    for name, value in public_names(room).items():
        if inspect.ismodule(value) or not callable(value):
            continue
        function = vars(value).get("__init__") if inspect.isclass(value) else value
        if function is None or not function.__module__.startswith("keras_patchmix"):
            continue
        untyped = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.annotation is parameter.empty and parameter.name != "self"
        ]
        if inspect.isfunction(value) and "return" not in function.__annotations__:
            untyped.append("return")
        assert not untyped, (name, untyped)


PACKAGES = sorted(
    path for path in PACKAGE.rglob("__init__.py") if "attach(" in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_type_checkers_see_the_names_that_are_imported_on_first_use(path):
    tree = ast.parse(path.read_text("utf-8"))
    package = ".".join(path.parent.relative_to(PACKAGE.parent).parts)
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"
    )
    seen = {
        (one.name, node.module)
        for node in block.body
        for one in node.names
        if one.asname == one.name  # else it is private to type checkers
    }
    call = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.value.func, "id", None) == "attach"
    )
    names = vars(importlib.import_module(package))
    lazy = {one.arg: eval(ast.unparse(one.value), names) for one in call.keywords}
    listed = {
        *(
            (name, importlib.util.resolve_name(f".{module}", package))
            for name, module in lazy["names"].items()
        ),
        *((name, package) for name in lazy.get("submodules", ())),
    }
    assert seen == listed, f"under TYPE_CHECKING in {package} goes {sorted(listed - seen)}"
