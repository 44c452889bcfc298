"""Runs the notebooks that have a page on the site, and writes these pages.

    python -m tools.notebook_pages
    python -m tools.notebook_pages occlusion_study

A notebook is kept without outputs. Beside `name.ipynb` this writes `name.md`, with its text, its
code, and what came out, and a file `name_1.png` for each figure. So the site needs neither
TensorFlow nor a plugin to be built, and loads nothing of Jupyter's. A code cell that shows a figure
says in its metadata, under "alt", what is to be seen.
"""

import argparse
import ast
import base64
import copy
import importlib.metadata
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
PAGES = ("occlusion_study",)  # the tutorials have what quick_start would show
_KEPT = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_RUN = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
_SHOWN_VERSIONS = ("tensorflow", "keras")
_START, _END = "<!-- out -->", "<!-- /out -->"


def names():
    """Returns the names of all notebooks, without their ending."""
    return sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def load(name):
    """Returns a notebook as an `nbformat.NotebookNode`, as it stands in its file."""
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def cleaned(notebook):
    """Returns a copy without outputs, counts of execution, and metadata of the machine."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(_KEPT)
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("alt", "tags") if key in cell.metadata}
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return notebook


def with_parameters(notebook, parameters):
    """Returns a copy in which a cell after the one tagged "parameters" sets other values.

    Args:
        notebook: An `nbformat.NotebookNode`.
        parameters: Dict from names that the tagged cell assigns to other values.

    Raises:
        ValueError: That cell assigns no such name.
    """
    notebook = copy.deepcopy(notebook)
    place = next(
        i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ())
    )
    tree = ast.parse(notebook.cells[place].source)
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if not known.issuperset(parameters):
        raise ValueError(
            f"`parameters` must be among {sorted(known)}. Received: {sorted(parameters)}"
        )
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id="other-parameters"))
    return notebook


def execute(notebook, timeout=900):
    """Returns a copy with outputs, run in a Python of its own and an empty directory.

    Args:
        notebook: An `nbformat.NotebookNode`.
        timeout: Seconds that a cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell has raised.
    """
    notebook = copy.deepcopy(notebook)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            coalesce_streams=True,  # prints come in as many pieces as chance has it
            kernel_name="python3",
            resources={"metadata": {"path": directory}},
        )
        client.execute(env={**os.environ, **_RUN})
    return notebook


def printed(notebook, stream="stdout"):
    """Returns all that the cells have printed to a stream."""
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == stream
    )


def page(name, notebook):
    """Returns the page of a notebook, and its figures.

    Args:
        name: Name of the notebook, without its ending.
        notebook: The notebook, executed or not. What was printed to stderr is left out.

    Returns:
        The page as Markdown, and a dict from a figure's file name to PNG bytes.

    Raises:
        ValueError: A figure has no description in the metadata of its cell.
    """
    title, *rest = notebook.cells
    parts = [
        f"<!-- Written by tools/notebook_pages.py: change {name}.ipynb instead. -->",
        title.source,
        f"This page is the notebook [{name}.ipynb]({name}.ipynb), to download and run.",
    ]
    figures = {}
    for cell in rest:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        # Not "python": tests run the blocks of that name one by one, and notebooks as a whole.
        parts.append(f"```py\n{cell.source}\n```")
        for output in cell.outputs:
            shown = _shown(output)
            if isinstance(shown, bytes):
                if "alt" not in cell.metadata:
                    raise ValueError(
                        f"`metadata` of a cell with a figure must hold 'alt'. Received: {cell.id}"
                    )
                file = f"{name}_{len(figures) + 1}.png"
                figures[file] = shown
                shown = f"![{cell.metadata['alt']}]({file})"
            if shown:
                parts.append(f"{_START}\n\n{shown}\n\n{_END}")
    if any(cell.get("outputs") for cell in rest):
        parts.append(f"{_START}\n\n*Run with {_versions()} on a CPU.*\n\n{_END}")
    return "\n\n".join(parts) + "\n", figures


def without_outputs(text):
    """Returns the text of a page as `page` makes it of a notebook that was not executed."""
    return re.sub(rf"\n{_START}\n.*?\n{_END}\n", "", text, flags=re.S)


def kinds_of_outputs(text):
    """Returns "figure" or "text" for each output that a page shows."""
    found = re.findall(rf"{_START}\n\n(.*?)\n\n{_END}", text, flags=re.S)
    return ["figure" if shown.startswith("![") else "text" for shown in found]


def _shown(output):
    """Returns an output as PNG bytes or as Markdown; None where the page leaves it out."""
    if output.output_type == "stream":
        text = output.text if output.name == "stdout" else ""
    else:
        if "image/png" in output.data:
            return base64.b64decode(output.data["image/png"])
        text = output.data["text/plain"]
    return f"```text\n{text.rstrip()}\n```" if text.strip() else None


def _versions():
    found = (f"{package} {importlib.metadata.version(package)}" for package in _SHOWN_VERSIONS)
    return f"Python {sys.version_info[0]}.{sys.version_info[1]}, {', '.join(found)}"


def write(name):
    """Executes a notebook, and writes its page, its figures, and itself without outputs."""
    notebook = cleaned(load(name))
    executed = execute(notebook)
    text, figures = page(name, executed)
    nbformat.write(notebook, NOTEBOOKS / f"{name}.ipynb")
    for old in NOTEBOOKS.glob(f"{name}_*.png"):
        old.unlink()
    for file, content in figures.items():
        (NOTEBOOKS / file).write_bytes(content)
    (NOTEBOOKS / f"{name}.md").write_text(text, encoding="utf-8")
    sys.stderr.write(printed(executed, "stderr"))


def main(argv=None):
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PAGES)}; all when none is named")
    for name in parser.parse_args(argv).names or PAGES:
        write(name)
        print(NOTEBOOKS / f"{name}.md")


if __name__ == "__main__":
    main()
