"""Logits and probabilities are told apart by what a model returns, then by its last layer."""

import keras
import numpy as np
import pytest

from keras_patchmix.cli.model_specs import ModelSpec
from keras_patchmix.cli.score_kind import score_kind
from keras_patchmix.scoring.loading import LoadedModel
from keras_patchmix.scoring.logits import last_activation

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3), np.uint8)


def loaded(layers, preprocess=None):
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.GlobalAveragePooling2D()])
    for layer in layers:
        model.add(layer)
    return LoadedModel(ModelSpec("net", "net.keras"), model, preprocess, (2, 2))


def dense(activation, size=0.01):
    return keras.layers.Dense(
        3, activation, use_bias=False, kernel_initializer=keras.initializers.Constant(size)
    )


@pytest.mark.parametrize(
    ("layers", "word", "reason"),
    [
        ([dense(None)], "logits", "scores from"),
        ([dense("softmax")], "probabilities", "scores that sum to 1"),
        ([dense(None), keras.layers.Softmax()], "probabilities", "scores that sum to 1"),
        ([dense("sigmoid")], "probabilities", "the last layer is a sigmoid"),
        ([dense(None, 0.0001)], "logits", "the last layer has no activation"),
    ],
)
def test_the_model_is_asked(layers, word, reason):
    kind = score_kind(loaded(layers), IMAGES)
    assert kind.word == word
    assert kind.from_logits == (word == "logits")
    assert kind.reason.startswith(reason)


def test_what_is_asked_for_is_taken_where_it_can_be():
    asked = score_kind(loaded([dense(None)]), IMAGES, "logits")
    assert asked == (True, "as --scores says")
    with pytest.raises(ValueError, match="--scores must be False or None for --model net"):
        score_kind(loaded([dense("softmax")]), IMAGES, "logits")
    with pytest.raises(ValueError, match="--scores probabilities: 'net' returns scores from"):
        score_kind(loaded([dense(None)]), IMAGES, "probabilities")
    unknown = loaded([dense(None, 0.0001), keras.layers.UnitNormalization()])
    assert last_activation(unknown.model) is None
    with pytest.raises(ValueError, match="--scores logits or --scores probabilities is needed"):
        score_kind(unknown, IMAGES)
    assert score_kind(unknown, IMAGES, "probabilities").word == "probabilities"


def test_images_are_not_written_into_by_preprocessing():
    def in_place(images):
        images /= 255
        return images

    images = IMAGES.astype(np.float32)
    score_kind(loaded([dense("softmax")], in_place), images)
    np.testing.assert_array_equal(images, IMAGES)


def one(activation, size=0.0001):
    return keras.layers.Dense(
        1, activation, use_bias=False, kernel_initializer=keras.initializers.Constant(size)
    )


def test_of_a_single_score_the_last_layer_decides_whatever_its_values():
    for layer, word in ((one(None), "logits"), (one("sigmoid"), "probabilities")):
        assert score_kind(loaded([layer]), IMAGES).word == word
        assert score_kind(loaded([layer]), IMAGES, word).word == word
    with pytest.raises(ValueError, match="--scores must be False or None"):
        score_kind(loaded([one("sigmoid")]), IMAGES, "logits")
    unknown = loaded([one(None, 10.0), keras.layers.UnitNormalization()])
    with pytest.raises(ValueError, match="--scores must say"):
        score_kind(unknown, IMAGES)
    with pytest.raises(ValueError, match="--model net has one output and a softmax"):
        score_kind(loaded([one("softmax")]), IMAGES)
