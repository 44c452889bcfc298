"""What the layer refuses or warns of on the Keras backend, and what it allows beside it."""

import keras
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import to_numpy
from tests.layers.cases import (
    BATCH,
    IDS,
    images,
    layer,
)

ERRORS = {
    "images alone": (
        lambda: layer()(images(), training=True),
        r"needs `labels`.*`dataset.map\(layer\)`.*mix_on_device.*training=False",
    ),
    "unbatched": (lambda: layer()(images()[0], IDS), r"rank 4.*\(28, 28, 3\): put `.batch"),
    "gray images": (
        lambda: layer()(images()[..., 0], IDS),
        r"\(8, 28, 28\).*axis of channels, `images\[..., None\]`",
    ),
    "gray images, channels first": (
        lambda: layer(data_format="channels_first")(images()[..., 0], IDS),
        r"axis of channels, `images\[:, None\]`",
    ),
    "a list of images": (
        lambda: layer()([*images()], IDS),
        "`data` must be images.*`numpy.stack`.*list of 8 and further arguments",
    ),
    "a list of images alone": (lambda: layer()([*images()]), "`numpy.stack`.*list of 8"),
    "no num_classes": (
        lambda: kpm.PatchMixing(probability=1.0)(images(), IDS),
        "give `num_classes`",
    ),
    "unbatched label": (lambda: layer()(images(), np.int64(3)), "`labels` must be batched"),
    "dense labels": (
        lambda: layer()(images(), np.ones((BATCH, 28, 28))),
        "`labels` must be.*'segmentation_masks'",
    ),
    "wrong classes": (
        lambda: layer()(images(), np.eye(BATCH + 1)[:BATCH]),
        r"`num_classes`=8 columns.*\(8, 9\)",
    ),
    "fewer labels": (lambda: layer()(images(), IDS[:3]), r"8 images and labels.shape=\(3,\)"),
    "weights of rank 2": (
        lambda: layer()(images(), IDS, np.ones((BATCH, 2))),
        r"`sample_weight` must.*\(8, 2\)",
    ),
    "negative weights": (
        lambda: layer()(images(), IDS, np.linspace(-1, 1, BATCH)),
        "`sample_weight` must be finite and >= 0",
    ),
    "infinite weights": (
        lambda: layer()(images(), IDS, np.full((BATCH, 1), np.inf), training=False),
        "`sample_weight` must be finite and >= 0",
    ),
    "weights of nan": (
        lambda: layer()(images(), IDS, np.full(BATCH, np.nan)),
        "`sample_weight` must be finite and >= 0",
    ),
    "a plan for more images": (
        lambda: layer().apply_plan(layer().sample_plan(images()), images()[:4], IDS[:4]),
        r"`plan` must be.*plan.mask.shape=\(8, 7, 7\), not \(4, 7, 7\)",
    ),
    "a plan for another grid": (
        lambda: layer().apply_plan(layer(grid_size=4).sample_plan(images()), images(), IDS),
        r"`plan` must be.*\(8, 4, 4\), not \(8, 7, 7\)",
    ),
    "weights without labels": (
        lambda: layer()(images(), None, np.ones(BATCH)),
        "`sample_weight` needs `labels`",
    ),
    "boxes": (
        lambda: layer()({"images": images(), "labels": IDS, "bounding_boxes": np.ones((BATCH, 4))}),
        "'bounding_boxes'.*Remove the key",
    ),
    "other keys": (
        lambda: layer()({"photo": images(), "label": IDS}),
        r"must hold 'images' or 'image'\. Received: keys=\['label', 'photo'\]",
    ),
    "a dict and labels": (lambda: layer()({"images": images()}, IDS), "belong into the dict"),
    "four parts": (lambda: layer()((images(), IDS, IDS, IDS)), "a tuple or list of 4"),
    "labels of text": (lambda: layer()(images(), np.array(["a"] * BATCH)), "`labels` must be"),
    "images of text": (lambda: layer()(np.full((2, 4, 4, 1), "a"), IDS[:2]), "`images` must be"),
    "masks of another size": (
        lambda: layer()(
            {"images": images(), "segmentation_masks": np.ones((BATCH, 14, 14), "int32")}
        ),
        r"'segmentation_masks' must.*\(8, 14, 14\)",
    ),
    "fine grid": (lambda: layer(grid_size=29)(images(), IDS), "`grid_size` must not be finer"),
    "large patches": (
        lambda: layer(patch_size=(28, 29))(images(), IDS),
        r"`patch_size` must not be larger .*patch_size=\(28, 29\) and images of 28 x 28 pixels",
    ),
    "channels first": (
        lambda: layer()(np.moveaxis(images(), -1, 1), IDS),
        "3 x 28 pixels.*give data_format='channels_first' if 3 is",
    ),
    "channels first in patches": (
        lambda: layer(patch_size=7)(np.moveaxis(images(), -1, 1), IDS),
        "`patch_size`.*3 x 28 pixels.*give data_format='channels_first'",
    ),
    "channels last": (
        lambda: layer(data_format="channels_first")(images(), IDS),
        "28 x 3 pixels.*give data_format='channels_last' if 3 is",
    ),
    "num_classes": (lambda: layer(num_classes=1), "`num_classes` must"),
    "smoothing": (lambda: layer(label_smoothing=1.5), "`label_smoothing` must"),
    "seed": (lambda: layer(seed=0.5), "`seed` must"),
    "data_format": (lambda: layer(data_format="NHWC"), "`data_format` must"),
    "both grids": (lambda: layer(grid_size=4, patch_size=4), "exactly one"),
    "the default grid and patches": (lambda: layer(grid_size=7, patch_size=4), "exactly one"),
    "mode": (lambda: layer(mode="pixel"), "`mode` must"),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_name_the_argument_and_what_arrived(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}") as error:
        call()
    assert "Received: " in str(error.value)


def test_images_that_are_only_too_small_are_not_taken_for_another_data_format():
    with pytest.raises(ValueError, match="3 x 28 pixels") as error:
        layer()(images(size=(3, 28)), IDS)
    assert "data_format" not in str(error.value)


def test_a_patch_as_large_as_the_image_exchanges_whole_images():
    mixed, labels = layer(patch_size=28, ratio=1.0)(images(), IDS)
    np.testing.assert_array_equal(to_numpy(mixed)[:, 0, 0, 0], to_numpy(labels).argmax(1))
    np.testing.assert_array_equal(to_numpy(labels).max(1), 1)
    assert (to_numpy(labels).argmax(1) != IDS).all()


def test_a_misspelled_argument_is_asked_for():
    with pytest.raises(ValueError, match=r"'gridsize'.* Did you mean 'grid_size'\?"):
        kpm.PatchMixing(gridsize=4, probability=1.0)
    with pytest.raises(ValueError, match=r"Did you mean 'probability'\?"):
        kpm.layers.MaskMix(probabilty=0.5)
    with pytest.raises(ValueError, match="color") as error:
        kpm.PatchMixing(color=4, probability=1.0)
    assert "Did you mean" not in str(error.value)


def test_as_a_layer_of_a_model_it_says_where_it_belongs():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layer(), keras.layers.Flatten(), keras.layers.Dense(BATCH)]
    )
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match=r"(?s)Among the layers of a model.*mix_on_device"):
        model.fit(images("float32", (8, 8)), np.eye(BATCH), verbose=0)


NOTHING_OF_A_NEIGHBOR = {"no sample mixed": {"probability": 0.0}, "no patch": {"ratio": 0.01}}


@pytest.mark.parametrize("way", ["patches", "choice"])
@pytest.mark.parametrize("arguments", NOTHING_OF_A_NEIGHBOR.values(), ids=NOTHING_OF_A_NEIGHBOR)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("ignore:PatchMixing will never")
def test_what_has_no_share_leaves_no_trace(way, arguments, bad, weighted):
    mix = layer(num_classes=None, **arguments)
    if way == "choice":
        mix = kpm.layers.RandomChoice([mix, None], label_smoothing=0.0, seed=1)
    rows = np.eye(BATCH, dtype="float32")
    rows[2, 5] = bad
    data = {"images": images("float32"), "labels": rows}
    data["images"][3] = bad
    data["segmentation_masks"] = data["images"][..., 0]
    if weighted:
        data["sample_weight"] = np.linspace(0, 1, BATCH, dtype="float32")
    for _ in range(3):
        mixed = mix(data)
        for key, value in data.items():
            np.testing.assert_array_equal(to_numpy(mixed[key]), value)


def test_a_sample_of_weight_zero_gives_nothing_of_its_label():
    rows = np.eye(BATCH, dtype="float32")
    weights = np.ones(BATCH, "float32")
    rows[2], weights[2] = np.nan, 0
    mix = layer(num_classes=None, ratio=0.5)
    _, labels, mixed_weights = map(to_numpy, mix(images(), rows, weights))
    assert np.isfinite(labels).all()
    np.testing.assert_allclose(labels[:, 2], 0)
    assert np.isfinite(mixed_weights).all()


@pytest.mark.parametrize("labels", [IDS + 1, IDS - 1, IDS + 0.5])
def test_class_ids_out_of_range_raise_when_met(labels):
    with pytest.raises(ValueError, match=r"class ids in 0\.\.7.*Received: "):
        layer()(images(), labels)


@pytest.mark.parametrize(
    "arguments", [{"ratio": 0.01}, {"ratio": 0.0}, {"grid_size": 1, "ratio": 0.5}]
)
def test_a_setting_that_can_never_mix_warns(arguments):
    with pytest.warns(UserWarning, match="never replace a patch"):
        layer(**arguments)


def test_a_patch_size_that_can_never_mix_warns_when_the_image_is_known():
    mix = layer(patch_size=14, ratio=0.1)
    with pytest.warns(UserWarning, match="never replace a patch"):
        mix(images(), IDS)
