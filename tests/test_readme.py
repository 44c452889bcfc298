"""The code in README.md runs as it is printed, on fewer images."""

import re
from pathlib import Path

import numpy as np
import pytest

from keras_patchmix import datasets
from keras_patchmix.datasets import shapes

tf = pytest.importorskip("tensorflow")
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def few_shapes(name, split):
    assert name == "shapes"
    images, labels = shapes.generate(range(260), split, image_size=32)
    return tf.data.Dataset.from_tensor_slices((images, labels))


def test_the_python_blocks_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(datasets, "load", few_shapes)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert len(blocks) == 2
    names = {}
    exec(blocks[0], names)
    assert "patch_replacement" in capsys.readouterr().out
    assert (tmp_path / "run" / "occlusion.jsonl").read_text().count("\n") == 2
    names["train_batches"] = few_shapes("shapes", "train").batch(64)
    exec(blocks[1], names)
    images, labels = next(iter(names["train"]))
    assert images.shape == (64, 32, 32, 3)
    np.testing.assert_allclose(labels.numpy().sum(1), 1, atol=1e-5)


def test_pictures_and_pages_that_it_names_exist():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (root / target).exists(), target
