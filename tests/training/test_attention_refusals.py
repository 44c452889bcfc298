"""What labels by attention refuse."""

import keras
import pytest

import keras_patchmix as kpm
from keras_patchmix.models.tokens import PatchFeatures
from keras_patchmix.training import attention_labels
from tests.training.attention_cases import (
    BATCH,
    CLASSES,
    IDS,
    IMAGES,
    Planned,
    convolutional,
    vit,
)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rule": "half"}, ValueError, "`rule` must be one of progressive, mean, attention"),
        ({"layer": kpm.layers.RandomChoice([None])}, TypeError, "`layer` must be a MaskMix or"),
        ({"layer": keras.layers.Dropout(0.5)}, TypeError, "`layer` must be a MaskMix or"),
        ({"model": "vit"}, TypeError, "`model` must be a keras.Model"),
        ({"attention": len, "seed": 0.5}, ValueError, "`seed` must be an integer"),
        ({}, ValueError, "give `attention`, a function .* 0 TokenEmbedding"),
        ({"attention": 3}, TypeError, "`attention` must be a function"),
        ({"attention": len, "from_logits": False}, ValueError, "what the model's loss says"),
    ],
)
def test_what_cannot_be_is_named(arguments, error, message):
    model = convolutional()
    with pytest.raises(error, match=message):
        attention_labels(**{"model": model, "layer": Planned(), **arguments})
    assert vars(model).keys().isdisjoint({"train_step", "compute_loss"})


def test_a_model_that_drops_its_class_token_is_refused():
    whole = vit()
    features = PatchFeatures(4)(whole.get_layer("norm").output, whole.input)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(whole.input, keras.layers.Dense(CLASSES)(pooled))
    with pytest.raises(ValueError, match="drops its class token"):
        attention_labels(model, Planned())


def test_a_loss_that_does_not_say_needs_from_logits():
    model = convolutional()
    model.compile("sgd", lambda y_true, y_pred: keras.ops.mean((y_true - y_pred) ** 2, axis=-1))
    with pytest.raises(ValueError, match="give `from_logits`"):
        attention_labels(model, Planned(), attention=len)
    attention_labels(model, Planned(), attention=len, from_logits=True)
    attention_labels(model, Planned(), "mean", attention=len)


@pytest.mark.parametrize("shape", [(BATCH, 15), (BATCH,), (BATCH, 2, 2, 2)])
def test_attention_of_another_shape_is_refused(shape):
    model = convolutional()
    attention_labels(model, Planned(), attention=lambda model, images: keras.ops.ones(shape))
    with pytest.raises(ValueError, match="`attention` must return numbers of shape"):
        model.train_on_batch(IMAGES, IDS)


def test_a_step_that_asks_for_no_loss_is_refused():
    class NoLoss(keras.Model):
        def train_step(self, *arguments):
            return {} if len(arguments) == 1 else ({}, arguments[0])

    model = attention_labels(vit(NoLoss, run_eagerly=True), Planned())
    with pytest.raises(ValueError, match="must call that"):
        model.train_on_batch(IMAGES, IDS)
