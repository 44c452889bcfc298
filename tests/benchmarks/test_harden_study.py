"""The controls of the hardening study, and its network in the form that its weights come in."""

import importlib
from pathlib import Path

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("lite0"), importlib.import_module("harden_study")


def test_labels_follow_the_pixels_of_boxes_from_other_images_and_no_others(scripts):
    _, study = scripts
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 24, 24, 3), np.uint8)
    labels = np.eye(8, dtype=np.float32)
    mixed = study.Boxes(True, 0)({"images": images, "labels": labels})
    shares = np.stack([(mixed["images"][..., 0] == value).mean((1, 2)) for value in range(8)], 1)
    np.testing.assert_allclose(mixed["labels"], shares, atol=1e-6)
    assert 0 < (mixed["images"] != images).any((1, 2, 3)).sum() < 8
    erased = study.Boxes(False, 0)({"images": images, "labels": labels})
    np.testing.assert_array_equal(erased["labels"], labels)
    # The same boxes, of noise.
    changed = (mixed["images"] != images).any((1, 2, 3))
    np.testing.assert_array_equal((erased["images"] != images).any((1, 2, 3)), changed)


def test_half_of_many_images_are_mixed_by_half_of_their_pixels(scripts):
    _, study = scripts
    boxes = study.Boxes(True, 1)
    images = np.zeros((2, 32, 32, 3), np.uint8)
    images[1] = 1
    labels = np.eye(2, dtype=np.float32)
    weights = [boxes({"images": images, "labels": labels})["labels"][0, 1] for _ in range(2000)]
    assert abs(np.mean(np.array(weights) > 0) - 0.5) < 4 * 0.5 / 2000**0.5
    # A uniform share of every second image: a quarter, with a variance of 1/6 - 1/16.
    assert abs(np.mean(weights) - 0.25) < 4 * (1 / 6 - 1 / 16) ** 0.5 / 2000**0.5


@pytest.mark.needs("torch")
def test_weights_of_pytorch_become_the_same_convolutions(scripts, tmp_path):
    import torch

    lite0, _ = scripts
    rng = np.random.default_rng(0)
    state = {}
    for layer in lite0.build().layers:
        for weight, part in zip(layer.weights, ("weight", "bias", "mean", "var"), strict=False):
            shape = tuple(weight.shape)
            if isinstance(layer, keras.layers.DepthwiseConv2D):
                shape = (shape[2], shape[3], *shape[:2])
            elif len(shape) == 4:
                shape = (shape[3], shape[2], *shape[:2])
            elif len(shape) == 2:
                shape = shape[::-1]
            part = {"mean": "running_mean", "var": "running_var"}.get(part, part)
            value = rng.uniform(0.5, 1.5, shape).astype(np.float32)
            state[f"{lite0.published_name(layer)}.{part}"] = torch.from_numpy(value)
    torch.save(state, tmp_path / "weights.pth")
    model = lite0.published(tmp_path / "weights.pth")
    assert model.count_params() == 4_694_024  # 4.65 million and the statistics, as published
    images = rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
    for name, groups in (("blocks-0-depthwise_conv", 32), ("blocks-1-expand_conv", 1)):
        layer = model.get_layer(name)
        kernel = state[f"{lite0.published_name(layer)}.weight"]
        inputs = np.repeat(images, 11, axis=1)[:, : kernel.shape[1] * groups]
        expected = torch.nn.functional.conv2d(
            torch.from_numpy(inputs), kernel, padding=kernel.shape[-1] // 2, groups=groups
        )
        found = layer(inputs.transpose(0, 2, 3, 1))
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found), expected.numpy().transpose(0, 2, 3, 1), rtol=1e-4
        )


def test_some_outputs_are_those_of_the_whole_network(scripts, monkeypatch):
    lite0, _ = scripts
    monkeypatch.setattr(lite0, "_STAGES", lite0._STAGES[:2])  # building all takes long
    keras.utils.set_random_seed(0)
    model = lite0.build(20)
    cut = lite0.with_columns(model, (3, 17))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    whole = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(cut(images)), whole[:, [3, 17]], rtol=1e-5, atol=1e-6
    )
