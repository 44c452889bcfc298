"""Imports point down the list of rooms, and never in a circle."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From the top. A module may import from its own room and from those below it.
ROOMS = (
    "cli",
    "training",
    "callbacks",
    "explain",
    "occlusion",
    "report",
    "datasets",
    "corruptions",
    "occluders",
    "scoring",
    "devices",
    "models",
    "layers",
    "mixing",
    "base",
)
# A package's own file hands names on, and stands for no room.
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in (ROOT / "keras_patchmix").rglob("*.py")
    if path.name != "__init__.py"
}


def imports(path):
    """Yields the dotted names that a file imports, in functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else node.module
        elif isinstance(node, ast.Constant) and node.value in FILES:
            yield node.value


GRAPH = {
    name: {other for other in imports(path) if other.startswith("keras_patchmix")} - {name}
    for name, path in FILES.items()
}


def room(name):
    _, *parts = name.split(".")
    return parts[0] if parts and parts[0] in ROOMS else None


def test_every_file_is_in_a_room():
    assert {name for name in FILES if room(name) is None} <= {
        "keras_patchmix._version",
        "keras_patchmix.__main__",
    }


def test_no_room_imports_from_one_above_it():
    upward = sorted(
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if room(name) and room(other) and ROOMS.index(room(other)) < ROOMS.index(room(name))
    )
    assert not upward


def test_no_files_import_each_other_in_a_circle():
    waiting = {name: others & set(FILES) for name, others in GRAPH.items()}
    while True:
        free = {name for name, others in waiting.items() if not others}
        if not free:
            break
        waiting = {name: others - free for name, others in waiting.items() if name not in free}
    # What is left are circles and what stands on them.
    assert not waiting
