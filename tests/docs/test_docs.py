"""The code of README.md and of the pages in docs/ runs as it is printed, block by block.

Each page starts in an empty directory, with what `STAND_INS` puts in place of downloads, large data
sets and long training.
"""

import re
import sys
import types

import keras
import pytest

from keras_patchmix import datasets
from tests import page_stand_ins
from tests.page_blocks import blocks_of, name_of, pages

TEXTS = {name_of(page): page.read_text("utf-8") for page in pages()}
BLOCKS = {name: blocks_of(text) for name, text in TEXTS.items()}
PYTHON = {
    name: [block for block in blocks if block.language == "python"]
    for name, blocks in BLOCKS.items()
}
STAND_INS = {
    "attention_labels.md": page_stand_ins.one_block,
    "data_sets.md": page_stand_ins.paper_archives,
    "devices.md": page_stand_ins.quick_training,
    "faq.md": page_stand_ins.few_images,
    "how_to/harden.md": page_stand_ins.small_presets_and_folders,
    "how_to/migrate.md": page_stand_ins.few_images,
    "how_to/own_data.md": page_stand_ins.made_data_set,
    "index.md": page_stand_ins.few_images,
    "models.md": page_stand_ins.with_tensorflow,
    "tutorials/score_a_saved_model.md": page_stand_ins.few_images,
    "tutorials/train_against_occlusion.md": page_stand_ins.few_images,
}
# A block that is not run is added here too, so that it is meant.
NOT_RUN = {("models.md", "reads a file of timm's weights, which has to be downloaded")}


def run(blocks, name, names):
    for block in blocks:
        if block.runs_here():
            code = "\n" * (block.line - 1) + block.code  # errors name the line of the page
            exec(compile(code, name, "exec"), names)


@pytest.fixture
def page_names():
    """The names of a page, in a module so that its classes and functions have one."""
    sys.modules["__page__"] = types.ModuleType("__page__")
    yield vars(sys.modules["__page__"])
    del sys.modules["__page__"]


@pytest.mark.parametrize("page", [name for name in PYTHON if PYTHON[name] and name != "README.md"])
def test_the_python_blocks_run(page, tmp_path, monkeypatch, page_names):
    monkeypatch.chdir(tmp_path)
    if page in STAND_INS:
        STAND_INS[page](monkeypatch, tmp_path)
    if not any(block.runs_here() for block in PYTHON[page]):
        pytest.skip("all of it needs what is not here")
    run(PYTHON[page], page, page_names)
    if "status" in page_names:  # of a command
        assert page_names["status"] == 0


def test_the_python_block_of_the_readme_runs(tmp_path, monkeypatch, page_names):
    monkeypatch.chdir(tmp_path)
    page_stand_ins.few_images(monkeypatch, tmp_path)
    images = datasets.load("shapes", "train").batch(32)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    one_hot = images.map(lambda x, y: (x, keras.ops.one_hot(y, 10)))
    page_stand_ins.fit(model, one_hot, epochs=8, verbose=0)
    # The reader's own; it is better than chance on images that it has seen.
    page_names.update(model=model, train=images, validation=images, test=images)
    run(PYTHON["README.md"], "README.md", page_names)
    assert page_names["report"].row("patch_drop_8x8_40").n == page_stand_ins.FEW
    assert [point.share for point in page_names["result"].line] == [0, 0.25, 0.5, 0.75, 1]


def test_blocks_that_are_not_run_say_why_and_are_known():
    blocks = [(name, block) for name in BLOCKS for block in BLOCKS[name]]
    marked = {(name, block.not_run) for name, block in blocks if block.not_run}
    assert marked == NOT_RUN


@pytest.mark.parametrize(
    "text",
    [
        "<!-- not run: -->\n```python\n1\n```\n",
        "<!-- not run: no reason holds\n```python\n1\n```\n",
        "<!-- needs: grain -->\n\n```python\n1\n```\n",
        "  ```python\n1\n```\n",
        "```python\n1\n",
    ],
)
def test_a_block_or_a_mark_that_would_not_be_read_is_an_error(text):
    with pytest.raises(ValueError, match="no block that is read"):
        blocks_of(text)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_pages_and_pictures_that_they_name_exist(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXTS[name_of(page)]):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_only_the_cells_of_notebooks_are_left_to_the_test_of_notebooks():
    other = {name for name in BLOCKS for block in BLOCKS[name] if block.language == "py"}
    assert all(name.startswith("notebooks/") for name in other)
