"""Parts of a batch whose sizes a graph learns when it runs, and compares then."""

import re

import numpy as np
import pytest

import keras_patchmix as kpm
from tests.layers.cases import BATCH, IDS, assert_exact, images, layer

tf = pytest.importorskip("tensorflow")

WAYS = {
    "patches": layer,
    "boxes": lambda: layer("boxes"),
    "choice": lambda: kpm.layers.RandomChoice(
        [layer(), layer(grid_size=4)], num_classes=BATCH, label_smoothing=0, seed=1
    ),
}
each_way = pytest.mark.parametrize("make", WAYS.values(), ids=WAYS.keys())


def signature_of(data, known=()):
    """Specs that know ranks alone, but for the parts named."""
    return {
        key: tf.TensorSpec(
            value.shape if key in known else [None] * value.ndim, tf.as_dtype(value.dtype)
        )
        for key, value in data.items()
    }


def run(mix, data, known=(), training=None):
    """One batch through a map that knows ranks alone, but for the parts named."""
    signature = signature_of(data, known)
    batches = tf.data.Dataset.from_generator(lambda: iter([data]), output_signature=signature)
    (mixed,) = batches.map(lambda batch: mix(batch, training=training))
    return mixed


def given(**parts):
    return {"images": images(), "labels": np.eye(BATCH, dtype="float32"), **parts}


@each_way
def test_what_fits_is_mixed(make):
    masks = images("int32")[..., 0]
    weights = np.ones(BATCH, "float32")
    mixed = run(make(), given(segmentation_masks=masks, sample_weight=weights))
    assert_exact(mixed["images"], mixed["labels"])
    np.testing.assert_array_equal(mixed["segmentation_masks"], mixed["images"][..., 0])


FAULTS = {
    "more rows than images": (
        {"images": images()[:1], "labels": np.eye(BATCH, dtype="float32")},
        "`labels` must have one entry an image",
    ),
    "fewer rows than images": (
        {"images": images(), "labels": np.eye(BATCH, dtype="float32")[:3]},
        "`labels` must have one entry an image",
    ),
    "one id": (
        {"images": images(), "labels": IDS[:1]},
        "`labels` must have one entry an image",
    ),
    "larger masks": (
        given(segmentation_masks=np.zeros((BATCH, 56, 56), "int32")),
        "segmentation_masks.* must have the batch, height and width",
    ),
    "fewer masks": (
        given(segmentation_masks=np.zeros((1, 28, 28, 1), "int32")),
        "segmentation_masks.* must have the batch, height and width",
    ),
    "one weight": (
        given(sample_weight=np.ones(1, "float32")),
        "`sample_weight` must have one entry an image",
    ),
    "a negative weight": (
        given(sample_weight=np.linspace(-1, 1, BATCH, dtype="float32")),
        "`sample_weight` must be finite and >= 0",
    ),
    "an infinite weight": (
        given(sample_weight=np.full((BATCH, 1), np.inf, "float32")),
        "`sample_weight` must be finite and >= 0",
    ),
}


# One of each part, for what shares the checks of "patches": every case traces a graph.
OF_EACH_PART = ("fewer rows than images", "fewer masks", "a negative weight")


@pytest.mark.parametrize(
    ("way", "known", "fault"),
    [
        *(("patches", (), fault) for fault in FAULTS),
        *(("boxes", (), fault) for fault in OF_EACH_PART),
        *(("choice", (), fault) for fault in OF_EACH_PART),
        *(("patches", ("images",), fault) for fault in (*OF_EACH_PART, "one id")),
    ],
)
def test_what_does_not_fit_raises_when_it_is_met(way, known, fault):
    data, message = FAULTS[fault]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(WAYS[way](), data, known)


@pytest.mark.parametrize("fault", [*OF_EACH_PART, "one id"])
def test_nor_does_it_pass_where_nothing_is_mixed(fault):
    data, message = FAULTS[fault]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(layer(), data, training=False)


def test_a_choice_finds_every_grid_that_does_not_fit_whichever_is_drawn():
    choice = kpm.layers.RandomChoice(
        [kpm.PatchMixing(probability=1.0), kpm.PatchMixing(grid_size=16, probability=1.0)],
        weights=[1, 0],
        num_classes=BATCH,
    )
    data = {"images": images(size=(28, 14)), "labels": IDS}
    with pytest.raises(tf.errors.InvalidArgumentError, match="must not be finer than the image"):
        run(choice, data)
    with pytest.raises(ValueError, match="must not be finer than the image"):
        choice(data)


@pytest.mark.parametrize("part", ["labels", "sample_weight", "segmentation_masks"])
def test_parts_of_unknown_rank_are_named(part):
    mix = layer()

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def graph(value):
        return mix({"images": tf.constant(images()), "labels": tf.constant(IDS), part: value})

    with pytest.raises(ValueError, match=f"[`']{part}[`'] must.*(?:rank)"):
        graph(np.ones(BATCH, "float32"))


def run_compiled(mix, data, known=(), training=None):
    """One batch through a function that XLA compiles."""
    signature = [signature_of(data, known)]
    compiled = tf.function(
        lambda batch: mix(batch, training=training), jit_compile=True, input_signature=signature
    )
    return compiled({key: tf.constant(value) for key, value in data.items()})


OF_SIZES = {key: fault for key, fault in FAULTS.items() if "finite" not in fault[1]}
OF_SIZES["a finer grid than pixels"] = (
    {"images": images(size=(28, 14)), "labels": IDS},
    "`grid_size` must not be finer",
)
OF_SIZES["a larger patch than the image"] = (
    {"images": images(size=(28, 14)), "labels": IDS},
    "`patch_size` must not be larger",
)
OF_SIZES["one cell"] = (
    {"images": images(size=(28, 14)), "labels": IDS},
    "Images must have at least two cells",
)
LAYERS = {
    "a finer grid than pixels": lambda: layer(grid_size=16),
    "a larger patch than the image": lambda: layer(patch_size=16),
    "one cell": lambda: kpm.layers.MaskMix(16, 2, num_classes=BATCH),
}


def under_xla(message):
    """The name of an operation that says what a message says."""
    return re.sub(r"\W+", "_", message.replace(".*", " ")).strip("_")


@pytest.mark.parametrize(
    ("fault", "training"),
    [
        *((key, None) for key in OF_SIZES if key not in LAYERS),
        *((key, False) for key in ("one id", "fewer masks", "one weight")),
    ],
)
def test_xla_stops_where_parts_do_not_fit_and_names_them(fault, training):
    data, message = OF_SIZES[fault]
    with pytest.raises(tf.errors.InvalidArgumentError, match=under_xla(message)):
        run_compiled(layer(), data, training=training)


@pytest.mark.parametrize("fault", LAYERS)
def test_xla_stops_where_images_are_too_small(fault):
    data, message = OF_SIZES[fault]
    with pytest.raises(tf.errors.InvalidArgumentError, match=under_xla(message)):
        run_compiled(LAYERS[fault](), data)


def test_xla_stops_in_a_choice_whichever_layer_is_drawn():
    choice = kpm.layers.RandomChoice(
        [kpm.PatchMixing(probability=1.0), kpm.PatchMixing(grid_size=16, probability=1.0)],
        weights=[1, 0],
        num_classes=BATCH,
    )
    data, message = OF_SIZES["a finer grid than pixels"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=under_xla(message)):
        run_compiled(choice, data)


@each_way
def test_xla_mixes_what_fits(make):
    masks = images("int32")[..., 0]
    weights = np.ones(BATCH, "float32")
    data = given(segmentation_masks=masks, sample_weight=weights)
    mixed = run_compiled(make(), data)
    assert_exact(mixed["images"], mixed["labels"])
    np.testing.assert_array_equal(mixed["segmentation_masks"], mixed["images"][..., 0])


def test_xla_takes_sizes_that_no_compiler_knows():
    mix = layer()

    @tf.function(jit_compile=True)
    def whole(x, y, kept):
        return mix(tf.boolean_mask(x, kept), tf.boolean_mask(y, kept), training=False)

    kept = IDS % 2 == 0
    x, y = whole(tf.constant(images()), tf.constant(IDS), tf.constant(kept))
    np.testing.assert_array_equal(x, images()[kept])
    np.testing.assert_array_equal(y, np.eye(BATCH)[kept])


def test_under_xla_a_weight_out_of_range_is_nan_and_reaches_nobody_else():
    mix = layer(probability=0.0)
    compiled = tf.function(lambda x, y, w: mix(x, y, w), jit_compile=True)
    weights = np.array([1, -1, 2, np.inf, 0, np.nan, 3, 0.5], "float32")
    found = compiled(tf.constant(images()), tf.constant(IDS), tf.constant(weights))[2].numpy()
    valid = (weights >= 0) & np.isfinite(weights)
    np.testing.assert_array_equal(found[valid], weights[valid])
    assert np.isnan(found[~valid]).all()
