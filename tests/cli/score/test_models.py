"""Models are loaded safely, with what belongs to them, and refused with a reason."""

import dataclasses
import sys

import keras
import numpy as np
import pytest

from keras_patchmix.cli.data import common_size
from keras_patchmix.cli.model_specs import ModelSpec
from keras_patchmix.cli.remarks import input_line, range_line
from keras_patchmix.cli.score.options import ScoreOptions
from keras_patchmix.corruptions.bank import Bank
from keras_patchmix.models import applications
from keras_patchmix.scoring import objects, preprocessing
from keras_patchmix.scoring.loading import cause, load_model, probe
from tests.cli.score.cases import SIZE, small_model
from tests.occlusion.closed_form import K, constant_data

# The longest beginning of a model's name decides; written down from Keras' documentation.
MODULES = {
    "ConvNeXt": "convnext",
    "DenseNet": "densenet",
    "EfficientNetB": "efficientnet",
    "EfficientNetV2": "efficientnet_v2",
    "InceptionResNetV2": "inception_resnet_v2",
    "InceptionV3": "inception_v3",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3": "mobilenet_v3",
    "NASNet": "nasnet",
    "ResNet": "resnet",
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "Xception": "xception",
}


def spec(source, **settings):
    return ModelSpec("net", str(source), **settings)


def saved(model, path):
    model.save(path)
    return spec(path)


def refused(one, message, **arguments):
    with pytest.raises(ValueError, match=message) as error:
        load_model(one, **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", applications.names())
def test_every_model_of_keras_applications_gets_its_own_preprocessing(name):
    start = max((start for start in MODULES if name.startswith(start)), key=len)
    module = "resnet_v2" if name.startswith("ResNet") and name.endswith("V2") else MODULES[start]
    found = preprocessing.application_preprocess(name)
    expected = getattr(keras.applications, module).preprocess_input
    assert found is expected
    assert found.__module__.endswith("." + module)  # each module's function is its own


def test_the_list_of_keras_applications_is_complete():
    assert len(applications.names()) >= 38
    assert {"ConvNeXtTiny", "MobileNetV3Small", "ResNet50V2"} <= set(applications.names())


def test_preprocessing_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_preprocessing.py").write_text("def halve(images):\n    return images / 2\n")
    images = np.full((1, 2, 2, 3), 51, np.uint8)
    assert preprocessing.preprocess_function("none")(images) is images
    np.testing.assert_allclose(preprocessing.preprocess_function("unit")(images), 0.2, rtol=1e-6)
    np.testing.assert_allclose(
        preprocessing.preprocess_function("mobilenet_v2")(images), -0.6, rtol=1e-6
    )
    own = preprocessing.preprocess_function("own_preprocessing:halve")
    np.testing.assert_array_equal(own(images), np.full((1, 2, 2, 3), 25.5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "resnet5",
            "--preprocess must be none, unit, MODULE:FUNCTION or one of convnext, .*resnet5",
        ),
        (
            "no_such_module:f",
            "--preprocess: the module 'no_such_module' cannot be imported: Module",
        ),
        ("math:no_such", "--preprocess: the module 'math' has no function 'no_such'"),
        ("math:", "--preprocess must be MODULE:FUNCTION"),
    ],
)
def test_preprocessing_that_is_not_there_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        preprocessing.preprocess_function(text)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_saved_model_is_the_model_that_was_saved(tmp_path, ending):
    model = small_model()
    loaded = load_model(saved(model, tmp_path / f"net.{ending}"))
    assert loaded.image_size == (SIZE, SIZE)
    assert loaded.preprocess is None
    assert not loaded.imagenet
    x = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.model.predict_on_batch(x), model.predict_on_batch(x))
    assert probe(loaded, (SIZE, SIZE, 3)) == 3


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_code_in_a_file_is_refused_until_the_file_is_trusted(tmp_path, ending):
    path = tmp_path / f"net.{ending}"
    keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Lambda(lambda x: x * 2, output_shape=(4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    ).save(path)
    refused(spec(path), "holds Python code .* Safe mode keeps .* add --unsafe-load")
    assert probe(load_model(spec(path), unsafe=True), (4, 4, 3)) == 2


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_class_that_keras_does_not_know_is_named_with_the_way_out(ending, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "doubling.py").write_text(
        "import keras\n\n"
        "@keras.saving.register_keras_serializable('doubling')\n"
        "class Doubling(keras.layers.Layer):\n"
        "    def call(self, x):\n        return 2 * x\n"
    )
    known = keras.saving.get_custom_objects()

    def forget():
        del known["doubling>Doubling"], sys.modules["doubling"]

    layer = objects.import_module("doubling", "--import").Doubling()
    model = keras.Sequential([keras.Input((4, 4, 3)), layer, keras.layers.Flatten()])
    one = saved(model, f"net.{ending}")
    forget()
    refused(one, "holds '.*Doubling', which Keras does not know: .*--import MODULE")
    objects.import_module("doubling", "--import")
    assert probe(load_model(one), (4, 4, 3)) == 48
    forget()


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_function_that_keras_does_not_know_is_named(ending, tmp_path):
    def bent(x):
        return keras.ops.abs(x)

    image = keras.Input((4, 4, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(2, activation=bent)(pooled))
    refused(saved(model, tmp_path / f"net.{ending}"), "holds 'bent', which Keras does not know")


def test_models_that_cannot_be_scored_say_why(tmp_path):
    a, b = keras.Input((4, 4, 3), name="left"), keras.Input((4, 4, 3), name="right")
    flat = keras.layers.Flatten()
    two = keras.Model([a, b], keras.layers.Dense(2)(flat(keras.layers.Add()([a, b]))))
    refused(saved(two, tmp_path / "two.keras"), r"has 2 inputs \(left, right\)")
    gray = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    refused(saved(gray, tmp_path / "gray.keras"), r"inputs of shape \(4, 4, 1\).*RGB")
    (tmp_path / "text.keras").write_text("no model")
    refused(spec(tmp_path / "text.keras"), "cannot be loaded")
    refused(spec("keras.applications:VGG17"), "no model 'VGG17'. It has ConvNeXtBase, ")


def test_the_probe_says_what_a_model_does_not_take_or_return(tmp_path):
    small = load_model(saved(small_model(), tmp_path / "small.keras"))
    with pytest.raises(ValueError, match=r"takes images of 24x24 pixels, but .* are 32x32"):
        probe(small, (32, 32, 3))
    image = keras.Input((None, None, 3))
    whole = load_model(saved(keras.Model(image, image + 1), tmp_path / "image.keras"))
    assert whole.image_size is None
    with pytest.raises(ValueError, match=r"returns shape \(5, 5, 3\) for an image.*a classifier"):
        probe(whole, (5, 5, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    two = keras.Model(image, [keras.layers.Dense(2)(pooled), keras.layers.Dense(3)(pooled)])
    with pytest.raises(ValueError, match="has 2 outputs"):
        probe(load_model(saved(two, tmp_path / "heads.keras")), (5, 5, 3))
    broken = load_model(spec(tmp_path / "small.keras", preprocess="math:sqrt"))
    with pytest.raises(ValueError, match="fails on an image of 24x24 pixels after --preprocess: "):
        probe(broken, (SIZE, SIZE, 3))


def subclassed():
    """A model without a fixed graph, which takes floats only and has seen images of 24x20."""

    @keras.saving.register_keras_serializable("tests")
    class Subclassed(keras.Model):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.body = keras.layers.Conv2D(3, 3)
            self.pool = keras.layers.GlobalMaxPooling2D()

        def call(self, images):
            if "float" not in keras.backend.standardize_dtype(images.dtype):
                raise TypeError("no integers")
            return self.pool(self.body(images))

    model = Subclassed()
    model(np.zeros((1, 24, 20, 3), "float32"))
    return model


def test_a_subclassed_model_is_given_the_size_it_was_built_with(tmp_path):
    one = load_model(saved(subclassed(), tmp_path / "sub.keras"))
    assert (one.image_size, one.built_size) == (None, (24, 20))
    options = ScoreOptions(model=("net",), dataset="shapes")
    assert common_size(options, [one]) == (24, 20)
    assert common_size(dataclasses.replace(options, image_size=32), [one]) == (32, 32)
    fixed = load_model(saved(small_model(), tmp_path / "small.keras"))
    assert common_size(options, [one, fixed]) == (SIZE, SIZE)
    other = dataclasses.replace(one, spec=ModelSpec("b", ""), built_size=(8, 8))
    with pytest.raises(ValueError, match=r"--image-size is needed: .*, net 24x20, b 8x8"):
        common_size(options, [one, other])
    assert common_size(options, [dataclasses.replace(one, built_size=None)]) is None


def test_a_model_that_takes_no_integers_is_probed_with_floats(tmp_path):
    one = load_model(saved(subclassed(), tmp_path / "sub.keras"))
    with pytest.raises(TypeError, match="no integers"):
        one.model(keras.ops.zeros((1, 24, 20, 3), "uint8"))
    assert probe(one, (24, 20, 3)) == 3
    doubled = dataclasses.replace(one, preprocess=lambda images: images * 2)
    assert probe(doubled, (24, 20, 3)) == 3


def test_the_cause_of_a_failure_is_told_in_one_line(tmp_path):
    one = load_model(saved(subclassed(), tmp_path / "sub.keras"))
    with pytest.raises(ValueError, match=r"Exception encountered .*axis -1") as error:
        probe(one, (24, 20, 4))
    said = str(error.value)
    assert "expected axis -1 of input shape to have value 3" in said
    assert not any(text in said for text in ("\n", "\x1b", "Arguments received"))
    assert cause(KeyError()) == "KeyError"
    assert cause(ValueError("x" * 600)) == "x" * 500 + " ..."


def test_a_model_of_one_score_is_one_of_two_classes(tmp_path):
    one = load_model(saved(small_model(classes=1), tmp_path / "one.keras"))
    assert probe(one, (SIZE, SIZE, 3)) == 1


def test_what_a_model_is_given_is_said(tmp_path):
    small_model().save(tmp_path / "net.keras")

    def said(source=tmp_path / "net.keras", **settings):
        return input_line(load_model(spec(source, weights="none", **settings), 32))

    assert said() == "net: images of 0..255 as they are (--preprocess unit for 0..1)"
    assert said(preprocess="unit") == "net: images of 0..1 (--preprocess unit)"
    assert said(preprocess="math:sqrt") == "net: images of 0..255 through math:sqrt"
    keras_way = "net: images of 0..255 with keras.applications.{}'s preprocessing"
    assert said(preprocess="resnet50") == keras_way.format("resnet50")
    mobile = "keras.applications:MobileNetV3Small"
    assert said(mobile) == keras_way.format("mobilenet_v3")
    assert said(mobile, preprocess="none") == said()


@pytest.mark.parametrize("scale", [1, 255])
def test_a_model_of_images_of_0_to_1_is_doubted_unless_the_flag_is_given(tmp_path, scale):
    images, labels = constant_data(48)
    bank = Bank(images, labels, np.arange(48))
    centers = (40 * np.arange(K) + 10).astype("float32") / scale
    dense = keras.layers.Dense(K)
    layers = [keras.layers.GlobalAveragePooling2D(), dense]
    model = keras.Sequential([keras.Input(images.shape[1:]), *layers])
    dense.set_weights([np.tile(2 * centers / 3, (3, 1)), -(centers**2)])  # the nearest center wins
    model.save(tmp_path / "net.keras")

    def doubt(**settings):
        loaded = load_model(spec(tmp_path / "net.keras", **settings))
        return range_line(loaded, None, None, bank)

    if scale == 1:
        assert doubt() is None
    else:
        assert doubt() == (
            "net: of 48 images it has 48 right when they are divided by 255, and 8 as they are: it "
            "was probably trained on images of 0..1, give --preprocess unit"
        )
        loaded = load_model(spec(tmp_path / "net.keras"))
        grouped = Bank(images, labels // 5, np.arange(48))
        assert "48 right" in range_line(loaded, [[0, 1, 2, 3, 4], [5]], None, grouped)
    assert doubt(preprocess="unit") is None
    assert doubt(preprocess="none") is None


def test_a_model_that_cannot_take_images_of_0_to_1_is_not_doubted(tmp_path):
    images, labels = constant_data(48)
    model = keras.Sequential([keras.Input(images.shape[1:]), keras.layers.GlobalMaxPooling2D()])
    model.add(keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer="ones"))
    model.layers[-1].set_weights([np.full((3, 1), -1 / 255, "float32"), np.full(1, 1.1, "float32")])
    loaded = load_model(saved(model, tmp_path / "net.keras"))  # 1.1 is no probability
    bank = Bank(images, labels % 2, np.arange(48))
    assert range_line(loaded, None, False, bank) is None


def test_a_module_is_found_by_the_path_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "helping_parts.py").write_text("VALUE = 7\n")
    own = tmp_path / "own_by_path.py"
    own.write_text("import helping_parts\n\ndef add(x):\n    return x + helping_parts.VALUE\n")
    module = objects.import_module(str(own), "--import")
    assert module.add(1) == 8
    assert objects.import_module(str(own), "--import") is module
    assert objects.import_module("own_by_path", "--import") is module
    assert preprocessing.preprocess_function(f"{own}:add") is module.add
    (tmp_path / "json.py").write_text("")
    (tmp_path / "failing.py").write_text("1 / 0\n")
    for name, message in (
        ("none.py", "FileNotFoundError: there is no file '.*none.py'"),
        ("json.py", "a module 'json' is there already; rename the file"),
        ("failing.py", "ZeroDivisionError"),
    ):
        with pytest.raises(ValueError, match=f"--import: the module '.*' cannot .*{message}"):
            objects.import_module(str(tmp_path / name), "--import")
    assert "failing" not in sys.modules


def test_where_a_missing_module_was_looked_for_is_said(tmp_path, monkeypatch):
    (tmp_path / "scripts").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "scripts"), *sys.path])
    monkeypatch.chdir(tmp_path)
    looked = f"Looked in '{tmp_path}' \\(the current directory\\), '{tmp_path / 'scripts'}'"
    with pytest.raises(ValueError, match=looked):
        objects.import_module("no_such_module", "--import")
    (tmp_path / "needing.py").write_text("import no_such_module\n")
    with pytest.raises(ValueError, match=r"No module named 'no_such_module'$"):
        objects.import_module("needing", "--import")


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # of the file that does not fit
def test_keras_applications_are_built_with_random_weights_or_those_of_a_file(tmp_path):
    built = load_model(spec("keras.applications:MobileNetV3Small", weights="none"), image_size=32)
    assert built.image_size == (32, 32)
    assert built.untrained
    assert not built.imagenet
    assert built.preprocess is keras.applications.mobilenet_v3.preprocess_input
    path = tmp_path / "own.weights.h5"
    built.model.save_weights(path)
    again = load_model(spec("keras.applications:MobileNetV3Small", weights=str(path)), 32)
    assert again.imagenet
    for a, b in zip(built.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    other = spec("keras.applications:MobileNetV2", weights=str(path), preprocess="none")
    refused(other, "with weights .*own.weights.h5' cannot be built", image_size=32)


@pytest.mark.needs("keras_cv")
def test_a_classifier_of_keras_cv_is_loaded(tmp_path):
    import keras_cv

    backbone = keras_cv.models.ResNetBackbone(
        stackwise_filters=[8],
        stackwise_blocks=[1],
        stackwise_strides=[1],
        include_rescaling=True,
        input_shape=(32, 32, 3),
    )
    model = keras_cv.models.ImageClassifier(backbone, num_classes=4)
    loaded = load_model(saved(model, tmp_path / "cv.keras"))
    assert loaded.image_size == (32, 32)
    assert probe(loaded, (32, 32, 3)) == 4
