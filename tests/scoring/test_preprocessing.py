"""A model's own preprocessing is applied wherever `fit` and `predict` apply it."""

import keras
import numpy as np
import pytest

from keras_patchmix.explain import c_rise, deletion_insertion, rise, selectivity_benchmark
from keras_patchmix.occlusion import PatchDrop, evaluate
from keras_patchmix.scoring.preprocessing import (
    as_they_are,
    own_preprocessing,
    preprocessing_of,
    without_own_preprocessing,
)
from tests.occlusion.closed_form import SIZE, K, constant_data, median_reader, scores_of


class Center:
    """A preprocessor: the median of every image, as a picture of one pixel in 0..1."""

    image_size = (1, 1)

    def __call__(self, x, y=None, sample_weight=None):
        middle = np.median(np.asarray(x, np.float32), axis=(1, 2), keepdims=True)
        return keras.utils.pack_x_y_sample_weight(middle / 255, y, sample_weight)


@keras.saving.register_keras_serializable("tests")
class Task(keras.Model):
    """A classifier in the form of keras-hub's tasks, right for constant images of 0..1."""

    def __init__(self, **kwargs):
        inputs = keras.Input((1, 1, 3))
        x = keras.layers.Flatten()(inputs)[:, :1]
        outputs = keras.layers.Dense(K, "softmax", name="head")(400 * x)
        super().__init__(inputs, outputs, **kwargs)
        self.preprocessor = Center()
        # The exponents of |x - c|^2, but for the part that all classes share.
        centers = (40 * np.arange(K) + 10) / 255
        self.get_layer("head").set_weights([centers[None], -200 * centers**2])

    def preprocess_samples(self, x, y=None, sample_weight=None):
        return self.preprocessor(x, y=y, sample_weight=sample_weight)


class Own(keras.Model):
    """A model that has a `preprocessor` and applies it itself."""

    def __init__(self):
        super().__init__()
        self.preprocessor = keras.layers.Rescaling(1 / 255)
        self.dense = keras.layers.Dense(K)

    def call(self, x):
        return self.dense(keras.ops.mean(self.preprocessor(x), axis=(1, 2)))


def test_it_is_that_of_models_whose_fit_applies_it_and_of_no_other():
    task = Task()
    images, _ = constant_data(4)
    np.testing.assert_allclose(own_preprocessing(task)(images), images[:, :1, :1] / 255, rtol=1e-6)
    assert own_preprocessing(Own()) is None
    assert own_preprocessing(lambda x: x) is None
    task.preprocessor = None
    assert own_preprocessing(task) is None
    assert preprocessing_of(Task(), np.sqrt) is np.sqrt


def test_it_is_switched_off_for_a_while_and_what_was_asked_for_before_stays():
    task, (images, _) = Task(), constant_data(4)
    own = own_preprocessing(task)
    expected = own(images)
    with without_own_preprocessing(task):
        assert task.preprocess_samples(images) is images
        np.testing.assert_array_equal(own(images), expected)
    np.testing.assert_array_equal(task.preprocess_samples(images), expected)
    with without_own_preprocessing(Own()):
        pass


def test_evaluate_applies_it_and_says_so():
    images, labels = constant_data(30)
    report = evaluate(Task(), images, labels, suite=[PatchDrop(2, 0.25)])
    assert report.rows[0].top1 == 1  # 1 / 6 without it
    assert report.settings["preprocess"] == "the model's own, Center"
    assert "through the model's own, Center" in report.table().splitlines()[0]
    assert "preprocess=" not in report.to_html()


def test_a_users_function_replaces_it():
    images, labels = constant_data(30)

    def always_black(batch):
        return np.zeros((len(batch), 1, 1, 3), np.float32)

    report = evaluate(Task(), images, labels, suite=[PatchDrop(2)], preprocess=always_black)
    assert report.rows[0].top1 == 1 / K
    assert report.settings["preprocess"].endswith("always_black")


def test_as_they_are_is_not_the_models_own():
    images, labels = constant_data(30, first_class=4)
    small = images[:, :1, :1].astype(np.float32)
    report = evaluate(Task(), small, labels, suite=[PatchDrop(1, 1.0)], preprocess=as_they_are)
    assert report.rows[0].top1 == 0.5  # to values of 0..255 all are of the brightest class
    assert report.settings["preprocess"] == "none, the images as they are"
    plain = evaluate(median_reader, images, labels, suite=[PatchDrop(2)], preprocess=as_they_are)
    assert plain.settings["preprocess"] is None


def test_saliency_applies_it():
    images, labels = constant_data(2)
    settings = {"num_masks": 8, "grid_size": 2, "keep_probability": 0.5}

    def plain(batch):
        scores = scores_of(np.median(np.asarray(batch)[..., 0], axis=(1, 2))).astype(np.float64)
        values = np.median(np.asarray(batch)[..., 0], axis=(1, 2)) / 255
        centers = (40 * np.arange(K) + 10) / 255
        scores = 400 * np.outer(values, centers) - 200 * centers**2
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)

    for method in (rise, c_rise):
        own, expected = (method(m, images, labels, **settings) for m in (Task(), plain))
        np.testing.assert_allclose(own, expected, atol=1e-5)
    maps = np.random.default_rng(0).random((2, SIZE, SIZE))
    own, expected = (deletion_insertion(m, images, maps, labels, steps=4) for m in (Task(), plain))
    np.testing.assert_allclose(own.deletion, expected.deletion, atol=1e-5)
    report = selectivity_benchmark(
        Task(), constant_data(12), max_examples=2, num_masks=8, grid_size=2
    )
    assert report.settings["preprocess"] == "the model's own, Center"
    assert report.accuracy == 1


@pytest.mark.needs("keras_hub")
def test_the_score_of_a_keras_hub_classifier_is_its_val_accuracy():
    import keras_hub

    from keras_patchmix.callbacks import OcclusionBenchmark

    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.ResNetBackbone(
        [64], [3], [64], [1], [1], "basic_block", image_shape=(16, 16, 3)
    )
    converter = keras_hub.layers.ImageConverter(image_size=(16, 16), scale=1 / 255)
    model = keras_hub.models.ImageClassifier(
        backbone,
        num_classes=K,
        preprocessor=keras_hub.models.ImageClassifierPreprocessor(converter),
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = constant_data(24)
    callback = OcclusionBenchmark(data, suite=[PatchDrop(2, 0.5)], verbose=False)
    history = model.fit(*data, verbose=0, validation_data=data, callbacks=[callback]).history
    assert history["val_occlusion_clean"] == pytest.approx(history["val_accuracy"])
    assert callback.report.settings["preprocess"].startswith("the model's own, ")
