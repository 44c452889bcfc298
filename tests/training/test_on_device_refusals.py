"""What mixing inside the train step refuses, and what it warns of."""

import functools
import warnings

import keras
import pytest

import keras_patchmix as kpm
from keras_patchmix.training import mix_on_device
from keras_patchmix.training.label_checks import refuse_labels, warn_if_smoothed_twice
from tests.training.on_device_cases import (
    BACKEND,
    BATCH,
    data,
    fit,
    make_model,
    mixing,
    on_tensorflow,
)


@pytest.mark.parametrize(
    ("model", "layer", "seed", "error", "message"),
    [
        ("resnet", mixing(), None, TypeError, "`model` must be a keras.Model"),
        (None, keras.layers.Dropout(0.5), None, TypeError, "no sample_plan and no apply_plan"),
        (None, kpm.PatchMixing, None, TypeError, "a class"),
        (None, mixing(), 0.5, ValueError, "`seed` must be an integer"),
        (None, mixing(), True, ValueError, "`seed` must be an integer"),
    ],
)
def test_what_cannot_mix_is_named(model, layer, seed, error, message):
    with pytest.raises(error, match=message):
        mix_on_device(make_model() if model is None else model, layer, seed)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's trainer")
def test_flax_nnx_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "is_nnx_enabled", lambda: True)
    with pytest.raises(ValueError, match="KERAS_NNX_ENABLED"):
        mix_on_device(make_model(), mixing())


def test_images_without_labels_are_refused():
    model = mix_on_device(make_model(), mixing())
    model.compile("sgd")
    with pytest.raises(ValueError, match="needs images `x` and labels `y`"):
        model.fit(data()[0], batch_size=BATCH, verbose=0)


@pytest.mark.parametrize(
    "loss",
    [keras.losses.SparseCategoricalCrossentropy(), "sparse_categorical_crossentropy"],
)
def test_a_loss_of_class_ids_still_evaluates_and_is_refused_in_training(loss):
    model = make_model()
    model.compile("sgd", loss, metrics=["accuracy"])
    mix_on_device(model, mixing())
    assert model.evaluate(*data(), verbose=0, return_dict=True)["accuracy"] == 1
    with pytest.raises(ValueError, match="`loss` must take rows"):
        fit(model)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.SparseCategoricalAccuracy(),
        keras.metrics.SparseTopKCategoricalAccuracy(k=2),
        "sparse_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
        "SparseCategoricalCrossentropy",
        keras.metrics.sparse_categorical_accuracy,
        keras.metrics.MeanMetricWrapper(keras.metrics.sparse_categorical_accuracy, name="wrapped"),
        keras.metrics.IoU(BATCH, [0], sparse_y_pred=False),
        keras.metrics.MeanIoU(BATCH, sparse_y_pred=False),
    ],
    ids=lambda metric: getattr(metric, "__name__", None) or getattr(metric, "name", metric),
)
def test_metrics_of_class_ids_are_refused_in_training(metric, weighted):
    model = make_model()
    name = "weighted_metrics" if weighted else "metrics"
    model.compile("sgd", "mean_squared_error", **{name: [metric]})
    mix_on_device(model, mixing())
    with pytest.raises(ValueError, match=r"`metrics` must take rows.*(?i:sparse|iou|wrapped)"):
        fit(model)
    with pytest.raises(ValueError, match="`metrics` must take rows"):
        model.train_on_batch(*(part[:BATCH] for part in data()))


NEWER = getattr(keras.losses, "CategoricalGeneralizedCrossEntropy", keras.losses.Circle)


@pytest.mark.parametrize("loss", [keras.losses.Circle(), keras.losses.circle, NEWER()])
def test_every_loss_of_keras_for_class_ids_is_refused(loss):
    model = make_model()
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match="`loss` must take rows"):
        fit(mix_on_device(model, mixing()))


def closest(y_true, y_pred):
    return keras.ops.max(y_true * y_pred, -1)


def test_metrics_of_rows_are_not_refused():
    metrics = [
        "accuracy",
        keras.metrics.TopKCategoricalAccuracy(2),
        keras.metrics.OneHotIoU(BATCH, [0]),
        keras.metrics.OneHotMeanIoU(BATCH),
        keras.metrics.MeanIoU(BATCH, sparse_y_true=False, sparse_y_pred=False),
        keras.metrics.MeanMetricWrapper(keras.metrics.categorical_accuracy, name="a"),
        keras.metrics.MeanMetricWrapper(closest, name="b"),
        keras.metrics.MeanMetricWrapper(lambda y_true, y_pred: closest(y_true, y_pred), name="c"),
        keras.metrics.MeanMetricWrapper(functools.partial(closest), name="d"),
    ]
    model = make_model()
    model.compile("sgd", "mean_squared_error", metrics=metrics)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*lambda.*")
        refuse_labels(model, mixing())
        fit(mix_on_device(model, mixing()))
        fit(model)  # built


def of_five(loss, mixer):
    model = keras.Sequential([make_model(), keras.layers.Dense(5)])
    model.compile("sgd", loss)
    return mix_on_device(model, mixer)


@pytest.mark.parametrize(
    "loss",
    ["categorical_crossentropy", keras.losses.MeanSquaredError(), keras.losses.kl_divergence],
)
def test_another_number_of_outputs_than_of_classes_is_named(loss):
    choice = kpm.layers.RandomChoice([mixing(), None], num_classes=BATCH, label_smoothing=0)
    for mixer in (mixing(), choice):
        model = of_five(loss, mixer)
        with pytest.raises(ValueError, match=f"`num_classes`.*num_classes={BATCH} .* 5 outputs"):
            fit(model)
        with pytest.raises(ValueError, match="`num_classes` must be"):
            model.train_on_batch(*(part[:BATCH] for part in data()))


def test_a_loss_of_the_user_may_compare_other_numbers():
    def of_the_first(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true[:, :5] - y_pred), -1)

    fit(of_five(of_the_first, mixing()))


def test_an_accuracy_that_class_ids_have_made_is_refused_until_the_model_is_compiled_again():
    def squared_error(y_true, y_pred):
        rows = y_true if len(y_true.shape) == 2 else keras.ops.one_hot(y_true, BATCH)
        return keras.ops.mean(keras.ops.square(rows - y_pred), -1)

    model = make_model()
    model.compile("sgd", squared_error, metrics=["accuracy"])
    assert model.evaluate(*data(), verbose=0, return_dict=True)["accuracy"] == 1
    mix_on_device(model, mixing())
    with pytest.raises(ValueError, match=r"compile the model again.*SparseCategoricalAccuracy"):
        fit(model)
    model.compile("sgd", squared_error, metrics=["accuracy"])
    fit(model)


@on_tensorflow
def test_a_model_without_an_optimizer_is_refused():
    model = mix_on_device(make_model(), mixing())
    model.compile(optimizer=None, loss="mean_squared_error")
    with pytest.raises(ValueError, match="numbers the batches by the optimizer's steps"):
        fit(model)


SMOOTHING_LOSS = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)


def test_smoothing_twice_is_said_once_and_for_every_loss():
    layer = kpm.PatchMixing(num_classes=BATCH, label_smoothing=0.1, probability=1.0)
    model = make_model()
    model.compile("sgd", SMOOTHING_LOSS)
    with pytest.warns(UserWarning, match="smoothed twice"):
        mix_on_device(model, layer)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Labels are smoothed twice")
        fit(model)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(label_smoothing=0.3))
    with pytest.warns(UserWarning, match=r"label_smoothing=0\.3"):
        fit(model)


@pytest.mark.parametrize(
    "loss",
    [
        SMOOTHING_LOSS,
        [SMOOTHING_LOSS],
        {"top": keras.losses.BinaryFocalCrossentropy(label_smoothing=0.2)},
        functools.partial(keras.losses.categorical_crossentropy, label_smoothing=0.2),
    ],
)
def test_losses_that_smooth_are_found(loss):
    model = make_model()
    model.compile("sgd", loss)
    with pytest.warns(UserWarning, match=r"PatchMixing\(label_smoothing=0\.1\)"):
        warn_if_smoothed_twice(model, kpm.PatchMixing(probability=1.0))


@pytest.mark.parametrize(
    ("loss", "layer"),
    [
        (SMOOTHING_LOSS, kpm.PatchMixing(label_smoothing=0, probability=1.0)),
        (SMOOTHING_LOSS, keras.layers.Dropout(0.5)),
        (keras.losses.CategoricalCrossentropy(), kpm.PatchMixing(probability=1.0)),
        ("categorical_crossentropy", kpm.PatchMixing(probability=1.0)),
        (None, kpm.PatchMixing(probability=1.0)),
    ],
)
def test_smoothing_once_is_not_warned_about(loss, layer, recwarn):
    model = make_model()
    model.compile("sgd", loss)
    warn_if_smoothed_twice(model, layer)
    assert not recwarn.list
