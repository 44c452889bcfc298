"""Class ids that Keras' layers turned into floats: right, or refused where they may be rounded."""

import keras
import ml_dtypes
import numpy as np
import pytest

import keras_patchmix as kpm
from tests.arrays import KINDS, as_kind, to_numpy

HALVES = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
LIMITS = {"bfloat16": 256, "float16": 2048}  # classes that a dtype can tell apart


@pytest.fixture(params=["float32", *HALVES])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def batch(ids, dtype="int64"):
    return {"images": np.zeros((len(ids), 4, 4, 1), "float32"), "labels": np.asarray(ids, dtype)}


def mix_of(classes, kind):
    """A layer that only encodes labels."""
    arguments = {"num_classes": classes, "label_smoothing": 0}
    mix = kpm.PatchMixing(grid_size=2, probability=0, **arguments)
    return mix if kind == "patches" else kpm.layers.RandomChoice([mix, None], **arguments)


@pytest.mark.parametrize("kind", ["patches", "choice"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("array", KINDS)
def test_floats_hold_the_ids_that_they_can_tell_apart(dtype, kind, array):
    limit = LIMITS[dtype]
    ids = np.array([0, 1, limit - 2, limit - 1])
    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    images = as_kind(np.zeros((4, 4, 4, 1), "uint8"), array)
    labels = ids.astype(numpy_dtype)
    labels = labels if array == "numpy" else keras.ops.cast(as_kind(ids, array), dtype)
    rows = to_numpy(mix_of(limit, kind)(images, labels, training=False)[1])
    np.testing.assert_array_equal(rows.argmax(1), ids)
    for classes, given in ((limit + 1, labels), (10 * limit, labels), (limit + 1, labels[:, None])):
        with pytest.raises(
            ValueError, match=f"`labels` must not be {dtype}.*{limit} only"
        ) as error:
            mix_of(classes, kind)(images, given)
        assert f"Received: labels of dtype {dtype} and num_classes={classes}" in str(error.value)
        assert "dtype='float32'" in str(error.value)


def test_float32_tells_two_to_the_24_ids_apart():
    from keras_patchmix.layers.labels import encode_labels

    ids = np.zeros(2, "float32")
    with pytest.raises(ValueError, match=f"`labels` must not be float32.*{2**24} only"):
        encode_labels(ids, 2**24 + 1, 2)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
def test_what_holds_every_id_is_right_under_every_policy(policy, dtype):
    ids = [0, 7, 100, 255] if dtype == "uint8" else [257, 259, 511, 777, 999]
    for kind in ("patches", "choice"):
        rows = to_numpy(mix_of(1000, kind)(batch(ids, dtype))["labels"])
        np.testing.assert_array_equal(rows.argmax(1), ids)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_alone_in_a_pipeline_of_keras_it_gets_what_was_given(policy, dtype):
    ids = [257, 259, 511, 777, 999]
    stack = keras.layers.Pipeline([mix_of(1000, "patches")])
    rows = to_numpy(stack(batch(ids, dtype))["labels"])
    np.testing.assert_array_equal(rows.argmax(1), ids)


@pytest.mark.parametrize("kind", ["patches", "choice"])
@pytest.mark.parametrize("array", KINDS)
@pytest.mark.parametrize("rank", [3, 4])
def test_masks_of_half_precision_are_refused(kind, array, rank):
    ids = np.zeros((4, 4, 4, 1)[:rank], "int32")
    images = as_kind(np.zeros((4, 4, 4, 1), "uint8"), array)
    for dtype, limit in LIMITS.items():
        numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
        masks = ids.astype(numpy_dtype)
        masks = masks if array == "numpy" else keras.ops.cast(as_kind(ids, array), dtype)
        data = {"images": images, "segmentation_masks": masks}
        for training in (None, False):
            with pytest.raises(
                ValueError, match=f"'segmentation_masks' must not be {dtype}.*{limit} only"
            ) as error:
                mix_of(3, kind)(data, training=training)
            assert f"Received: segmentation_masks of dtype {dtype}" in str(error.value)
            assert "dtype='float32'" in str(error.value)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_other_masks_are_taken_as_they_are(dtype):
    masks = np.arange(64).reshape(4, 4, 4).astype(dtype)
    data = {"images": np.zeros((4, 4, 4, 1), "uint8"), "segmentation_masks": masks}
    found = to_numpy(mix_of(3, "patches")(data)["segmentation_masks"])
    np.testing.assert_array_equal(found, masks)


@pytest.mark.needs("tensorflow")
class TestInDataSets:
    """Keras' layers turn a whole dict into their dtype there, class ids among it."""

    IDS = np.array([257, 259, 511, 777, 999])

    def rows(self, layers, ids=IDS):
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors(batch(ids))
        for one in layers:
            data = data.map(one)
        (mixed,) = data
        return mixed["labels"].numpy()

    @pytest.mark.parametrize(("kind", "together"), [("patches", True), ("choice", False)])
    def test_behind_a_layer_of_half_precision_it_raises(self, policy, kind, together):
        layers = [keras.layers.RandomFlip(), mix_of(3000, kind)]
        layers = [keras.layers.Pipeline(layers)] if together else layers
        if policy == "float32":
            np.testing.assert_array_equal(self.rows(layers).argmax(1), self.IDS)
            return
        with pytest.raises(ValueError, match=f"`labels` must not be {HALVES[policy]}"):
            self.rows(layers)

    def test_ids_that_half_precision_holds_are_right(self, policy):
        layers = [keras.layers.RandomFlip(), mix_of(256, "patches")]
        ids = np.array([0, 1, 129, 254, 255])
        np.testing.assert_array_equal(self.rows(layers, ids).argmax(1), ids)

    def test_the_ways_out_that_the_message_names_are_right(self, policy):
        flip, mix = keras.layers.RandomFlip(), mix_of(1000, "patches")

        def one_hot(data):
            import tensorflow as tf

            return {**data, "labels": tf.one_hot(data["labels"], 1000)}

        for layers in (
            [mix, flip],
            [keras.layers.Pipeline([mix, flip])],
            [keras.layers.RandomFlip(dtype="float32"), mix],
            [keras.layers.Pipeline([keras.layers.RandomFlip(dtype="float32"), mix])],
            [one_hot, flip, mix],
        ):
            np.testing.assert_array_equal(self.rows(layers).argmax(1), self.IDS)

    def masks(self, layers, ids=257):
        import tensorflow as tf

        data = {"images": np.zeros((4, 4, 4, 1), "float32"), "labels": np.arange(4)}
        data["segmentation_masks"] = np.full((4, 4, 4, 1), ids, "int32")
        data = tf.data.Dataset.from_tensors(data)
        for one in layers:
            data = data.map(one)
        (mixed,) = data
        return mixed["segmentation_masks"].numpy()

    def test_masks_behind_a_layer_of_half_precision_raise(self, policy):
        layers = [keras.layers.RandomFlip(), mix_of(4, "patches")]
        if policy == "float32":
            np.testing.assert_array_equal(self.masks(layers), 257)
            return
        with pytest.raises(ValueError, match=f"segmentation_masks' must not be {HALVES[policy]}"):
            self.masks(layers)

    def test_the_ways_out_that_the_message_for_masks_names_are_right(self, policy):
        mix = mix_of(4, "patches")
        np.testing.assert_array_equal(
            self.masks([keras.layers.RandomFlip(dtype="float32"), mix]), 257
        )
        brightness = keras.layers.RandomBrightness(0.1)

        def on_images(data):
            return {**data, "images": brightness(data["images"])}

        np.testing.assert_array_equal(self.masks([on_images, mix]), 257)
        np.testing.assert_array_equal(self.masks([mix]), 257)
