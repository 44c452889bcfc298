"""Scores: a class a column, one output as two of them, and nothing handed out to be changed."""

from functools import partial

import keras
import numpy as np
import pytest

from keras_patchmix.corruptions.member import Condition
from keras_patchmix.explain import c_rise, rise
from keras_patchmix.occlusion import Corruption, PatchDrop, PatchReplacement, evaluate
from keras_patchmix.scoring.preprocessing import as_they_are
from keras_patchmix.scoring.scorer import Scorer
from tests.arrays import BACKEND

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 127.5).astype(int)
SUITE = [PatchDrop(2, 0.5)]
SCORED = partial(evaluate, suite=SUITE)


def brightness(activation=None, *after, sharpness=0.1):
    """A model of one output: how much brighter than the middle an image is."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, activation),
            *after,
        ]
    )
    model.layers[1].set_weights([np.full((3, 1), sharpness / 3), np.array([-127.5 * sharpness])])
    return model


def in_keras_operations():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.ops.sigmoid(brightness()(inputs)))


def in_hard_sigmoid():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.ops.hard_sigmoid(brightness()(inputs)))


def nested():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Dropout(0.5)(brightness("sigmoid")(inputs)))


class Subclassed(keras.Model):
    """Its layers are not in the order in which they are called."""

    def __init__(self):
        super().__init__()
        self.head, self.body = keras.layers.Activation("sigmoid"), brightness()

    def call(self, images):
        return self.head(self.body(images))


def compiled(loss):
    model = Subclassed()
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: brightness("sigmoid"), "probability"),
        (lambda: brightness(), "logit"),
        (lambda: brightness("sigmoid", keras.layers.Activation("linear")), "probability"),
        (lambda: brightness(None, keras.layers.Activation("sigmoid")), "probability"),
        (lambda: brightness("sigmoid", keras.layers.Reshape(())), "probability"),
        (in_keras_operations, "probability"),
        (nested, "probability"),
        (in_hard_sigmoid, "probability"),
        (lambda: compiled("binary_crossentropy"), "probability"),
        (lambda: compiled(keras.losses.BinaryCrossentropy()), "probability"),
    ],
)
@pytest.mark.parametrize("labels", ["ids", "column", "one-hot"])
def test_one_output_is_two_classes(make, kind, labels):
    y = {"ids": LABELS, "column": LABELS[:, None].astype("float32"), "one-hot": np.eye(2)[LABELS]}
    report = evaluate(make(), IMAGES, y[labels], suite=SUITE)
    assert report.rows[0].top1 == 1
    assert report.settings["one_output"] == kind
    assert report.settings["num_classes"] == 2
    assert f"read as a {kind}" in report.table()
    turned = evaluate(make(), IMAGES, 1 - LABELS, suite=SUITE)
    assert turned.rows[0].top1 == 0


def test_a_threshold_is_that_of_the_kind_of_score():
    # All probabilities lie above 0, all logits here below 1/2.
    images = np.stack([np.full((8, 8, 3), value, np.float32) for value in (120, 126, 129, 131)])
    labels = [0, 0, 1, 1]
    for model in (brightness("sigmoid"), brightness()):
        assert evaluate(model, images, labels, suite=SUITE).rows[0].top1 == 1


def test_the_kind_of_a_function_has_to_be_said():
    def logit(images):
        return (np.asarray(images).mean((1, 2, 3)) - 127.5) / 1000

    with pytest.raises(ValueError, match="`from_logits`"):
        evaluate(logit, IMAGES, LABELS, suite=SUITE)
    report = evaluate(logit, IMAGES, LABELS, suite=SUITE, from_logits=True)
    assert report.rows[0].top1 == 1
    assert report.settings["one_output"] == "logit"
    with pytest.raises(ValueError, match="must be a probability"):
        evaluate(logit, IMAGES, LABELS, suite=SUITE, from_logits=False)
    with pytest.raises(ValueError, match="`from_logits`"):
        evaluate(Subclassed(), IMAGES, LABELS, suite=SUITE)


@pytest.mark.parametrize("call", [SCORED, rise])
@pytest.mark.parametrize("units", [1, 2])
def test_the_output_of_a_sigmoid_is_no_logit(call, units):
    model = keras.Sequential([*brightness().layers[:1], keras.layers.Dense(units, "sigmoid")])
    model.build((None, 8, 8, 3))
    if (units, call) != (2, SCORED):  # of several outputs the highest counts, whatever they are
        with pytest.raises(ValueError, match="`from_logits` must be False or None"):
            call(model, IMAGES[:4], LABELS[:4], from_logits=True)


def test_layer_and_loss_that_contradict_each_other_have_to_be_settled():
    model = brightness(sharpness=1 / 255)  # an output of 0 to 1, less a half
    model.layers[1].set_weights([np.full((3, 1), 1 / 765), np.zeros(1)])
    for loss in ("binary_crossentropy", "mse", keras.losses.MeanSquaredError()):
        model.compile("sgd", loss)
        for call in (SCORED, rise) if loss == "binary_crossentropy" else (SCORED,):
            with pytest.raises(ValueError, match="`from_logits`"):
                call(model, IMAGES, LABELS)
    assert evaluate(model, IMAGES, LABELS, suite=SUITE, from_logits=False).rows[0].top1 == 1
    assert evaluate(model, IMAGES, LABELS, suite=SUITE, from_logits=True).rows[0].top1 < 1
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    assert evaluate(model, IMAGES, LABELS, suite=SUITE).settings["one_output"] == "logit"


@pytest.mark.parametrize("call", [SCORED, rise])
def test_a_softmax_of_one_output_is_refused(call):
    with pytest.raises(ValueError, match="`model` has one output and a softmax"):
        call(brightness("softmax"), IMAGES, LABELS)


def test_maps_of_one_output_are_those_of_two():
    one, logit = brightness("sigmoid"), brightness()

    def two(images):
        p = 1 / (1 + np.exp(-(np.asarray(images).mean((1, 2, 3)) - 127.5) * 0.1))
        return np.stack([1 - p, p], 1)

    settings = {"num_masks": 16, "grid_size": 2}
    for method in (rise, c_rise):
        expected = method(two, IMAGES[:3], **settings)
        np.testing.assert_allclose(method(one, IMAGES[:3], **settings), expected, atol=1e-5)
        for said in (None, True):
            found = method(logit, IMAGES[:3], from_logits=said, **settings)
            np.testing.assert_allclose(found, expected, atol=1e-5)


def in_place(images):
    images = np.asarray(images)
    images -= 127.5
    return np.stack([np.zeros(len(images)), images.mean((1, 2, 3))], 1)


def test_a_model_function_that_works_in_place_changes_neither_arrays_nor_scores():
    kept = IMAGES.copy()
    suite = [PatchDrop(2, (0.25, 0.5)), PatchReplacement(2, 0.5)]
    own = evaluate(in_place, IMAGES, LABELS, suite=suite, batch_size=8)
    copied = evaluate(lambda x: in_place(np.array(x)), IMAGES, LABELS, suite=suite, batch_size=8)
    assert [row.top1 for row in own.rows] == [row.top1 for row in copied.rows]
    rise(in_place, IMAGES[:2], num_masks=8, batch_size=8, grid_size=2, from_logits=True)
    np.testing.assert_array_equal(IMAGES, kept)


def test_preprocessing_and_saliency_that_work_in_place_change_nothing():
    kept = IMAGES.copy()

    def halve(images):
        images *= 0.5
        return images

    def saliency(images):
        images[...] = 0
        return images[..., 0]

    suite = [PatchDrop(2, 0.5, order="salient")]
    evaluate(
        brightness(), IMAGES, LABELS, suite=suite, preprocess=halve, saliency=saliency, batch_size=8
    )
    np.testing.assert_array_equal(IMAGES, kept)
    dark = evaluate(brightness(), IMAGES, LABELS, suite=suite, saliency=saliency, batch_size=8)
    assert dark.rows[0].top1 == 1


@pytest.mark.skipif(BACKEND != "torch", reason="tensors of PyTorch share memory with arrays")
def test_a_torch_model_that_works_in_place_changes_nothing():
    class InPlace(keras.layers.Layer):
        def call(self, images):
            return images.sub_(127.5)

    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, brightness()(InPlace()(inputs)))
    kept = IMAGES.copy()
    evaluate(model, IMAGES, LABELS, suite=SUITE, batch_size=8)
    np.testing.assert_array_equal(IMAGES, kept)


def test_a_corruption_of_ones_own_cannot_write_into_the_images():
    class Blackened(Corruption):
        kind = "blackened"
        conditions = (Condition("blackened"),)

        def plan(self, images, labels, index, **_):
            return {}

        def apply(self, images, plan, condition):
            images[...] = 0
            return images, np.zeros(len(images), int)

        def get_config(self):
            return {}

    kept = IMAGES.copy()
    with pytest.raises(ValueError, match="read-only"):
        evaluate(brightness(), IMAGES, LABELS, suite=[Blackened()])
    np.testing.assert_array_equal(IMAGES, kept)


def test_outputs_that_change_their_size_are_one_clear_error():
    widths = iter((3, 4))
    scorer = Scorer(lambda images: np.zeros((len(images), next(widths))), 4, as_they_are)
    assert scorer.scores(scorer(IMAGES[:3]), 3).shape == (3, 3)
    with pytest.raises(ValueError, match=r"the same number of scores.*3 scores an image, then 4"):
        scorer.scores(scorer(IMAGES[:3]), 3)
    double = Scorer(lambda images: np.zeros((2 * len(images), 3)), 4)
    with pytest.raises(ValueError, match=r"shape \(8, 3\) for a batch of 4"):
        double.scores(double(IMAGES[:4]), 4)
