"""What stands in for downloads, large data sets and long training while pages are run.

Each function takes pytest's `monkeypatch` and the empty directory that a page is run in. What is
printed on the pages was made without them.
"""

import importlib.util
import shlex

import keras
import numpy as np
import pytest

from keras_patchmix import datasets, models
from tests.datasets.tarballs import noise, npy, png, write_tar_gz
from tests.library_models import hub_preset
from tests.page_blocks import DOCS, shell_lines

FEW = 140
fit = keras.Model.fit


def with_tensorflow(monkeypatch, folder):
    """Skips what other tests hold on other backends, where it is slow to compile."""
    pytest.importorskip("tensorflow")


def quick_training(monkeypatch, folder):
    """Models of two layers and one epoch."""
    with_tensorflow(monkeypatch, folder)
    monkeypatch.setattr(models, "create", _small_model)
    monkeypatch.setattr(keras.Model, "fit", _one_epoch)


def one_block(monkeypatch, folder):
    """A ViT of one block, and one epoch."""
    create = models.create
    monkeypatch.setattr(keras.Model, "fit", _one_epoch)
    monkeypatch.setattr(models, "create", lambda name, **kwargs: create(name, depth=1, **kwargs))


def few_images(monkeypatch, folder):
    """At most `FEW` images of "shapes"; quick training."""
    tf = pytest.importorskip("tensorflow")
    from keras_patchmix.datasets import shapes

    quick_training(monkeypatch, folder)
    load, generate = datasets.load, shapes.generate

    def few_generated(indices, *args, **kwargs):
        return generate(indices[:FEW], *args, **kwargs)

    def few_loaded(name, split="train", *args, **kwargs):
        if name != "shapes":
            return load(name, split, *args, **kwargs)
        return tf.data.Dataset.from_tensor_slices(generate(range(FEW), split, image_size=32))

    monkeypatch.setattr(datasets, "load", few_loaded)
    monkeypatch.setattr(shapes, "generate", few_generated)


def small_presets(monkeypatch, folder):
    """Presets of keras-hub, where it is installed, are one of a small ViT that knows "shapes"."""
    if importlib.util.find_spec("keras_hub") is None:
        return
    from keras_hub.models import ImageClassifier

    from_preset, preset = ImageClassifier.from_preset, hub_preset(folder / "preset")
    small = staticmethod(lambda name, **settings: from_preset(preset, **settings))
    monkeypatch.setattr(ImageClassifier, "from_preset", small)


def few_records(monkeypatch, folder, count=20):
    """TFDS keeps its data in the directory; its sets of "shapes" have `count` images a split."""
    tfds = pytest.importorskip("tensorflow_datasets")
    from keras_patchmix.datasets.shapes import Shapes

    tfds.disable_progress_bar()
    for name in ("load", "builder"):
        monkeypatch.setattr(tfds, name, _kept_in(folder / "tfds", getattr(tfds, name)))
    for config in Shapes.BUILDER_CONFIGS:
        for split in config.num_examples:
            monkeypatch.setitem(config.num_examples, split, count)


def rod_archives(monkeypatch, folder):
    """Archives of noise in the form of ROD, where TFDS looks for them and in "archives"."""
    few_records(monkeypatch, folder)
    from keras_patchmix.datasets.realistic_occlusion_dataset import builder

    monkeypatch.setattr(models, "create", _small_model)
    for place in (folder / "tfds" / "downloads" / "manual", folder / "archives"):
        for number, kind in enumerate(("banana", "vase")):
            member = f"rod_{number}/{kind}/red-1.png", png(noise(20, 30, number))
            path = write_tar_gz(place / f"rod_{number}.tar.gz", [member])
            monkeypatch.setitem(builder.SIZES, path.name, path.stat().st_size)


def smd_archives(monkeypatch, folder):
    """Archives of noise in the form of SMD: some where TFDS looks, all 40 in "archives"."""
    few_records(monkeypatch, folder)
    _write_smd(folder / "tfds" / "downloads" / "manual", (1, 5))
    _write_smd(folder / "archives", range(1, 41))
    load = datasets.load_for_scoring

    def without_imagenet(name, *args, **kwargs):
        if name != "imagenet2012":
            return load(name, *args, **kwargs)
        return [(np.stack([noise(224, 224, k) for k in range(2)]), np.arange(2))]

    monkeypatch.setattr(datasets, "load_for_scoring", without_imagenet)
    monkeypatch.setattr(models, "create", _small_model)


def small_presets_and_folders(monkeypatch, folder):
    """Small presets; "shapes" in photos/train and photos/validation, a folder for each class."""
    small_presets(monkeypatch, folder)
    for split in ("train", "validation"):
        images, labels = datasets.shapes.generate(range(96), split, 32)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / "photos" / split / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            keras.utils.save_img(path, image, scale=False)


def paper_archives(monkeypatch, folder):
    """Archives of noise in the forms of SMD and ROD."""
    smd_archives(monkeypatch, folder)
    rod_archives(monkeypatch, folder)


def made_data_set(monkeypatch, folder):
    """The data set that the first command of how_to/own_data.md makes."""
    few_records(monkeypatch, folder, count=64)
    from tests.command_line import subcommand

    text = (DOCS / "how_to" / "own_data.md").read_text("utf-8")
    command = next(line for line in shell_lines(text) if "keras-patchmix occlude" in line)
    assert subcommand("occlude")(shlex.split(command)[2:]) == 0


def _small_model(name, num_classes, input_shape, **kwargs):
    layers = [keras.layers.Conv2D(4, 8, strides=8), keras.layers.Flatten()]
    return keras.Sequential([keras.Input(input_shape), *layers, keras.layers.Dense(num_classes)])


def _one_epoch(model, *args, **kwargs):
    # Tracing costs TensorFlow more than these few steps.
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    return fit(model, *args, **{**kwargs, "epochs": 1})


def _kept_in(directory, function):
    def called(*args, data_dir=None, **kwargs):
        return function(*args, data_dir=data_dir or directory, **kwargs)

    return called


def _write_smd(folder, numbers):
    """Writes archives of one image each, and that of all masks."""
    masks = []
    for number in numbers:
        stem = f"smd_{number}/n01443537/{number}"
        image = f"{stem}_occluded.png", png(noise(6, 8, number))
        write_tar_gz(folder / f"smd_{number}.tar.gz", [image])
        masks.append((f"{stem}_mask.npy", npy(np.eye(6, 8))))
    write_tar_gz(folder / "SMD_masks.tar.gz", masks)
