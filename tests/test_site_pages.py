"""The code of the tutorials, how-to pages, concepts and questions runs as it is printed.

Each page starts in an empty directory. Data sets are cut to a few images, models to two layers and
training to one epoch; what is printed on the pages was made without that.
"""

import re
import sys
import types
from pathlib import Path

import keras
import pytest

from keras_patchmix import datasets, models
from keras_patchmix.datasets import shapes
from tests.test_docs import BLOCK, is_here

tf = pytest.importorskip("tensorflow")
DOCS = Path(__file__).parents[1] / "docs"
PAGES = (
    "index.md",
    "faq.md",
    "concepts/measuring_occlusion.md",
    "concepts/patch_mixing.md",
    "concepts/patch_selectivity.md",
    "how_to/fine_tune.md",
    "how_to/migrate.md",
    "how_to/own_data.md",
    "tutorials/score_a_saved_model.md",
    "tutorials/train_against_occlusion.md",
)
ELSEWHERE = "attention_labels explain explain_models occlusion pipelines"  # tests/test_docs.py
FEW = 140
load, generate, fit = datasets.load, shapes.generate, keras.Model.fit


def few_generated(indices, *args, **kwargs):
    return generate(indices[:FEW], *args, **kwargs)


def few_loaded(name, split="train", *args, **kwargs):
    if name != "shapes":
        return load(name, split, *args, **kwargs)
    return tf.data.Dataset.from_tensor_slices(generate(range(FEW), split, image_size=32))


def small_model(name, num_classes, input_shape):
    layers = [keras.layers.Conv2D(4, 8, strides=8), keras.layers.Flatten()]
    return keras.Sequential([keras.Input(input_shape), *layers, keras.layers.Dense(num_classes)])


def one_epoch(model, *args, **kwargs):
    return fit(model, *args, **{**kwargs, "epochs": 1})


@pytest.fixture
def quick(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load", few_loaded)
    monkeypatch.setattr(shapes, "generate", few_generated)
    monkeypatch.setattr(models, "create", small_model)
    monkeypatch.setattr(keras.Model, "fit", one_epoch)


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page, quick):
    text = (DOCS / page).read_text("utf-8")
    blocks = [match.groupdict() for match in BLOCK.finditer(text)]
    assert len(blocks) == text.count("```python") > 0
    module = types.ModuleType("__page__")  # so that its classes and functions have a module
    sys.modules["__page__"] = module
    for block in blocks:
        if block["needs"] is None or is_here(block["needs"]):
            exec(compile(block["code"], page, "exec"), vars(module))
    if "status" in vars(module):
        assert module.status == 0


def test_every_page_with_python_is_run():
    elsewhere = {f"{name}.md" for name in ELSEWHERE.split()}
    with_code = {
        page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        if "```python" in page.read_text("utf-8")
    }
    assert with_code - elsewhere - set(PAGES) == NOT_RUN


# They are excerpts with names of the reader's own, or need downloads or devices.
NOT_RUN = {
    "data_sets/rod.md",
    "data_sets/shapes.md",
    "data_sets/smd.md",
    "data_sets/your_own.md",
    "distributed.md",
    "models.md",
    "on_device.md",
}


def test_commands_name_scripts_that_exist():
    for page in DOCS.rglob("*.md"):
        for script in re.findall(r"python (\w+/\w+\.py)", page.read_text("utf-8")):
            assert (DOCS.parent / script).exists(), f"{page.name}: {script}"
