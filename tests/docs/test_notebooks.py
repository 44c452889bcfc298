"""The notebooks run from top to bottom, and the site shows what stands in them."""

import io

import numpy as np
import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("tensorflow")
pytest.importorskip("PIL")

import nbformat
from PIL import Image

from tools import notebook_pages
from tools.notebook_pages import NOTEBOOKS

NAMES = ("occlusion_study", "quick_start")
# A run of seconds: too short to learn anything.
FEW = {
    "occlusion_study": {
        "NUM_IMAGES": 200,
        "NUM_TEST_IMAGES": 60,
        "NUM_EXPLAINED": 2,
        "NUM_MASKS": 64,
        "EPOCHS": 1,
    },
    "quick_start": {"NUM_IMAGES": 200, "NUM_TEST_IMAGES": 60, "EPOCHS": 2},
}
# Run as a last cell, with the names of the notebook.
CHECKS = {
    "occlusion_study": """
first, second = (reports[name] for name in ("none", "patchmix"))
assert [row.n for row in first.rows] == [60] * 18
assert all(0 <= row.top1 <= 1 and row.n_nonfinite == 0 for row in first.rows + second.rows)
same = ("labels_sha256", "index_sha256", "bank_sha256", "seed")
assert [first.settings[key] for key in same] == [second.settings[key] for key in same]
assert all(row.paired for row in second.compare(first).rows)
begun = [make_model("one").get_weights(), make_model("other").get_weights()]
assert all(np.array_equal(*pair) for pair in zip(*begun, strict=True))
plain, mixed = (next(iter(data[name].take(1)))[1].numpy() for name in ("none", "patchmix"))
assert set(plain.ravel()) == {0, 1} and ((mixed > 0.0) & (mixed < 0.95)).any(1).all()
assert all(np.isfinite(values).all() and np.ptp(values) > 0 for values in maps.values())
assert all(len(found.values) == 2 and 0 < found.mean < 1 for found in selectivity.values())
""",
    "quick_start": """
assert [row.n for row in report.rows] == [60] * 18
assert all(0 <= row.top1 <= 1 and row.n_nonfinite == 0 for row in report.rows)
assert [line["epoch"] for line in watch.timeline] == [0, 1]
assert all(np.isfinite(values).all() for values in history.history.values())
images_and_labels = next(iter(train))
assert np.allclose(images_and_labels[1].numpy().sum(1), 1, atol=1e-5)
""",
}


@pytest.fixture(
    scope="module",
    params=[pytest.param("occlusion_study", marks=pytest.mark.slow), "quick_start"],
)
def run(request):
    """(name, the notebook after a short run, what a check in its last cell printed)."""
    name = request.param
    notebook = notebook_pages.with_parameters(notebook_pages.load(name), FEW[name])
    check = nbformat.v4.new_code_cell(f"import numpy as np\n{CHECKS[name]}", id="checks")
    notebook.cells.append(check)
    notebook = notebook_pages.execute(notebook, timeout=300)
    notebook.cells.pop()
    return name, notebook


def shown(name):
    return (NOTEBOOKS / f"{name}.md").read_text("utf-8")


@pytest.mark.slow
def test_it_runs_and_shows_outputs_of_the_kinds_that_its_page_shows(run):
    name, notebook = run
    text, figures = notebook_pages.page(name, notebook)
    kinds = notebook_pages.kinds_of_outputs(text)
    assert kinds.count("figure") == len(figures) >= 2
    if name in notebook_pages.PAGES:
        assert kinds == notebook_pages.kinds_of_outputs(shown(name))


def test_its_figures_are_pictures_and_its_numbers_are_numbers(run):
    name, notebook = run
    for content in notebook_pages.page(name, notebook)[1].values():
        assert np.asarray(Image.open(io.BytesIO(content)).convert("L")).std() > 5
    words = notebook_pages.printed(notebook).lower().split()
    assert not {"nan", "inf", "-inf", "none%"}.intersection(words)


def test_nothing_warns_of_what_the_package_does(run):
    errors = notebook_pages.printed(run[1], "stderr")
    assert "keras_patchmix" not in errors
    assert "Traceback" not in errors


def test_these_are_the_notebooks():
    assert tuple(notebook_pages.names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_no_outputs_and_nothing_of_a_machine(name):
    notebook = notebook_pages.load(name)
    nbformat.validate(notebook)
    text = nbformat.writes(notebook_pages.cleaned(notebook)) + "\n"
    assert (NOTEBOOKS / f"{name}.ipynb").read_text("utf-8") == text


@pytest.mark.parametrize("name", notebook_pages.PAGES)
def test_the_page_shows_the_cells_of_the_notebook(name):
    expected, figures = notebook_pages.page(name, notebook_pages.load(name))
    assert figures == {}
    assert notebook_pages.without_outputs(shown(name)) == expected, "run tools/notebook_pages.py"


@pytest.mark.parametrize("name", notebook_pages.PAGES)
def test_every_figure_beside_a_page_is_shown_on_it(name):
    text = shown(name)
    files = sorted(path.name for path in NOTEBOOKS.glob(f"{name}_*.png"))
    assert files == sorted(line[2].rstrip(")") for line in _pictures(text))


def _pictures(text):
    return [line.partition("](") for line in text.splitlines() if line.startswith("![")]


def test_a_parameter_that_the_notebook_does_not_have_is_refused():
    notebook = notebook_pages.load("quick_start")
    with pytest.raises(ValueError, match=r"`parameters` must be among .*EPOCHS.*: \['EPOCH'\]"):
        notebook_pages.with_parameters(notebook, {"EPOCH": 1})


def small_notebook(*outputs, **metadata):
    cells = [nbformat.v4.new_markdown_cell("# Title", id="title")]
    cells.append(nbformat.v4.new_markdown_cell("See [b](b.md).", id="text"))
    cells.append(nbformat.v4.new_code_cell("1 + 1", id="sum", metadata=metadata))
    cells[-1].outputs = list(outputs)
    return nbformat.v4.new_notebook(cells=cells)


def test_a_page_holds_text_code_and_what_came_out():
    printed = nbformat.v4.new_output("stream", name="stdout", text="a\n")
    warned = nbformat.v4.new_output("stream", name="stderr", text="not shown\n")
    result = nbformat.v4.new_output("execute_result", {"text/plain": "2"})
    text, figures = notebook_pages.page("a", small_notebook(printed, warned, result))
    assert figures == {}
    assert "# Title" in text.splitlines()
    assert "See [b](b.md)." in text
    assert "```py\n1 + 1\n```\n\n<!-- out -->\n\n```text\na\n```\n" in text
    assert "```text\n2\n```" in text
    assert "not shown" not in text
    bare = notebook_pages.page("a", small_notebook())[0]
    assert notebook_pages.without_outputs(text) == bare
    assert notebook_pages.kinds_of_outputs(text) == ["text", "text", "text"]


def test_a_figure_becomes_a_file_and_must_be_described():
    data = {"image/png": "iVBORw==", "text/plain": "<Figure>"}
    figure = nbformat.v4.new_output("display_data", data)
    text, figures = notebook_pages.page("a", small_notebook(figure, alt="A curve"))
    assert figures == {"a_1.png": b"\x89PNG"}
    assert "![A curve](a_1.png)" in text
    with pytest.raises(ValueError, match=r"must hold 'alt'\. Received: sum"):
        notebook_pages.page("a", small_notebook(figure))
