"""The same outputs as the references, given the same random weights: at most 1e-4 apart.

What is compared is logits for `create` and features for the backbones. References are built with
one or two blocks a stage: more of the same would test nothing else, and a test must be quick.
"""

import keras
import numpy as np
import pytest

from keras_patchmix import models
from keras_patchmix.models.architectures.convnext import from_keras_applications
from keras_patchmix.models.architectures.vit import from_keras_cv
from keras_patchmix.models.weights import assign, own_weights
from tests.arrays import to_numpy
from tests.models.small import outputs_of, pictures, shake, small

ATOL = 1e-4
SHAPE = (64, 64, 3)


def close(ours, theirs):
    assert np.abs(theirs - theirs[:1]).max() > 0.01, "outputs that depend on the image"
    np.testing.assert_allclose(ours, theirs, atol=ATOL)


def test_convnext_with_the_weights_of_keras_applications_gives_its_logits():
    reference = keras.applications.ConvNeXtTiny(
        weights=None, input_shape=SHAPE, classes=7, classifier_activation=None
    )
    shake(reference, deviation=0.05)
    model = models.create("convnext_tiny", 7, SHAPE)
    assign(model, from_keras_applications(reference), "the reference")
    close(outputs_of(model, pictures(2, SHAPE)), outputs_of(reference, pictures(2, SHAPE)))


@pytest.mark.needs("keras_cv")
def test_the_convnext_backbone_gives_the_features_of_keras_applications():
    reference = keras.applications.ConvNeXtTiny(
        weights=None, input_shape=SHAPE, include_top=False, name="convnext_tiny"
    )
    shake(reference, deviation=0.05)
    backbone = models.ConvNeXtBackbone(**models.preset("convnext_tiny"), input_shape=SHAPE)
    assign(backbone, from_keras_applications(reference), "the reference")
    close(outputs_of(backbone, pictures(2, SHAPE)), outputs_of(reference, pictures(2, SHAPE)))


VIT = {"patch_size": 16, "dim": 24, "depth": 2, "num_heads": 3}


def keras_cv_vit(include_top):
    # It has no public name; nothing but this test needs it.
    from keras_cv.src.models.legacy.vit import ViT

    reference = ViT(
        include_rescaling=True,
        include_top=include_top,
        num_classes=7 if include_top else None,
        input_shape=SHAPE,
        patch_size=VIT["patch_size"],
        transformer_layer_num=VIT["depth"],
        num_heads=VIT["num_heads"],
        project_dim=VIT["dim"],
        mlp_dim=4 * VIT["dim"],
        mlp_dropout=0.0,
        attention_dropout=0.0,
        activation=keras.activations.gelu,
        classifier_activation=None,
    )
    shake(reference)
    return reference


def keras_cv_layers(reference):
    layers = [[to_numpy(w.value) for w in layer.weights] for layer in reference.layers]
    return [arrays for arrays in layers if arrays]


@pytest.mark.needs("keras_cv")
def test_vit_with_the_weights_of_keras_cv_gives_its_logits():
    reference = keras_cv_vit(include_top=True)
    model = models.create("vit_tiny16", 7, SHAPE, **VIT)
    assign(model, from_keras_cv(keras_cv_layers(reference)), "the reference")
    close(outputs_of(model, pictures(2, SHAPE)), outputs_of(reference, pictures(2, SHAPE)))


@pytest.mark.needs("keras_cv")
def test_the_vit_backbone_gives_the_features_of_keras_cv():
    reference = keras_cv_vit(include_top=False)
    backbone = models.ViTBackbone(**VIT, input_shape=SHAPE)
    assign(backbone, from_keras_cv(keras_cv_layers(reference)), "the reference")
    theirs = outputs_of(reference, pictures(2, SHAPE))[:, 1:].reshape(2, 4, 4, VIT["dim"])
    close(outputs_of(backbone, pictures(2, SHAPE)), theirs)


@pytest.mark.needs("keras_cv")
def test_a_file_as_keras_cv_publishes_it_loads(tmp_path):
    reference = keras_cv_vit(include_top=True)
    reference.save(tmp_path / "published.h5")
    model = models.create("vit_tiny16", 7, SHAPE, weights=tmp_path / "published.h5", **VIT)
    close(outputs_of(model, pictures(2, SHAPE)), outputs_of(reference, pictures(2, SHAPE)))


TIMM = {
    "convnext_tiny": (
        {"depths": (1, 2, 1, 1), "dims": (8, 16, 24, 32)},
        {"depths": (1, 2, 1, 1), "dims": (8, 16, 24, 32)},
    ),
    "convnext_atto": (
        {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
        {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
    ),
    "vit_tiny_patch16_224": (
        {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 64},
        {**VIT, "approximate_gelu": False},
    ),
    "deit3_small_patch16_224": (
        {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 64},
        {**VIT, "approximate_gelu": False, "layer_scale": 1e-6},
    ),
    "convmixer_768_32": (
        {"dim": 16, "depth": 2, "kernel_size": 7, "patch_size": 7},
        {"dim": 16, "depth": 2},
    ),
    "convmixer_1536_20": (
        {"dim": 16, "depth": 2, "kernel_size": 9, "patch_size": 7},
        {"dim": 16, "depth": 2},
    ),
}
OURS = {"vit_tiny_patch16_224": "vit_tiny16", "deit3_small_patch16_224": "vit_small16"}


def timm_model(name, **arguments):
    """A model of timm with random weights, its weights, and what it makes of pixels."""
    import timm
    import torch

    if name == "deit3_small_patch16_224":
        # There positions are added before the class token comes; ours are ViT's.
        arguments["no_embed_class"] = False
    if name.startswith("convmixer"):  # timm's functions take no sizes
        activation = torch.nn.ReLU if name == "convmixer_768_32" else torch.nn.GELU
        reference = timm.models.ConvMixer(num_classes=7, act_layer=activation, **arguments).eval()
    else:
        reference = timm.create_model(name, num_classes=7, **arguments).eval()
    statistics = timm.get_pretrained_cfg(name)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, value in reference.state_dict().items():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=generator) * 0.1
                value.copy_((value + noise).abs() if key.endswith("var") else value + noise)

    def outputs(images):
        mean, std = np.array(statistics.mean) * 255, np.array(statistics.std) * 255
        pixels = ((images - mean) / std).astype("float32").transpose(0, 3, 1, 2)
        with torch.no_grad():
            return reference(torch.from_numpy(np.ascontiguousarray(pixels))).numpy()

    return {key: value.numpy() for key, value in reference.state_dict().items()}, outputs


@pytest.mark.needs("timm", "torch")
@pytest.mark.parametrize("name", sorted(set(TIMM) - {"deit3_small_patch16_224"}))
def test_the_weights_of_timm_give_its_logits(name):
    theirs, ours = TIMM[name]
    state_dict, outputs = timm_model(name, **theirs)
    model = models.create(OURS.get(name, name), 7, SHAPE, **ours)
    models.load_timm(model, state_dict)
    close(outputs_of(model, pictures(2, SHAPE)), outputs(pictures(2, SHAPE)))


@pytest.mark.needs("timm", "torch")
def test_the_layer_scale_of_timm_comes_along():
    theirs, ours = TIMM["deit3_small_patch16_224"]
    state_dict, outputs = timm_model("deit3_small_patch16_224", **theirs)
    model = models.create("vit_small16", 7, SHAPE, **ours)
    models.load_timm(model, state_dict)
    # DeiT III normalizes by ImageNet's statistics: the same pixels for ours.
    images = pictures(2, SHAPE)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    as_ours = ((images / 255 - mean) / std + 1) * 127.5
    close(outputs_of(model, as_ours.astype("float32")), outputs(images))


@pytest.mark.needs("timm", "torch")
def test_the_positions_of_timm_are_resampled_to_another_image_size():
    import timm
    import torch

    state_dict, _ = timm_model("vit_tiny_patch16_224", **TIMM["vit_tiny_patch16_224"][0])
    model = models.create("vit_tiny16", 7, (96, 112, 3), **VIT)
    models.load_timm(model, state_dict)
    theirs = timm.layers.resample_abs_pos_embed(
        torch.from_numpy(state_dict["pos_embed"]), [6, 7], [4, 4]
    ).numpy()
    ours = own_weights(model.get_layer("tokens"))["positions"].reshape(42, VIT["dim"])
    np.testing.assert_allclose(ours, theirs[0, 1:], atol=1e-5)


def test_names_of_no_family_of_timm_are_refused():
    model = small("convmixer_mini")
    with pytest.raises(ValueError, match=r"`state_dict` must hold .*such as \['fc.weight'\]"):
        models.load_timm(model, {"fc.weight": np.zeros((2, 2))})
