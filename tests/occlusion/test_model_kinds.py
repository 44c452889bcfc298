"""Every kind of model is scored alike: networks that read one pixel, and what cannot be scored."""

import keras
import numpy as np
import pytest

from keras_patchmix.occlusion import PatchDrop, PatchReplacement, build_bank, evaluate
from tests.arrays import to_numpy
from tests.occlusion.closed_form import SIZE, K, constant_data, pixel_reader

Y, X = 9, 4
SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(4, 0.5)]
CROP = ((Y, SIZE - Y - 1), (X, SIZE - X - 1))


def reading_layers():
    """Layers whose scores rank the classes as `closed_form.scores_of` does.

    The nearest center c to v has the largest 2 c v - c^2.
    """
    centers = (40 * np.arange(K) + 10).astype("float32")
    dense = keras.layers.Dense(K)
    dense.build((None, 3))
    dense.set_weights([np.tile(2 * centers / 3, (3, 1)), -(centers**2)])
    return [keras.layers.Cropping2D(CROP), keras.layers.Flatten(), dense]


def sequential():
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *reading_layers()])


def functional():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = inputs
    for layer in reading_layers():
        x = layer(x)
    return keras.Model(inputs, x)


def nested():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, sequential_of_any_size()(inputs))


def sequential_of_any_size():
    cut = keras.layers.Lambda(lambda x: x[:, Y, X], output_shape=(3,))
    return keras.Sequential([cut, *reading_layers()[1:]])


def probabilities():
    # In units in which the exponential does not overflow.
    tail = [keras.layers.Rescaling(1e-3), keras.layers.Softmax()]
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *reading_layers(), *tail])


class Subclassed(keras.Model):
    """Has no graph that Keras knows of, and an argument of its own with a default."""

    def __init__(self):
        super().__init__()
        self.steps = reading_layers()

    def call(self, images, scale=1.0, training=False):
        x = keras.ops.cast(images, "float32") * scale
        for layer in self.steps:
            x = layer(x)
        return x


class OfFloats(keras.Model):
    """Fails on integers, as one that was trained on floats of 0..255 may."""

    def __init__(self):
        super().__init__()
        self.steps = reading_layers()

    def call(self, images):
        kind = keras.backend.standardize_dtype(images.dtype)
        if "int" in kind:
            raise TypeError(f"no {kind}, please")
        x = images
        for layer in self.steps:
            x = layer(x)
        return x


def float_function():
    model = sequential()
    return lambda images: to_numpy(model(np.asarray(images, "float32")))


KINDS = [sequential, functional, nested, probabilities, Subclassed, OfFloats, float_function]


@pytest.fixture(scope="module")
def expected():
    return evaluate(pixel_reader(Y, X), constant_data(50), suite=SUITE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_model_has_the_same_rows(kind, expected):
    report = evaluate(kind(), constant_data(50), suite=SUITE, batch_size=16)
    assert report.rows == expected.rows
    for name, right in expected.correct.items():
        np.testing.assert_array_equal(report.correct[name], right)


def test_the_error_is_the_first_one_where_floats_do_not_help():
    class Broken(keras.Model):
        def call(self, images):
            raise TypeError(f"cannot take {keras.backend.standardize_dtype(images.dtype)}")

    with pytest.raises(TypeError, match="cannot take uint8"):
        evaluate(Broken(), constant_data(12), suite=SUITE)


def test_mixed_precision_ranks_alike(expected):
    # Centers, pixels and their products are a few digits long, but not short enough for bfloat16.
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layers = [keras.layers.Rescaling(1 / 40, -0.25), *reading_layers()]
    finally:
        keras.config.set_dtype_policy("float32")
    layers[-1].set_weights(
        [np.tile(2 * np.arange(K) / 3, (3, 1)).astype("float32"), -(np.arange(K) ** 2.0)]
    )
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers])
    report = evaluate(model, constant_data(50), suite=SUITE)
    assert str(model.compute_dtype) == "float32"  # of the Sequential; its layers' is bfloat16
    assert {layer.compute_dtype for layer in layers} == {"bfloat16"}
    assert report.rows[0].top1 == 1
    for row, other in zip(report.rows, expected.rows, strict=True):
        assert abs(row.top1 - other.top1) < 0.05


def two_inputs():
    inputs = [keras.Input((SIZE, SIZE, 3), name="left"), keras.Input((4,), name="right")]
    x = keras.layers.Concatenate()([keras.layers.Flatten()(inputs[0]), inputs[1]])
    return keras.Model(inputs, keras.layers.Dense(K)(x), name="pair")


def two_outputs():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Flatten()(inputs)
    heads = [keras.layers.Dense(K, name="a")(x), keras.layers.Dense(K, name="b")(x)]
    return keras.Model(inputs, heads, name="heads")


class TwoArguments(keras.Model):
    def call(self, images, prompts, training=False):
        return images + prompts


def unread():
    """A data set that must not be read."""

    class Unread:
        def __iter__(self):
            raise AssertionError("The model should have been refused first")

    return Unread()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (two_inputs, "`model` must have one input.*'pair' with 2 inputs: 'left', 'right'"),
        (two_outputs, "one output, the scores.*'heads' with 2 outputs"),
        (lambda: TwoArguments(name="two"), "one input.*'two', whose call takes images, prompts"),
    ],
)
def test_several_inputs_or_outputs_are_refused_before_any_data_is_read(make, message):
    with pytest.raises(ValueError, match=message):
        evaluate(make(), unread(), suite=SUITE)


def test_images_of_another_size_are_named_and_preprocess_may_resize_them():
    images, labels = constant_data(12)
    larger = np.pad(images, ((0, 0), (0, 4), (0, 4), (0, 0)), mode="edge")
    with pytest.raises(
        ValueError, match=r"takes images of shape \(28, 28, 3\).*shape \(32, 32, 3\)"
    ):
        evaluate(sequential(), (larger, labels), suite=SUITE)
    report = evaluate(
        sequential(), (larger, labels), suite=SUITE, preprocess=lambda batch: batch[:, :SIZE, :SIZE]
    )
    assert report.rows[0].top1 == 1


def test_keras_applications_with_their_own_preprocessing():
    module = keras.applications.mobilenet_v2
    keras.utils.set_random_seed(0)
    model = module.MobileNetV2(
        weights=None, classes=8, input_shape=(32, 32, 3), classifier_activation=None
    )
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (12, 32, 32, 3), np.uint8), np.arange(12) % 8
    report = evaluate(
        model, (images, labels), suite=SUITE, preprocess=module.preprocess_input, batch_size=12
    )
    bank = build_bank([(images, labels)])
    for corruption in SUITE:
        for condition, corrupted, _ in corruption(images, labels, bank=bank):
            scores = model.predict(module.preprocess_input(corrupted.astype("float32")), verbose=0)
            np.testing.assert_array_equal(
                report.correct[condition.name], np.argmax(scores, 1) == labels
            )
    assert report.settings["preprocess"].endswith("preprocess_input")


@pytest.mark.needs("keras_cv")
def test_a_keras_cv_image_classifier(tmp_path):
    import keras_cv

    backbone = keras_cv.models.ResNetBackbone(
        stackwise_filters=[8, 16],
        stackwise_blocks=[1, 1],
        stackwise_strides=[1, 2],
        include_rescaling=True,
        input_shape=(SIZE, SIZE, 3),
    )
    model = keras_cv.models.ImageClassifier(backbone=backbone, num_classes=K)
    data = constant_data(20)
    report = evaluate(model, data, suite=SUITE)
    predicted = np.argmax(model.predict(data[0], verbose=0), 1)
    np.testing.assert_array_equal(report.correct["clean"], predicted == data[1])
    model.save(tmp_path / "classifier.keras")
    loaded = keras.models.load_model(tmp_path / "classifier.keras")
    assert evaluate(loaded, data, suite=SUITE).rows == report.rows
